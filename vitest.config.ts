import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/globalSetup.ts"],
    // Many tests wait for processes and servers more than they reckon.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 60_000
  }
})
