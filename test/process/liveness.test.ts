import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { eventually, startMain } from "../support/processes.ts"

/** A daemon that waits for its database, in a network of its own, as in a container. */
const environment = { DATABASE_URL: "postgres://127.0.0.1:1/nothing" }
const alone = ["unshare", "--net"]
const canUnshare = spawnSync("unshare", ["--net", "nsenter", "--version"]).status === 0
if (!canUnshare) console.log("Skipped, because this account or system cannot make a network namespace: health --live")

describe("health --live", () => {
  it.live.skipIf(!canUnshare)("says whether the daemon beside it handles events, without its database", () =>
    Effect.gen(function* () {
      const { child, output } = yield* startMain([], environment, alone)
      yield* eventually("it waits", Effect.sync(output), (log) => log.includes("Waiting for the database"))
      const beside = ["nsenter", `--net=/proc/${child.pid}/ns/net`]
      const health = Effect.gen(function* () {
        const run = yield* startMain(["health", "--live", "--json"], {}, beside)
        return { code: yield* run.exit, output: run.output() }
      })
      const alive = yield* health
      assert.strictEqual(alive.code, 0)
      assert.match(alive.output, new RegExp(`"alive": true,\\s*"answering": \\[\\s*".*-${child.pid}-`))

      child.kill("SIGSTOP")
      const stopped = yield* health
      assert.strictEqual(stopped.code, 1)
      assert.include(stopped.output, "No daemon on this host is alive")
      child.kill("SIGCONT")
      assert.strictEqual((yield* health).code, 0)
    }).pipe(Effect.scoped)
  )
})
