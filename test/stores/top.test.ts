import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Fiber, Layer, Option, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { PostgresStatusStore } from "../../src/stores/operations/PostgresStatusStore.ts"
import { TopStore } from "../../src/stores/operations/TopStore.ts"
import { dbAt, freshDatabase, testDatabase } from "../support/database.ts"
import { eventually } from "../support/processes.ts"
import { insertOrder } from "../support/service.ts"

const now = DateTime.makeUnsafe("2026-11-24T10:00:00Z")
const at = (seconds: number) => instant(DateTime.add(now, { seconds }))

const stores = Layer.mergeAll(TopStore.layer, DoctorStore.layer, PostgresStatusStore.layer).pipe(
  Layer.provideMerge(testDatabase)
)

/** One slice, SCHEDULED for a minute from now, changed where the test says so. */
const insertSlice = (id: string, orderId: string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    const row = {
      id,
      order_id: orderId,
      sequence_number: 100 + Number(id.replaceAll(/\D/g, "")),
      tag: `T${id}`,
      instrument: "NSE:RELIANCE",
      side: "BUY",
      quantity: 20,
      order_type: "MARKET",
      product_type: "CNC",
      validity: "DAY",
      scheduled_at: changed["not_before"] ?? at(60),
      not_before: at(60),
      not_after: at(600),
      ...changed
    }
    yield* execute("test.insertSlice", sql`INSERT INTO order_slices ${sql.insert(row)}`)
  })

const claimed = { stage: "IN_PROGRESS", claimed_by: "w", claimed_at: at(-1), lease_expires_at: at(100) }
const placed = { stage: "PROCESSED", acknowledged_at: at(-30), broker_order_id: "b" }
const done = { order_queue_status: "DONE", split_at: at(-100), updated_at: at(-100) }

const insertAll = Effect.gen(function* () {
  yield* insertOrder("o1", { ...done, created_at: at(-100) })
  yield* insertOrder("o2", { ...done, created_at: at(-50), held_at: at(-5), hold_reason: "paused" })
  yield* insertOrder("o3", { created_at: at(-40), updated_at: at(-40) })
  yield* insertSlice("s1", "o1", { ...placed, not_before: at(-90), placed_at: at(-90), broker_is_final: true })
  yield* insertSlice("s2", "o1", { ...placed, sequence_number: 150, not_before: at(-60), placed_at: at(-59) })
  yield* insertSlice("s3", "o1", { ...placed, not_before: at(-60), placed_at: at(-60), left_book_at: at(-20) })
  yield* insertSlice("s4", "o1", { ...claimed, not_before: at(1) })
  yield* insertSlice("s5", "o1", { ...claimed, not_before: at(-9), outcome_unknown_at: at(-8), placed_at: at(-9) })
  yield* insertSlice("s6", "o1", { ...claimed, not_before: at(-200), lease_expires_at: at(-80) })
  yield* insertSlice("s7", "o1", { not_before: at(-10) })
  yield* insertSlice("s8", "o1")
  yield* insertSlice("s9", "o2", { not_before: at(-7), is_held: true })
  yield* insertSlice("s10", "o1", { stage: "FAILED", sequence_number: 1, not_before: at(-300), placed_at: at(-300) })
})

