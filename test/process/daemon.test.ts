import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick, quickToReconcile, stages, withDatabase } from "../support/daemon.ts"
import { eventually, type Run, runMain, startMain } from "../support/processes.ts"
import { sliceRows } from "../support/service.ts"

/** The number of broker orders by tag in the mock's order list: more than one is a double placement. */
const ordersByTag = Effect.gen(function* () {
  const { sql, query } = yield* Db
  return yield* query(
    "test.orderList",
    Schema.Struct({ tag: Schema.String, orders: Schema.Int, quantity: Schema.Number }),
    sql`SELECT tag, count(*)::int AS orders, max(quantity)::float8 AS quantity FROM mock_broker_orders GROUP BY tag`
  )
})

const assertOncePerSlice = Effect.gen(function* () {
  const listed = yield* ordersByTag
  const slices = yield* sliceRows()
  assert.isTrue(
    listed.every(({ orders }) => orders === 1),
    "a slice was placed twice"
  )
  assert.sameMembers(
    listed.map(({ tag }) => tag),
    slices.map(({ tag }) => tag)
  )
})

/**
 * From now on the mock's table records the time at which an order is written, by the database's own clock, which the
 * daemons only estimate.
 */
const recordWriteTimes = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "test.note",
    sql`ALTER TABLE mock_broker_orders ADD COLUMN written_at timestamptz NOT NULL DEFAULT clock_timestamp()`
  )
)

/** The milliseconds from each slice's due time until its order was written to the order list. */
const latenessMillis = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const rows = yield* query(
    "test.lateness",
    Schema.Struct({ millis: Schema.Number }),
    sql`
      SELECT (extract(epoch FROM b.written_at - s.scheduled_at) * 1000)::float8 AS millis
      FROM mock_broker_orders b JOIN order_slices s USING (tag) ORDER BY s.order_id, s.sequence_number`
  )
  return rows.map(({ millis }) => millis)
})

const untilItWorks = ({ output }: Run) =>
  eventually("its workers run", Effect.sync(output), (log) => log.includes("is running as"))

