import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { ask } from "./kite.ts"

const ready = /^Kite simulator listening on (http:\/\/127\.0\.0\.1:(\d+)) \(api key k, access token t\)$/m

const started = Effect.gen(function* () {
  const run = yield* startMain(
    ["kite-simulator", "--port", "0", "--api-key", "k", "--access-token", "t", "--fault-rate", "0.1"],
    {}
  )
  const output = yield* eventually("it is ready", Effect.sync(run.output), (output) => ready.test(output))
  const [, url = "", port = ""] = ready.exec(output) ?? []
  return { run, url, port }
})

describe("the command kite-simulator", () => {
  it.live("serves until a signal stops it", () =>
    Effect.gen(function* () {
      const { run, url } = yield* started
      const headers = { "X-Kite-Version": "3", authorization: "token k:t" }
      assert.strictEqual((yield* ask(`${url}/user/profile`, { headers })).status, 200)
      assert.strictEqual((yield* ask(`${url}/simulator/summary`)).status, 200)
      run.child.kill("SIGTERM")
      assert.strictEqual(yield* run.exit, 0)
    }).pipe(Effect.scoped)
  )

  it.live("fails with the reason when its port is in use or an option is invalid", () =>
    Effect.gen(function* () {
      const { port } = yield* started
      const second = yield* runMain(["kite-simulator", "--port", port], {})
      assert.strictEqual(second.code, 1)
      assert.include(second.output, `The Kite simulator cannot listen on 127.0.0.1:${port}`)
      const strange = yield* runMain(["kite-simulator", "--fault-rate", "2"], {})
      assert.strictEqual(strange.code, 1)
      assert.include(strange.output, "must be from 0 to 1, but is 2")
      const never = yield* runMain(["kite-simulator", "--market-hours", "--starts-at", "noon"], {})
      assert.strictEqual(never.code, 1)
      assert.include(never.output, "--starts-at must be a time in India such as 09:14")
    }).pipe(Effect.scoped)
  )
})
