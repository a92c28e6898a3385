import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeFollowThrough } from "../../src/workers/monitor/followThrough.ts"
import { makeSweep } from "../../src/workers/monitor/sweep.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, setClock, sliceRows, start } from "../support/service.ts"

/** Slices are due at 0, 15, 30, 45 and 60 s; the window's grace is 10 minutes. */
const service = serviceLayer({ broker: scriptedBroker })

const splitAt = (seconds: number, changed: Readonly<Record<string, unknown>>) =>
  Effect.gen(function* () {
    yield* setClock()
    yield* insertOrder("o1", changed)
    yield* Effect.flatten(makeSplitPending)
    yield* setClock(Duration.seconds(seconds))
  })

const sweep = Effect.flatten(makeSweep)

/** The slices that an executor can claim now. */
const claimed = Effect.gen(function* () {
  const now = yield* DateTime.now
  const slices = yield* SliceStore
  const leaseExpiresAt = DateTime.add(now, { minutes: 2 })
  const got = yield* slices.claimDue({ now, horizon: now, leaseExpiresAt, owner: "owner", limit: 10 })
  return got.map(({ sequenceNumber }) => sequenceNumber)
})

const follow = Effect.flatten(makeFollowThrough)

/** The slices that are not skipped: earliest placement in seconds after the start, and quantity. */
const placeable = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.placeable",
    Schema.Struct({ seconds: Schema.Number, quantity: Schema.Int }),
    sql`
      SELECT extract(epoch FROM not_before - ${instant(start)}::timestamptz)::float8 AS seconds, quantity
      FROM order_slices WHERE stage <> 'SKIPPED' ORDER BY sequence_number`
  )
)
const times = Effect.map(placeable, (rows) => rows.map(({ seconds }) => seconds))
const quantities = Effect.map(placeable, (rows) => rows.map(({ quantity }) => quantity))

const conserved = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.conserved",
    Schema.Struct({ scheduled: Schema.Number, givenUp: Schema.Number, unaccounted: Schema.Number }),
    sql`SELECT scheduled::float8, given_up::float8, unaccounted::float8 FROM order_conservation`
  )
)

describe("after an outage of 41 seconds", () => {
  it.effect("SEND, the default: sends all overdue slices", () =>
    Effect.gen(function* () {
      yield* splitAt(41, {})
      yield* sweep
      assert.deepStrictEqual(yield* claimed, [1, 2, 3])
    }).pipe(Effect.provide(service))
  )

  it.effect("SKIP: skips slices that are later than allowed, and keeps the rest of the plan", () =>
    Effect.gen(function* () {
      yield* splitAt(41, { lateness_policy: "SKIP", max_lateness_seconds: 12 })
      assert.deepStrictEqual(yield* claimed, [3])
      yield* sweep
      assert.deepStrictEqual(
        (yield* sliceRows()).map(({ stage }) => stage),
        ["SKIPPED", "SKIPPED", "IN_PROGRESS", "SCHEDULED", "SCHEDULED"]
      )
      assert.deepStrictEqual(yield* times, [30, 45, 60])
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD: spreads the unsent quantity over the rest of the window, without a burst", () =>
    Effect.gen(function* () {
      yield* splitAt(41, { lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      assert.deepStrictEqual(yield* claimed, [])
      yield* follow
      // 19 s are left, and slices are at least a third of the planned interval of 12 s apart: five fit.
      assert.deepStrictEqual(yield* times, [41, 45.75, 50.5, 55.25, 60])
      assert.deepStrictEqual(yield* quantities, [20, 20, 20, 20, 20])
      assert.deepStrictEqual(yield* conserved, [{ scheduled: 100, givenUp: 0, unaccounted: 0 }])
      assert.deepStrictEqual(yield* claimed, [6])
      yield* follow
      assert.deepStrictEqual(yield* times, [41, 45.75, 50.5, 55.25, 60])
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD: keeps claimed slices, and plans again only what is not sent", () =>
    Effect.gen(function* () {
      yield* splitAt(0, { lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      assert.deepStrictEqual(yield* claimed, [1])
      yield* setClock(Duration.seconds(30))
      yield* follow
      assert.deepStrictEqual(yield* times, [0, 30, 40, 50, 60])
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD: gives up what does not fit without a burst, the last slices first", () =>
    Effect.gen(function* () {
      yield* splitAt(55, { lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      yield* follow
      yield* follow
      // 5 s are left, and slices are at least 4 s apart.
      assert.deepStrictEqual(yield* times, [55, 60])
      assert.deepStrictEqual(yield* conserved, [{ scheduled: 40, givenUp: 60, unaccounted: 0 }])
      const givenUp = (yield* sliceRows()).filter(({ stageReason }) => stageReason?.startsWith("too late") ?? false)
      assert.deepStrictEqual(
        givenUp.map(({ sequenceNumber }) => sequenceNumber),
        [3, 4, 5]
      )
    }).pipe(Effect.provide(service))
  )
})

describe("after an outage beyond the window", () => {
  it.effect("RESPREAD: gives up everything", () =>
    Effect.gen(function* () {
      yield* splitAt(130, { lateness_policy: "RESPREAD" })
      yield* follow
      assert.deepStrictEqual(yield* times, [])
      assert.deepStrictEqual(yield* conserved, [{ scheduled: 0, givenUp: 100, unaccounted: 0 }])
      assert.strictEqual((yield* sliceRows())[4]?.stageReason, "too late: no room for it in what is left of the window")
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD: puts an unreadable order on hold, and makes the other orders' new plans", () =>
    Effect.gen(function* () {
      yield* setClock()
      const policy = { lateness_policy: "RESPREAD", max_lateness_seconds: 10 }
      yield* insertOrder("o1", { ...policy, instrument: "NSE:INFY" })
      yield* insertOrder("o2", policy)
      yield* Effect.flatten(makeSplitPending)
      const { sql, execute, query } = yield* Db
      yield* execute("test.loosen", sql`ALTER TABLE volume_profiles DROP CONSTRAINT volume_profiles_volumes_check`)
      yield* execute("test.profile", sql`INSERT INTO volume_profiles VALUES ('NSE:INFY', '{0.0001,1}', 'test', now())`)
      yield* setClock("41 seconds")
      yield* follow
      assert.lengthOf(yield* sliceRows("o2"), 10)
      const held = yield* query(
        "test.held",
        Schema.Struct({ id: Schema.String, holdReason: Schema.String }),
        sql`SELECT id, hold_reason FROM orders WHERE hold_reason IS NOT NULL`
      )
      assert.deepStrictEqual(
        held.map(({ id }) => id),
        ["o1"]
      )
      assert.include(held[0]?.holdReason ?? "", "instrument NSE:INFY")
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD: makes no new plan for an order on hold", () =>
    Effect.gen(function* () {
      yield* splitAt(41, { lateness_policy: "RESPREAD", max_lateness_seconds: 10, hold_reason: "paused" })
      yield* follow
      assert.deepStrictEqual(yield* times, [0, 15, 30, 45, 60])
    }).pipe(Effect.provide(service))
  )

  it.effect("fails an order with an unknown policy, with the reason", () =>
    Effect.gen(function* () {
      yield* splitAt(0, { lateness_policy: "LATER", max_lateness_seconds: 0 })
      const { orderQueueStatus, statusReason } = yield* orderRow("o1")
      assert.strictEqual(orderQueueStatus, "FAILED")
      assert.include(statusReason, "lateness_policy")
      assert.include(statusReason, "max_lateness_seconds: must be a whole number from 1 to 86400")
    }).pipe(Effect.provide(service))
  )
})