describe("the daemon", () => {
  it.live("two daemons place each slice of 20 orders exactly once, none early", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        // No latency, which could hide an early request, and claims too small for one daemon to get all slices.
        const environment = {
          ...quick,
          DATABASE_URL: url,
          MOCK_BROKER_LATENCY_MILLIS: "0",
          MOCK_BROKER_LATENCY_JITTER_MILLIS: "0",
          SLICE_EXECUTOR_CLAIM_LIMIT: "5"
        }
        yield* recordWriteTimes
        const first = yield* startMain([], environment)
        const second = yield* startMain([], environment)
        for (const run of [first, second]) yield* untilItWorks(run)
        // Slices at 0, 15, 30, 45 and 60 s: the last falls due while both daemons run, the others are overdue.
        yield* insertOrders(20, {}, 55)
        yield* allProcessed(100)
        yield* assertOncePerSlice

        const lateness = yield* latenessMillis
        assert.strictEqual(lateness.length, 100)
        assert.isTrue(
          lateness.every((millis) => millis >= 0),
          `a slice was early: ${Math.min(...lateness)} ms after its time`
        )
        const workers = new Set((yield* sliceRows()).map((slice) => slice.claimedBy))
        assert.strictEqual(workers.size, 2, "one daemon did everything")
        for (const run of [first, second]) run.child.kill("SIGTERM")
        assert.deepStrictEqual([yield* first.exit, yield* second.exit], [0, 0])
      }).pipe(Effect.scoped)
    )
  )

  it.live("SIGTERM with calls in flight: they end, the rest is given back, and nothing is in doubt", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url, MOCK_BROKER_LATENCY_JITTER_MILLIS: "0" }
        // Given a daemon that needs forty seconds for all slices.
        const run = yield* startMain([], {
          ...environment,
          SLICE_EXECUTOR_CONCURRENCY: "4",
          MOCK_BROKER_LATENCY_MILLIS: "400"
        })
        yield* insertOrders(4, { duration_minutes: 0, num_splits: 100 }, 0)
        yield* eventually("some are placed", stages, (counts) => (counts["PROCESSED"] ?? 0) >= 4)
        run.child.kill("SIGTERM")
        assert.strictEqual(yield* run.exit, 0, run.output())
        assert.include(run.output(), "Stopped in order")

        const after = yield* stages
        assert.isUndefined(after["IN_PROGRESS"])
        assert.isAbove(after["SCHEDULED"] ?? 0, 0)
        assert.strictEqual((yield* ordersByTag).length, after["PROCESSED"])

        yield* startMain([], { ...environment, MOCK_BROKER_LATENCY_MILLIS: "0" })
        yield* allProcessed(400)
        yield* assertOncePerSlice
      }).pipe(Effect.scoped)
    )
  )

  it.live("SIGUSR1 does not open Node's inspector", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const run = yield* startMain([], { ...quick, DATABASE_URL: url })
        yield* eventually("it runs", Effect.sync(run.output), (log) => log.includes("is running as"))
        run.child.kill("SIGUSR1")
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* allProcessed(5)
        run.child.kill("SIGTERM")
        assert.strictEqual(yield* run.exit, 0)
        assert.notInclude(run.output(), "Debugger")
      }).pipe(Effect.scoped)
    )
  )

  it.live("SIGTERM during the start: exits with 0", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        // Given a daemon that waits for a lock during its start.
        const { sql, query, unlimited, execute } = yield* Db
        const isLocked = yield* Deferred.make<void>()
        const lock = execute("test.lock", sql`LOCK TABLE broker_in_use`)
        yield* Effect.forkScoped(
          unlimited(
            "test.hold",
            Effect.andThen(Effect.andThen(lock, Deferred.succeed(isLocked, undefined)), Effect.never)
          )
        )
        yield* Deferred.await(isLocked)
        const run = yield* startMain([], { ...quick, DATABASE_URL: url })
        const waiting = query(
          "test.waiting",
          Schema.Struct({ pid: Schema.Int }),
          sql`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
        )
        yield* eventually("it waits", waiting, (rows) => rows.length > 0)

        run.child.kill("SIGTERM")
        assert.strictEqual(yield* run.exit, 0, run.output())
      }).pipe(Effect.scoped)
    )
  )

  it.live("repeated kill -9 and restart: no slice is lost or placed twice", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = {
          ...quickToReconcile,
          DATABASE_URL: url,
          SLICE_EXECUTOR_CONCURRENCY: "4",
          MOCK_BROKER_LATENCY_MILLIS: "60"
        }
        yield* insertOrders(10, { duration_minutes: 0 }, 0)
        for (const enough of [3, 10, 20]) {
          const run = yield* startMain([], environment)
          yield* eventually("some are in the order list", ordersByTag, (listed) => listed.length >= enough)
          run.child.kill("SIGKILL")
          assert.strictEqual(yield* run.exit, "SIGKILL")
        }
        yield* startMain([], environment)
        yield* allProcessed(50)
        yield* assertOncePerSlice
      }).pipe(Effect.scoped)
    )
  )

  it.live("every fault of the mock broker, half of the time: no slice is lost or placed twice", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = {
          ...quickToReconcile,
          DATABASE_URL: url,
          MOCK_BROKER_FAULT_RATE: "0.5",
          MOCK_BROKER_LATENCY_MILLIS: "5",
          SLICE_MAX_ATTEMPTS: "1000"
        }
        yield* insertOrders(10, { duration_minutes: 0 }, 0)
        yield* startMain([], environment)
        yield* startMain([], environment)
        yield* allProcessed(50)
        yield* assertOncePerSlice
      }).pipe(Effect.scoped)
    )
  )

  it.live("daemons that start together migrate an empty database once, and are healthy", () =>
    withDatabase(
      (url) =>
        Effect.gen(function* () {
          const environment = { ...quick, DATABASE_URL: url }
          const runs = yield* Effect.forEach([1, 2, 3], () => startMain([], environment))
          yield* eventually("health answers yes", runMain(["health"], environment), ({ code }) => code === 0)
          yield* insertOrders(1, { duration_minutes: 0 }, 0)
          yield* allProcessed(5)
          assert.strictEqual(runs.filter((run) => run.output().includes("Applied ")).length, 1)
        }).pipe(Effect.scoped),
      "empty"
    )
  )

  it.live("survives the loss of all its connections", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const run = yield* startMain([], { ...quickToReconcile, DATABASE_URL: url })
        yield* insertOrders(5, {}, 50)
        yield* eventually("some are placed", stages, (counts) => (counts["PROCESSED"] ?? 0) >= 1)
        const { sql } = yield* Db
        const kill = sql`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
        for (let n = 0; n < 5; n += 1) {
          yield* eventually("it has connections to lose", kill, (killed) => killed.length > 0)
        }
        yield* allProcessed(25)
        yield* assertOncePerSlice
        run.child.kill("SIGTERM")
        assert.strictEqual(yield* run.exit, 0)
      }).pipe(Effect.scoped)
    )
  )
})

