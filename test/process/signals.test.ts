import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { startMain } from "../support/processes.ts"

/** Sends the process a signal as soon as it begins to load the program, when main.ts has run up to there. */
const signalledWhileLoading = (signal: string) => {
  const code = `import { registerHooks } from "node:module"
    registerHooks({ load(url, context, next) {
      if (url.endsWith("/program.js")) process.kill(process.pid, "${signal}")
      return next(url, context)
    } })`
  // Were it not obeyed, the daemon would say that it waits for this database, or fail.
  return {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}`,
    DATABASE_URL: "postgres://127.0.0.1:1/nothing"
  }
}

/** Makes a program process 1 of a container of its own. */
const asFirst = ["unshare", "--pid", "--fork", "--mount-proc"]
const [unshare = "", ...unshareArgs] = asFirst
const canUnshare = spawnSync(unshare, [...unshareArgs, process.execPath, "--version"]).status === 0
if (!canUnshare) console.log("Skipped, because this account or system cannot make a PID namespace: process 1")

describe("a signal before the program is loaded", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
    it.live(`${signal}: the daemon exits with 0 and has done nothing`, () =>
      Effect.gen(function* () {
        const { exit, output } = yield* startMain([], signalledWhileLoading(signal))
        assert.strictEqual(yield* exit, 0)
        assert.strictEqual(output(), "")
      }).pipe(Effect.scoped)
    )
  }

  it.live.skipIf(!canUnshare)("is obeyed by process 1, which the kernel protects from signals without a handler", () =>
    Effect.gen(function* () {
      const { exit, output } = yield* startMain([], signalledWhileLoading("SIGTERM"), asFirst)
      assert.strictEqual(yield* exit, 0)
      assert.strictEqual(output(), "")
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(!canUnshare)("is not lost while Node.js itself starts, in the image's entrypoint", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "pulse-entrypoint-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const root = fileURLToPath(new URL("../../", import.meta.url))
      copyFileSync(join(root, "deploy/docker/pulse"), join(folder, "pulse"))
      symlinkSync(join(root, "dist"), join(folder, "dist"))
      // Given a Node.js that takes its time before it runs main.js, and tells the process 1 that it has begun.
      const slow = `process.kill(1, "SIGTERM"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)`
      const environment = {
        PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(slow)}`,
        DATABASE_URL: "postgres://127.0.0.1:1/nothing"
      }
      const [program = "", ...args] = [...asFirst, join(folder, "pulse")]
      for (const [words, code] of [
        [[], 0],
        [["health"], 143]
      ] as const) {
        const ended = spawnSync(program, [...args, ...words], { env: environment, encoding: "utf8" })
        assert.deepStrictEqual([ended.status, `${ended.stdout}${ended.stderr}`], [code, ""])
      }
    }).pipe(Effect.scoped)
  )

  it.live("a command exits with 130, because it has not done what it was asked", () =>
    Effect.gen(function* () {
      const { exit } = yield* startMain(["order", "list"], signalledWhileLoading("SIGTERM"))
      assert.strictEqual(yield* exit, 130)
    }).pipe(Effect.scoped)
  )
})