describe("the overview", () => {
  it.live("lists due, in doubt, lost and placed slices in order, and counts unfinished ones", () =>
    Effect.gen(function* () {
      yield* insertAll
      const overview = yield* TopStore
      const orders = yield* overview.orders(10)
      assert.deepStrictEqual(
        orders.map(({ orderId, state }) => [orderId, state]),
        [
          ["o3", "pending"],
          ["o2", "held"],
          ["o1", "working"]
        ]
      )
      const slices = yield* overview.slices(
        orders.map(({ orderId }) => orderId),
        10,
        now
      )
      const idsOf = (kind: string) => slices.filter((slice) => slice.kind === kind).map(({ id }) => id)
      assert.deepStrictEqual(idsOf("due"), ["s7", "s4", "s8"])
      assert.deepStrictEqual(idsOf("doubt"), ["s6", "s5"])
      assert.deepStrictEqual(idsOf("lost"), ["s3"])
      assert.deepStrictEqual(idsOf("placed"), ["s2", "s3", "s1", "s10"])
      assert.deepStrictEqual(yield* overview.counts(now), { scheduled: 3, overdue: 1, claimed: 1, inDoubt: 2, open: 2 })
      const few = yield* overview.slices(["o1"], 1, now)
      assert.deepStrictEqual(few.map(({ id }) => id).toSorted(), ["s2", "s3", "s4", "s6", "s7"])
    }).pipe(Effect.provide(stores))
  )

  it.live("lists unfinished orders before newer finished ones when there are too many", () =>
    Effect.gen(function* () {
      yield* insertOrder("old", { ...done, created_at: at(-5000) })
      yield* insertSlice("s1", "old")
      for (const n of [1, 2, 3, 4]) {
        yield* insertOrder(`new${n}`, { ...done, created_at: at(-n) })
        yield* insertSlice(`s${n + 1}`, `new${n}`, { ...placed, broker_is_final: true })
      }
      const orders = yield* (yield* TopStore).orders(3)
      assert.deepStrictEqual(
        orders.map(({ orderId }) => orderId),
        ["new1", "new2", "old"]
      )
    }).pipe(Effect.provide(stores))
  )

  it.live("shows the used part of the account's budget, and what blocks it", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const overview = yield* TopStore
      assert.deepInclude(yield* overview.rateUse("zerodha", now), { today: 0, lastMinute: 0, blockedUntil: null })
      yield* execute(
        "test.budget",
        sql`
          UPDATE order_budgets SET day = '2026-11-24', granted_today = 7, cancels_day = '2026-11-24', cancels_today = 3, blocked_until = ${at(30)}, capped_until = ${at(-1)},
            granted = ARRAY[${at(-70)}, ${at(-30)}, ${at(-0.5)}, ${at(0.2)}]::timestamptz[]`
      )
      assert.deepStrictEqual(yield* overview.rateUse("zerodha", now), {
        today: 7,
        cancelsToday: 3,
        lastMinute: 2,
        lastSecond: 1,
        blockedUntil: DateTime.add(now, { seconds: 30 }),
        cappedUntil: null,
        cancelsCappedUntil: null
      })
      const tomorrow = DateTime.add(now, { days: 1 })
      assert.deepInclude(yield* overview.rateUse("zerodha", tomorrow), { today: 0, lastMinute: 0, blockedUntil: null })
    }).pipe(Effect.provide(stores))
  )

  it.live("groups waiting slices by the reason, each group with its oldest slice", () =>
    Effect.gen(function* () {
      yield* insertAll
      yield* insertSlice("s11", "o1", { not_before: at(-500), not_after: at(-400) })
      yield* insertSlice("s12", "o1", { not_before: at(-15), stale_at: at(-3) })
      yield* insertSlice("s13", "o1", { not_before: at(-15), market: "NSE" })
      yield* insertSlice("s14", "o1", { not_before: at(-15), validity: "GTC" })
      yield* insertSlice("s15", "o1", { not_before: at(-12) })
      const waiting = yield* DoctorStore
      const groups = (keepsHours: boolean) =>
        Effect.map(waiting.groups(now, keepsHours), (all) =>
          Object.fromEntries(all.map(({ kind, count, id }) => [kind, `${count} ${id}`]))
        )
      assert.deepStrictEqual(yield* groups(false), {
        pending: "1 o3",
        doubt: "2 s6",
        lost: "1 s3",
        expired: "1 s11",
        held: "1 s9",
        respread: "1 s12",
        hours: "1 s13",
        "unknown kind": "1 s14",
        unclaimed: "2 s15"
      })
      assert.deepInclude(yield* groups(true), { unclaimed: "3 s13" })
      const paused = { orderId: "o2", reason: "paused", slices: 1, isDouble: false }
      assert.deepStrictEqual(yield* waiting.heldOrders, [paused])
      assert.deepStrictEqual(yield* waiting.doubles(now), [])

      yield* insertOrder("o4", { ...done, created_at: at(-3), held_at: at(-2), hold_reason: "twice" })
      yield* insertSlice("s20", "o4", { is_held: true })
      const { sql, execute } = yield* Db
      yield* execute(
        "test.doubles",
        // The double of o2 was resolved before that order was paused.
        sql`
          INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
          VALUES ('t4', 'o4', 's20', '{a,b}', ${at(-2)}), ('t2', 'o2', 's9', '{a,b}', ${at(-6)})`
      )
      assert.deepStrictEqual(yield* waiting.heldOrders, [
        { orderId: "o4", reason: "twice", slices: 1, isDouble: true },
        paused
      ])
      // An order with a double waits for a person even with nothing left to send; a paused, finished one does not.
      yield* execute("test.over", sql`UPDATE order_slices SET stage = 'SKIPPED' WHERE order_id IN ('o2', 'o4')`)
      assert.deepStrictEqual(yield* waiting.heldOrders, [{ orderId: "o4", reason: "twice", slices: 0, isDouble: true }])
      yield* execute("test.unfinished", sql`UPDATE orders SET carry_unfilled = true WHERE id = 'o2'`)
      assert.deepStrictEqual(
        (yield* waiting.heldOrders).map(({ orderId }) => orderId),
        ["o4", "o2"]
      )
      const doubles = (yield* (yield* TopStore).orders(10)).filter(({ isDouble }) => isDouble)
      assert.deepStrictEqual(
        doubles.map(({ orderId }) => orderId),
        ["o4"]
      )
    }).pipe(Effect.provide(stores))
  )
})