describe("an interrupted command", () => {
  it.live("order cancel: fails with the message that the cancel is not confirmed", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const { sql, execute, query } = yield* Db
        yield* insertOrders(1, { num_splits: 1 }, 0)
        // Given a slice that is claimed by an executor that never reports an outcome.
        yield* execute(
          "test.claimed",
          sql`
            INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type,
              product_type, validity, scheduled_at, not_before, not_after, stage, claimed_by, lease_expires_at)
            VALUES ('s', 'o0', 1, 'T', 'NSE:X', 'BUY', 1, 'MARKET', 'CNC', 'DAY', now(), now(), now() + interval '1 hour',
              'IN_PROGRESS', 'somebody', now() + interval '1 hour')`
        )
        yield* execute("test.done", sql`UPDATE orders SET order_queue_status = 'DONE'`)
        const run = yield* startMain(["order", "cancel", "o0"], { DATABASE_URL: url })
        yield* eventually(
          "the cancel is asked for",
          query(
            "test.asked",
            Schema.Struct({ id: Schema.String }),
            sql`SELECT id FROM orders WHERE cancel_requested_at IS NOT NULL`
          ),
          (rows) => rows.length === 1
        )
        run.child.kill("SIGINT")
        assert.strictEqual(yield* run.exit, 130, run.output())
        assert.include(run.output(), "The cancel of order o0 stands, but is not confirmed")
      }).pipe(Effect.scoped)
    )
  )
})

describe("a failed start of the daemon", () => {
  it.live("names a database that cannot be reached", () =>
    Effect.gen(function* () {
      const { code, output } = yield* runMain([], { DATABASE_URL: "postgres://joe:secret-word@127.0.0.1:1/nothing" })
      assert.strictEqual(code, 1)
      assert.include(output, "Cannot use the database at 127.0.0.1:1/nothing")
      assert.include(output, "Check that DATABASE_URL is right")
      assert.notInclude(output, "secret-word")
    })
  )

  it.live("names all invalid settings at once", () =>
    Effect.gen(function* () {
      const { code, output } = yield* runMain([], {
        DATABASE_URL: "mysql://joe:secret-word@host/db",
        SLICE_EXECUTOR_CONCURRENCY: "many",
        BROKER_TYPE: "zerodha"
      })
      assert.strictEqual(code, 1)
      for (const name of ["DATABASE_URL", "SLICE_EXECUTOR_CONCURRENCY", "BROKER_TYPE"]) assert.include(output, name)
      assert.notInclude(output, "secret-word")
    })
  )
})
