import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"

const orderListSize = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.orderListSize",
    Schema.Struct({ orders: Schema.Int }),
    sql`SELECT count(*)::int AS orders FROM mock_broker_orders`
  )
).pipe(Effect.map(([row]) => row?.orders ?? 0))

/** The number of slices that are due and not placed. */
const overdue = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.overdue",
    Schema.Struct({ slices: Schema.Int }),
    sql`SELECT count(*)::int AS slices FROM order_slices WHERE stage = 'SCHEDULED' AND scheduled_at <= now()`
  )
).pipe(Effect.map(([row]) => row?.slices ?? 0))

/** The number of halts and resumes so far. */
const halts = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.halts", Schema.Struct({ count: Schema.Int }), sql`SELECT count(*)::int AS count FROM placement_halts`)
).pipe(Effect.map(([row]) => row?.count ?? 0))

describe("halt and resume", () => {
  it.live("no replica places anything between the end of halt and resume, not even one that starts meanwhile", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const [first, second] = [yield* startMain([], environment), yield* startMain([], environment)]
        // From now on 20 slices are due every second.
        yield* insertOrders(10, { total_quantity: 120, num_splits: 120 }, 0)
        yield* eventually("placements are under way", orderListSize, (orders) => orders > 20)

        const halt = yield* runMain(["halt", "--reason", "fat finger"], environment)
        const atHalt = yield* orderListSize
        assert.strictEqual(halt.code, 0, halt.output)
        assert.include(halt.output, "Halted: nothing is claimed any more")
        const third = yield* startMain([], environment)
        yield* eventually("slices are overdue", overdue, (slices) => slices > 40)
        yield* eventually("the third daemon runs", Effect.sync(third.output), (log) => log.includes("fat finger"))
        assert.strictEqual(yield* orderListSize, atHalt)
        const health = yield* eventually(
          "health tells",
          runMain(["health"], environment),
          ({ code, output }) => code === 0 && output.includes("on hold")
        )
        assert.match(health.output, /^healthy\nPlacements are on hold: halted by .*: fat finger$/m)

        const resume = yield* runMain(["resume"], environment)
        assert.strictEqual(resume.code, 0, resume.output)
        yield* eventually("nothing is overdue", overdue, (slices) => slices === 0)
        assert.isUndefined((yield* stages)["FAILED"])
        for (const run of [first, second, third]) run.child.kill("SIGTERM")
        yield* Effect.forEach([first, second, third], (run) => run.exit)
      }).pipe(Effect.scoped)
    )
  )

  it.live("halt waits for the claims of a killed daemon, because it could be only frozen", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = {
          ...quick,
          DATABASE_URL: url,
          SLICE_EXECUTION_TIMEOUT_MINUTES: "60",
          SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS: "5"
        }
        const { sql, execute } = yield* Db
        const run = yield* startMain([], environment)
        yield* insertOrders(1, { total_quantity: 60, num_splits: 60 }, 0)
        yield* eventually("slices are claimed ahead", stages, (counts) => (counts["IN_PROGRESS"] ?? 0) > 2)
        run.child.kill("SIGKILL")
        yield* run.exit
        const halt = (wait: string) => ["halt", "--reason", "test", "--wait", wait]
        const claims = /-\d+-\w{6} did not acknowledge within 1 s\. What it has claimed it may still place/

        // Given a killed daemon that still counts as alive for an hour.
        yield* execute("test.alive", sql`UPDATE workers SET stale_after_millis = 3600000`)
        const shortWait = yield* runMain(halt("1"), environment)
        assert.strictEqual(shortWait.code, 1)
        assert.match(shortWait.output, claims)
        const resume = yield* runMain(["resume", "--wait", "1"], environment)
        assert.strictEqual(resume.code, 1)
        assert.include(resume.output, "it places nothing until it hears of it")

        // Given that it counts as dead, but its claims have not ended.
        yield* execute("test.dead", sql`UPDATE workers SET heartbeat_at = 'epoch'`)
        const again = yield* runMain(halt("1"), environment)
        assert.strictEqual(again.code, 1)
        assert.match(again.output, claims)

        const longWait = yield* startMain(halt("600"), environment)
        yield* eventually("it waits", halts, (count) => count === 4)
        yield* execute("test.over", sql`UPDATE order_slices SET lease_expires_at = now() WHERE stage = 'IN_PROGRESS'`)
        assert.strictEqual(yield* longWait.exit, 0, longWait.output())
      }).pipe(Effect.scoped)
    )
  )

  it.live("a dry run sends nothing, and records for each slice what it would have sent", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url, DRY_RUN: "true" }
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* eventually("all slices are SKIPPED", stages, (counts) => counts["SKIPPED"] === 5)
        const show = yield* runMain(["order", "show", "o0"], environment)
        assert.match(show.output, /dry run: would have sent BUY 20 NSE:RELIANCE MARKET CNC DAY tag PB\w{18}/)
        assert.strictEqual(yield* orderListSize, 0)
      }).pipe(Effect.scoped)
    )
  )

  it.live("halt and resume are immediate without daemons, and apply to daemons that start later", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        assert.strictEqual((yield* runMain(["halt", "--reason", "night"], environment)).code, 0)
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        assert.strictEqual((yield* runMain(["resume", "--wait", "600"], environment)).code, 0)
        yield* allProcessed(5)
        const nameless = yield* runMain(["halt"], environment)
        assert.strictEqual(nameless.code, 1)
        assert.include(nameless.output, "--reason")
        const speechless = yield* runMain(["halt", "--reason", " "], environment)
        assert.deepStrictEqual([speechless.code, speechless.output.includes("must not be empty")], [1, true])
      }).pipe(Effect.scoped)
    )
  )

  it.live("a daemon refuses to start beside daemons with another broker", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        yield* startMain([], environment)
        yield* eventually("the first runs", runMain(["health"], environment), ({ code }) => code === 0)
        const second = yield* runMain([], {
          ...environment,
          BROKER_TYPE: "zerodha",
          INSTRUMENT_SYNC_TIME: "off",
          ZERODHA_API_KEY: "key",
          ZERODHA_URL: "http://127.0.0.1:9"
        })
        assert.strictEqual(second.code, 1)
        assert.include(
          second.output,
          "broker is zerodha http://127.0.0.1:9, but other daemons on this database place with mock"
        )
      }).pipe(Effect.scoped)
    )
  )
})
