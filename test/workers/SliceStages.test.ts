import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { channel } from "../../src/db/parameters.ts"
import { Wakeups } from "../../src/db/Wakeups.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import type { ClaimedSlice, NextStage, Stage } from "../../src/domain/model/OrderSlice.ts"
import { ClaimVersion } from "../../src/domain/model/OrderSlice.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, sliceRows, start } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const claim = (
  options: {
    readonly limit?: number
    readonly ahead?: Duration.Input
    readonly owner?: string
    readonly after?: ClaimedSlice
  } = {}
) =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    return yield* (yield* SliceStore).claimDue({
      now,
      horizon: DateTime.addDuration(now, Duration.fromInputUnsafe(options.ahead ?? 0)),
      leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
      owner: options.owner ?? "owner",
      limit: options.limit ?? 100,
      after: options.after ?? null
    })
  })

const move = (slice: ClaimedSlice, next: NextStage) =>
  Effect.gen(function* () {
    const at = yield* DateTime.now
    const moved = yield* (yield* SliceStore).transition(
      [{ slice, next, attempts: slice.attempts + 1, placedAt: at, at }],
      []
    )
    return moved.map(({ stage }) => stage)
  })

/** One order of one slice, claimed. */
const claimedSlice = Effect.gen(function* () {
  yield* setClock()
  yield* insertOrder("o1", { num_splits: 1 })
  yield* Effect.flatten(makeSplitPending)
  return (yield* Effect.map(claim(), (claimed) => claimed[0])) ?? assert.fail("nothing was claimed")
})

const processed: NextStage = { _tag: "Processed", brokerOrderId: BrokerOrderId.make("b1"), found: null }
const failed: NextStage = { _tag: "Failed", code: "broker_refused", reason: "refused" }
const skipped: NextStage = { _tag: "Skipped", code: "window_over", reason: "too late" }
const rescheduled: NextStage = { _tag: "Rescheduled", code: "broker_try_later", reason: "later", notBefore: null }
const unknown: NextStage = { _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }
const all: ReadonlyArray<readonly [NextStage, Stage]> = [
  [processed, "PROCESSED"],
  [failed, "FAILED"],
  [skipped, "SKIPPED"],
  [rescheduled, "SCHEDULED"],
  [unknown, "IN_PROGRESS"]
]

