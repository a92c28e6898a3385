import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { SliceStore } from "../../src/stores/SliceStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { makeSweep } from "../../src/workers/TimeoutMonitor.ts"
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

/** Which slices an executor gets now. */
const claimed = Effect.gen(function* () {
  const now = yield* DateTime.now
  const slices = yield* SliceStore
  const leaseExpiresAt = DateTime.add(now, { minutes: 2 })
  const got = yield* slices.claimDue({ now, horizon: now, leaseExpiresAt, owner: "owner", limit: 10 })
  return got.map(({ sequenceNumber }) => sequenceNumber)
})

/** When each slice may be placed, in seconds after the start; null for one that is skipped. */
const times = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.times",
    Schema.Struct({ seconds: Schema.NullOr(Schema.Number) }),
    sql`
      SELECT CASE WHEN stage <> 'SKIPPED' THEN extract(epoch FROM not_before - ${instant(start)}::timestamptz)::float8 END AS seconds
      FROM order_slices ORDER BY sequence_number`
  )
).pipe(Effect.map((rows) => rows.map(({ seconds }) => seconds)))

const conserved = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.conserved",
    Schema.Struct({ scheduled: Schema.Number, givenUp: Schema.Number, unaccounted: Schema.Number }),
    sql`SELECT scheduled::float8, given_up::float8, unaccounted::float8 FROM order_conservation`
  )
)

describe("after an outage of 41 seconds", () => {
  it.effect("SEND, the default: all that is overdue is sent", () =>
    Effect.gen(function* () {
      yield* splitAt(41, {})
      yield* sweep
      assert.deepStrictEqual(yield* claimed, [1, 2, 3])
    }).pipe(Effect.provide(service))
  )

  it.effect("SKIP: what is later than allowed is skipped, the rest goes on as planned", () =>
    Effect.gen(function* () {
      yield* splitAt(41, { lateness_policy: "SKIP", max_lateness_seconds: 12 })
      assert.deepStrictEqual(yield* claimed, [3])
      yield* sweep
      assert.deepStrictEqual(
        (yield* sliceRows()).map(({ stage }) => stage),
        ["SKIPPED", "SKIPPED", "IN_PROGRESS", "SCHEDULED", "SCHEDULED"]
      )
      assert.deepStrictEqual(yield* times, [null, null, 30, 45, 60])
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD: nothing late is sent in a burst; the rest is spread over what is left of the window", () =>
    Effect.gen(function* () {
      yield* splitAt(41, { lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      assert.deepStrictEqual(yield* claimed, [])
      yield* sweep
      // 19 s are left for four gaps; a third of the planned interval is 5 s, and no two slices come closer.
      assert.deepStrictEqual(yield* times, [41, 46, 51, 56, 61])
      assert.deepStrictEqual(yield* claimed, [1])
      yield* sweep
      assert.deepStrictEqual(yield* times, [41, 46, 51, 56, 61])
      assert.isTrue(
        (yield* sliceRows()).every(({ dueMillis, sequenceNumber }) => dueMillis === (sequenceNumber - 1) * 15_000)
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("RESPREAD keeps what is in hand, and moves only what is not sent", () =>
    Effect.gen(function* () {
      yield* splitAt(0, { lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      assert.deepStrictEqual(yield* claimed, [1])
      yield* setClock(Duration.seconds(30))
      yield* sweep
      assert.deepStrictEqual(yield* times, [0, 30, 40, 50, 60])
    }).pipe(Effect.provide(service))
  )
})

describe("after an outage beyond the window", () => {
  it.effect("RESPREAD: as many as the grace has room for, the others are skipped", () =>
    Effect.gen(function* () {
      yield* splitAt(650, { lateness_policy: "RESPREAD" })
      yield* sweep
      assert.deepStrictEqual(yield* times, [650, 655, 660, null, null])
      assert.deepStrictEqual(yield* conserved, [{ scheduled: 60, givenUp: 40, unaccounted: 0 }])
      assert.strictEqual((yield* sliceRows())[4]?.stageReason, "too late: no room for it in what is left of the window")
    }).pipe(Effect.provide(service))
  )

  it.effect("an order on hold is not spread anew: its time is its owner's", () =>
    Effect.gen(function* () {
      yield* splitAt(41, { lateness_policy: "RESPREAD", max_lateness_seconds: 10, hold_reason: "paused" })
      yield* sweep
      assert.deepStrictEqual(yield* times, [0, 15, 30, 45, 60])
    }).pipe(Effect.provide(service))
  )

  it.effect("a policy that nobody knows fails the order, with its reason", () =>
    Effect.gen(function* () {
      yield* splitAt(0, { lateness_policy: "LATER", max_lateness_seconds: 0 })
      const { orderQueueStatus, statusReason } = yield* orderRow("o1")
      assert.strictEqual(orderQueueStatus, "FAILED")
      assert.include(statusReason, "lateness_policy")
      assert.include(statusReason, "max_lateness_seconds: must be a whole number from 1 to 86400")
    }).pipe(Effect.provide(service))
  )
})