/** The stores on one database, with their own connections. */
const connected = (database: string) =>
  Layer.build(Layer.fresh(PostgresStatusStore.layer.pipe(Layer.provideMerge(Layer.orDie(dbAt(database))))))

describe("the cost of finished orders", () => {
  it.live("is nothing in the overview: no statement scans the table of slices", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const overview = yield* TopStore
      for (let n = 0; n < 100; n += 1) yield* insertOrder(`o${n}`, { ...done, created_at: at(-100) })
      yield* insertSlice("s20001", "o0")
      yield* db.execute(
        "test.history",
        db.sql`
          WITH plan AS (
            INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, id, tag, instrument, side, order_type,
              product_type, validity, created_at)
            SELECT (number << 20) + n, number, t, t, 1, 'h' || n, 'T' || n, 'NSE:X', 'BUY', 'MARKET', 'CNC', 'DAY', now()
            FROM generate_series(1, 20000) n JOIN orders ON orders.id = 'o' || n % 100,
              LATERAL (SELECT ${at(-30_000)}::timestamptz + n * interval '1 second' AS t) d
            RETURNING slice, quantity, scheduled_at
          )
          INSERT INTO slice_results (slice, stage, updated_at, version, attempts, quantity, placed_at, acknowledged_at, broker_order_id)
          SELECT slice, 'P', scheduled_at, 1, 1, quantity, scheduled_at, scheduled_at, 'b' || slice FROM plan`
      )
      yield* db.execute("test.analyze", db.sql`ANALYZE`)
      const scans = yield* db.transaction(
        "test.look",
        Effect.gen(function* () {
          assert.lengthOf(yield* overview.slices(["o0"], 5, now), 6)
          assert.lengthOf(yield* overview.orders(1), 1)
          yield* overview.counts(now)
          return yield* db.query(
            "test.scans",
            Schema.Struct({ scans: Schema.Int, read: Schema.Int }),
            db.sql`
              SELECT sum(seq_scan)::int AS scans, sum(idx_tup_fetch)::int AS read FROM pg_stat_xact_user_tables
              WHERE relname IN ('slice_plan', 'slice_results')`
          )
        })
      )
      assert.strictEqual(scans[0]?.scans, 0)
      assert.isBelow(scans[0]?.read ?? Infinity, 500)
    }).pipe(Effect.provide(stores))
  )
})

describe("the server's status", () => {
  it.live("has its settings, its tables, the oldest transaction and the maximum lock wait", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const database = yield* freshDatabase()
        const [ours, theirs] = [yield* connected(database), yield* connected(database)]
        const server = Context.get(ours, PostgresStatusStore)
        // These are the settings of the test run's server.
        assert.deepInclude(yield* server.facts, {
          database,
          fsync: "off",
          synchronousCommit: "off",
          isStandby: false,
          standbys: 0
        })
        assert.include(
          (yield* server.tables).map(({ name }) => name),
          "slice_queue"
        )
        assert.match(yield* server.dataFolder, /^\//)
        assert.deepStrictEqual(yield* server.oldestTransaction, Option.none())
        const soon = DateTime.add(yield* DateTime.now, { hours: 1 })
        assert.deepStrictEqual(yield* server.maxWait(soon), Option.none())

        const lock = (db: Db["Service"]) => db.execute("test.lock", db.sql`LOCK TABLE volume_profiles`)
        const [ourDb, theirDb] = [Context.get(ours, Db), Context.get(theirs, Db)]
        const waiting = yield* theirDb.transaction(
          "test.open",
          Effect.gen(function* () {
            yield* lock(theirDb)
            const oldest = yield* Effect.fromOption(yield* server.oldestTransaction)
            assert.deepInclude(oldest, { application: "pulse-background", state: "idle in transaction" })
            const waiter = yield* Effect.forkScoped(ourDb.transaction("test.wait", lock(ourDb)))
            const wait = yield* eventually("a statement waits", server.maxWait(soon), Option.isSome)
            assert.deepStrictEqual(
              Option.map(wait, ({ blockers }) => blockers),
              Option.some([oldest.pid])
            )
            return waiter
          })
        )
        yield* Fiber.join(waiting)
      })
    )
  )
})