describe("stages of a slice", () => {
  for (const code of ["executor_stopped", "gate_closed"] as const) {
    it.effect(`wakes the other daemons when one leaves them a slice (${code}), and not when it is tried again`, () =>
      Effect.gen(function* () {
        const slice = yield* claimedSlice
        const wakeups = yield* Wakeups
        const { sql, execute } = yield* Db
        // Notifications arrive in order: after this one, earlier ones have been heard.
        const heardAll = Effect.andThen(
          execute("test.notify", sql`SELECT pg_notify(${channel}, 'cancels')`),
          wakeups.next("cancels")
        )
        // Both topics were woken when listening began, and the split has woken the executors again.
        yield* wakeups.next("cancels")
        yield* heardAll
        yield* wakeups.next("slices")
        yield* move(slice, rescheduled)
        const again = (yield* claim())[0] ?? assert.fail("nothing was claimed")
        yield* heardAll
        const woken = yield* Effect.forkChild(wakeups.next("slices"), { startImmediately: true })
        assert.isUndefined(woken.pollUnsafe())
        yield* move(again, { _tag: "Rescheduled", code, reason: "given back", notBefore: null })
        yield* Fiber.join(woken)
      }).pipe(Effect.provide(Wakeups.layer.pipe(Layer.provideMerge(service))))
    )
  }

  for (const [next, stage] of all) {
    it.effect(`IN_PROGRESS → ${stage} (${next._tag}) by its owner`, () =>
      Effect.gen(function* () {
        const slice = yield* claimedSlice
        assert.deepStrictEqual(yield* move(slice, next), [stage])
        const [row] = yield* sliceRows()
        assert.strictEqual(row?.stage, stage)
        assert.strictEqual(row?.isUnknown, next._tag === "Unknown")
        assert.strictEqual(row?.stageReason, "reason" in next ? next.reason : null)
        assert.strictEqual(row?.attempts, 1)
      }).pipe(Effect.provide(service))
    )

    it.effect(`${next._tag} by a stale owner changes nothing`, () =>
      Effect.gen(function* () {
        const slice = yield* claimedSlice
        const stale = { ...slice, claimVersion: ClaimVersion.make(slice.claimVersion - 1) }
        const before = yield* sliceRows()
        assert.deepStrictEqual(yield* move(stale, next), [])
        assert.deepStrictEqual(yield* sliceRows(), before)
      }).pipe(Effect.provide(service))
    )
  }

  for (const [first, stage] of all.filter(([next]) => next._tag !== "Unknown")) {
    it.effect(`${stage} is not changed by the claim that led to it`, () =>
      Effect.gen(function* () {
        const slice = yield* claimedSlice
        yield* move(slice, first)
        const before = yield* sliceRows()
        for (const [next] of all) assert.deepStrictEqual(yield* move(slice, next), [])
        assert.deepStrictEqual(yield* sliceRows(), before)
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("SCHEDULED → IN_PROGRESS raises the claim version each time", () =>
    Effect.gen(function* () {
      const first = yield* claimedSlice
      yield* move(first, rescheduled)
      const [second] = yield* claim()
      assert.deepStrictEqual([first.claimVersion, second?.claimVersion], [1, 2])
    }).pipe(Effect.provide(service))
  )

  it.effect("a terminal stage, and an unknown outcome, are never claimed again", () =>
    Effect.gen(function* () {
      for (const [next] of all.filter(([next]) => next._tag !== "Rescheduled")) {
        yield* insertOrder(`order-${next._tag}`, { num_splits: 1 })
        yield* Effect.flatten(makeSplitPending)
        const [slice] = yield* claim()
        yield* move(slice ?? assert.fail("nothing was claimed"), next)
      }
      yield* setClock("1 hour")
      assert.deepStrictEqual(yield* claim({ ahead: "1 day" }), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("claims slices due by the horizon, earliest first, each once", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 61, total_quantity: 61 })
      yield* Effect.flatten(makeSplitPending)
      const claims = yield* Effect.forEach(
        ["a", "b", "c", "d"],
        (owner) => claim({ owner, limit: 10, ahead: "29500 millis" }),
        {
          concurrency: "unbounded"
        }
      )
      const numbers = claims.flat().map((slice) => slice.sequenceNumber)
      assert.deepStrictEqual(
        numbers.toSorted((a, b) => a - b),
        Array.from({ length: 30 }, (_, index) => index + 1)
      )
      for (const one of claims) assert.isAtMost(one.length, 10)
    }).pipe(Effect.provide(service))
  )

  it.effect("gives a slice that an older daemon has put into the queue its id", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 2, total_quantity: 20, duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      const { sql, execute } = yield* Db
      yield* execute("test.older", sql`UPDATE slice_queue SET id = NULL WHERE slice % 2 = 0`)
      const ids = (yield* claim()).map(({ id }) => id)
      assert.sameMembers(
        ids,
        (yield* sliceRows()).map(({ id }) => id)
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("makes a slice due now that is given back long after its time, and keeps when it was scheduled", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 1, total_quantity: 10, duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      const [slice] = yield* claim()
      assert.isDefined(slice)
      // The outcome is as old as the claim; the database takes it a minute later.
      const at = yield* DateTime.now
      yield* setClock("1 minute")
      const transition = { slice, next: rescheduled, attempts: 0, placedAt: null, at }
      assert.lengthOf(yield* (yield* SliceStore).transition([transition], [], yield* DateTime.now), 1)
      const { sql, query } = yield* Db
      const row = yield* query(
        "test.times",
        Schema.Struct({ dueSeconds: Schema.Number, scheduledSeconds: Schema.Number }),
        sql`
          SELECT date_part('epoch', not_before) AS due_seconds, date_part('epoch', scheduled_at) AS scheduled_seconds
          FROM order_slices`
      )
      assert.deepStrictEqual(row, [{ dueSeconds: 60, scheduledSeconds: 0 }])
    }).pipe(Effect.provide(service))
  )

  it.effect("pages through many slices due at the same moment without leaving one out", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 25, total_quantity: 25, duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      const first = yield* claim({ limit: 10 })
      const last = first.toSorted((a, b) => a.key - b.key).at(-1) ?? assert.fail("nothing was claimed")
      // A slice that comes back earlier in the sequence waits for the next claim from the start.
      for (const slice of first.slice(0, 2)) yield* move(slice, rescheduled)
      const later = yield* claim({ after: last })
      assert.strictEqual(new Set([...first, ...later].map(({ id }) => id)).size, 25)
      assert.strictEqual((yield* claim({ after: last })).length, 0)
      assert.strictEqual((yield* claim()).length, 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves slices that only a newer version can read to that version", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 2, duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      const { sql, execute } = yield* Db
      yield* execute("test.newer", sql`UPDATE order_slices SET validity = 'TTL' WHERE sequence_number = 1`)
      assert.deepStrictEqual(
        (yield* claim()).map(({ sequenceNumber }) => sequenceNumber),
        [2]
      )
      assert.deepInclude((yield* sliceRows())[0], { stage: "SCHEDULED", claimVersion: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("does not claim a slice whose order's window and grace are over", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 1, duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      yield* setClock(Duration.minutes(10.0001))
      assert.deepStrictEqual(yield* claim(), [])
      const skipped = yield* (yield* RecoveryStore).skipStale(yield* DateTime.now, "too late", 10)
      assert.strictEqual(skipped.length, 1)
      assert.strictEqual((yield* sliceRows())[0]?.stage, "SKIPPED")
    }).pipe(Effect.provide(service))
  )

  it.effect("skips slices that are too late or cancelled a few at a time", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("late")
      yield* insertOrder("cancelled", { duration_minutes: 60 })
      yield* Effect.flatten(makeSplitPending)
      const { sql, execute } = yield* Db
      yield* execute("test.cancel", sql`UPDATE orders SET cancel_requested_at = created_at WHERE id = 'cancelled'`)
      yield* setClock("1 hour")
      const recovery = yield* RecoveryStore
      const now = yield* DateTime.now
      for (const [skip, id] of [
        [recovery.skipStale(now, "too late", 3), "late"],
        [recovery.skipCancelled(now, 3), "cancelled"]
      ] as const) {
        const first = yield* skip
        const second = yield* skip
        assert.deepStrictEqual([first.length, second.length, new Set([...first, ...second]).size], [3, 2, 5])
        assert.isTrue((yield* sliceRows(id)).every(({ stage }) => stage === "SKIPPED"))
      }
    }).pipe(Effect.provide(service))
  )

  it.effect("makes a given-back slice of a cancelled order SKIPPED, not SCHEDULED", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      assert.strictEqual((yield* sliceRows())[0]?.stage, "IN_PROGRESS")
      assert.deepStrictEqual(yield* move(slice, rescheduled), ["SKIPPED"])
      assert.strictEqual((yield* sliceRows())[0]?.stageReason, "order cancelled")
    }).pipe(Effect.provide(service))
  )

  it.effect("skips SCHEDULED slices at a cancel, and leaves placed ones", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      yield* Effect.flatten(makeSplitPending)
      const [slice] = yield* claim({ limit: 1 })
      yield* move(slice ?? assert.fail("nothing was claimed"), processed)
      const commands = yield* OrderCommands
      yield* commands.requestCancel("o1", asked, yield* DateTime.now)
      yield* commands.requestCancel("o1", asked, yield* DateTime.now)
      assert.deepStrictEqual(
        (yield* sliceRows()).map(({ stage }) => stage),
        ["PROCESSED", "SKIPPED", "SKIPPED", "SKIPPED", "SKIPPED"]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("moves not_before to a retry's time, never before the due time", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* move(slice, { ...rescheduled, notBefore: DateTime.makeUnsafe(7_000) })
      assert.deepStrictEqual(yield* claim({ ahead: "6999 millis" }), [])
      const [again] = yield* claim({ ahead: "7 seconds" })
      assert.strictEqual(again?.notBeforeMillis, 7_000)
      yield* move(again ?? assert.fail(), { ...rescheduled, notBefore: DateTime.makeUnsafe(3_000) })
      assert.strictEqual((yield* claim({ ahead: "7 seconds" }))[0]?.notBeforeMillis, 7_000)
    }).pipe(Effect.provide(service))
  )

  it.effect("never overwrites a final broker status, and never reduces the filled quantity", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* move(slice, processed)
      const store = yield* SliceStore
      const [open] = yield* store.open(null, 10, start)
      const say = (status: "OPEN" | "COMPLETE", filledQuantity: number) =>
        Effect.flatMap(DateTime.now, (now) =>
          store.saveBrokerStates(
            [
              {
                slice: open ?? assert.fail("no open slice"),
                state: {
                  brokerOrderId: BrokerOrderId.make("b1"),
                  tag: slice.tag,
                  status,
                  statusText: status,
                  quantity: null,
                  filledQuantity,
                  averagePrice: null
                },
                noted: null
              }
            ],
            now
          )
        )
      yield* say("OPEN", 60)
      yield* say("OPEN", 40)
      assert.strictEqual((yield* sliceRows())[0]?.filledQuantity, 60)
      yield* say("COMPLETE", 100)
      yield* say("OPEN", 100)
      assert.strictEqual((yield* sliceRows())[0]?.brokerStatus, "COMPLETE")
      assert.deepStrictEqual(yield* store.open(null, 10, start), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("pages through open slices without leaving one out", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      for (const slice of yield* claim()) {
        const brokerOrderId = BrokerOrderId.make(`b${slice.sequenceNumber}`)
        yield* move(slice, { _tag: "Processed", brokerOrderId, found: null })
      }
      const store = yield* SliceStore
      const first = yield* store.open(null, 3, start)
      const second = yield* store.open(first.at(-1) ?? null, 3, start)
      assert.deepStrictEqual([first.length, second.length], [3, 2])
      assert.strictEqual(new Set([...first, ...second].map((slice) => slice.id)).size, 5)
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps one audit row when the same outcome is written twice", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      const store = yield* SliceStore
      const at = yield* DateTime.now
      const event = {
        id: `${slice.id}:place:1`,
        calledAt: at,
        durationMillis: 1.5,
        broker: "scripted",
        call: "place" as const,
        outcome: "ok",
        orderId: slice.orderId,
        sliceId: slice.id,
        attempt: 1,
        brokerOrderId: "b1",
        request: () => ({ tag: slice.tag }),
        deadline: null,
        response: {},
        worker: "owner"
      }
      const write = store.transition([{ slice, next: processed, attempts: 1, placedAt: at, at }], [event])
      assert.strictEqual((yield* write).length, 1)
      assert.strictEqual((yield* write).length, 0)
      const { sql } = yield* Db
      assert.strictEqual((yield* sql`SELECT 1 FROM broker_events`).length, 1)
    }).pipe(Effect.provide(service))
  )
})
