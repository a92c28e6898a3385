import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../src/stores/operations/HeartbeatStore.ts"
import { LookoutStore } from "../../src/stores/operations/LookoutStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { sealAll } from "../support/audit.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, start } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const beat = Effect.gen(function* () {
  const okAt = yield* DateTime.now
  const heartbeat = { okAt, ticks: 1, failedTicks: 0, lastError: null, hold: null, staleAfter: Duration.seconds(20) }
  return {
    instance: yield* Instance,
    startedAt: start,
    broker: "mock",
    heartbeats: ["splitter", "executor", "monitor"].map((worker) => ({ worker, ...heartbeat }))
  }
})

const lookAtAll = Effect.gen(function* () {
  const store = yield* LookoutStore
  return yield* store.look({ beat: yield* beat, now: yield* DateTime.now, withBootId: false, knownUntil: null })
})

const look = Effect.gen(function* () {
  const { micros, bootId, timeline, systemIdentifier, logPosition, isHistorySettled, hasUnsealed, ...sighting } =
    yield* lookAtAll
  assert.isNull(bootId)
  assert.isTrue(micros > 0n)
  assert.match(timeline, /^[0-9A-F]{8}$/)
  assert.match(systemIdentifier ?? "", /^\d+$/)
  assert.isAbove(logPosition, 0)
  assert.isTrue(isHistorySettled)
  assert.isBoolean(hasUnsealed)
  return sighting
})

const nothing = {
  hasPendingOrders: false,
  nextDueMillis: null,
  isHaltFollowed: true,
  isBrokerAwaited: false,
  mayWantPlan: false,
  hasDeliveries: false,
  calendarRevision: 0
}

/** One order of one slice that is due a minute after the start. */
const splitOne = Effect.gen(function* () {
  yield* setClock()
  yield* insertOrder("o1", { num_splits: 1, created_at: new Date(60_000) })
  yield* Effect.flatten(makeSplitPending)
})

const claimOne = Effect.gen(function* () {
  yield* splitOne
  const [slice] = yield* (yield* SliceStore).claimDue({
    now: start,
    horizon: DateTime.addDuration(start, Duration.minutes(1)),
    leaseExpiresAt: DateTime.addDuration(start, Duration.minutes(2)),
    owner: "owner",
    limit: 1
  })
  return slice ?? assert.fail("nothing was claimed")
})

describe("LookoutStore.look", () => {
  it.effect("knows of a slice that another program has made due at no time of a calendar", () =>
    Effect.gen(function* () {
      yield* splitOne
      const { sql, execute } = yield* Db
      const due: Array<number | null> = []
      for (const time of ["-infinity", "4713-01-01 BC", "infinity", "294276-12-31"]) {
        yield* execute("test.due", sql`UPDATE slice_queue SET due_at = ${time}::timestamptz, not_after = 'infinity'`)
        due.push((yield* look).nextDueMillis)
      }
      assert.deepStrictEqual(due.slice(0, 2), [0, 0])
      assert.isTrue(due.slice(2).every((millis) => millis !== null && millis > 1e14))
    }).pipe(Effect.provide(service))
  )

  it.effect("writes the heartbeats, first and again", () =>
    Effect.gen(function* () {
      yield* setClock()
      assert.deepStrictEqual(yield* look, nothing)
      yield* setClock("5 seconds")
      yield* look
      const workers = yield* (yield* HeartbeatStore).workers
      assert.deepStrictEqual(
        workers.map(({ worker, heartbeatAt }) => [worker, DateTime.toEpochMillis(heartbeatAt)]),
        [
          ["executor", 5000],
          ["monitor", 5000],
          ["splitter", 5000]
        ]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("sees that the audit is to be sealed, until it is", () =>
    Effect.gen(function* () {
      const hasUnsealed = Effect.map(lookAtAll, (sighting) => sighting.hasUnsealed)
      yield* splitOne
      assert.isFalse(yield* hasUnsealed)
      yield* (yield* OrderCommands).pause("o1", asked, start)
      assert.isTrue(yield* hasUnsealed)
      yield* sealAll
      assert.isFalse(yield* hasUnsealed)
    }).pipe(Effect.provide(service))
  )

  it.effect("sees PENDING orders, and then when their first slice is due", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 2, created_at: new Date(60_000) })
      assert.deepStrictEqual(yield* look, { ...nothing, hasPendingOrders: true })
      yield* Effect.flatten(makeSplitPending)
      assert.deepStrictEqual(yield* look, { ...nothing, nextDueMillis: 60_000 })
    }).pipe(Effect.provide(service))
  )

  it.effect("does not see what cannot be claimed: on hold, claimed, or with its window over", () =>
    Effect.gen(function* () {
      yield* splitOne
      yield* (yield* OrderCommands).pause("o1", asked, start)
      assert.deepStrictEqual(yield* look, nothing)
      yield* (yield* OrderCommands).resume("o1", asked, start)
      assert.strictEqual((yield* look).nextDueMillis, 60_000)
      yield* setClock("1 hour")
      assert.deepStrictEqual(yield* look, nothing)
    }).pipe(Effect.provide(service))
  )

  it.effect("sees a halt that this executor has not acknowledged", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* look
      const halts = yield* HaltStore
      const { id } = yield* halts.request({ isHalted: true, reason: "r", requestedBy: "t", requestedAt: start })
      assert.isFalse((yield* look).isHaltFollowed)
      yield* halts.acknowledge((yield* Instance).id, id)
      assert.isTrue((yield* look).isHaltFollowed)
      // The acknowledgement is gone with the heartbeat.
      yield* (yield* HeartbeatStore).leave(yield* Instance)
      assert.isFalse((yield* look).isHaltFollowed)
    }).pipe(Effect.provide(service))
  )

  it.effect("sees a claim that has lapsed, and a slice that is open at the broker", () =>
    Effect.gen(function* () {
      const slice = yield* claimOne
      assert.deepStrictEqual(yield* look, nothing)
      yield* setClock("2 minutes")
      assert.isTrue((yield* look).isBrokerAwaited)
      yield* setClock("1 minute")
      const at = yield* DateTime.now
      yield* (yield* SliceStore).transition(
        [
          {
            slice,
            next: { _tag: "Processed", brokerOrderId: BrokerOrderId.make("b1"), found: null },
            attempts: 1,
            placedAt: at,
            at
          }
        ],
        []
      )
      yield* setClock("1 hour")
      assert.deepStrictEqual(yield* look, { ...nothing, isBrokerAwaited: true })
    }).pipe(Effect.provide(service))
  )

  it.effect("sees orders that may want another plan, and notifications that are due", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 1, carry_unfilled: true, created_at: new Date(60_000) })
      yield* Effect.flatten(makeSplitPending)
      const { sql, execute } = yield* Db
      yield* execute(
        "test.notify",
        sql`
          INSERT INTO notifications (key, kind, severity, message, found_at, next_attempt_at)
          VALUES ('k', 'halted', 'critical', 'm', to_timestamp(0), to_timestamp(10))`
      )
      assert.deepStrictEqual(yield* look, { ...nothing, nextDueMillis: 60_000, mayWantPlan: true })
      yield* setClock("10 seconds")
      assert.isTrue((yield* look).hasDeliveries)
    }).pipe(Effect.provide(service))
  )
})
