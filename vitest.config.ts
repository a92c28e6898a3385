import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/globalSetup.ts"],
    // Many tests wait for processes and servers more than they reckon.
    maxWorkers: 3,
    // A worker keeps the modules that it has loaded: no test changes them, nor what is global to its process.
    isolate: false,
    // The only limits by the clock: no test waits or measures with one of its own. A busy machine makes the slowest tests, of
    // twenty seconds, some minutes long.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000
  }
})
