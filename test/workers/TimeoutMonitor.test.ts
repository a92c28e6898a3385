import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Deferred, Duration, Effect, Layer, Option } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerRefused, BrokerTryLater } from "../../src/domain/model/BrokerError.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import type { ClaimedSlice } from "../../src/domain/model/OrderSlice.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeSweep } from "../../src/workers/monitor/sweep.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { WorkerStatus } from "../../src/workers/supervision/WorkerStatus.ts"
import { TimeoutMonitor } from "../../src/workers/TimeoutMonitor.ts"
import { acceptAndLoseAnswer, BrokerScript, completed, openOrder, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, sliceRows } from "../support/service.ts"

/** Lease 2 minutes, quarantine 60 s, window grace 10 minutes. */
const service = serviceLayer({ broker: scriptedBroker, environment: { SLICE_MAX_ATTEMPTS: "2" } })

const follow = Effect.flatten(makeFollowBroker)

const claimNext = Effect.gen(function* () {
  const now = yield* DateTime.now
  const [slice] = yield* (yield* SliceStore).claimDue({
    now,
    horizon: now,
    leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
    owner: "owner",
    limit: 1
  })
  return slice ?? assert.fail("nothing was claimed")
})

/** One order of one slice of 100, split and claimed at the start. */
const claimOne = Effect.gen(function* () {
  yield* setClock()
  yield* insertOrder("o1", { num_splits: 1 })
  yield* Effect.flatten(makeSplitPending)
  return yield* claimNext
})

/** Places a claimed slice and writes the outcome, as the SliceExecutor does. */
const placeAndWrite = (slice: ClaimedSlice) =>
  Effect.gen(function* () {
    const place = yield* makePlace
    const { transition, event } = yield* place(slice)
    yield* (yield* SliceStore).transition([transition], event === null ? [] : [event])
  })

const theSlice = Effect.map(sliceRows(), ([row]) => row ?? assert.fail("there is no slice"))

describe("TimeoutMonitor", () => {
  it.effect("resolves a lost answer: the broker order is found by its tag, and never placed again", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = acceptAndLoseAnswer(script)
      yield* placeAndWrite(yield* claimOne)
      assert.isTrue((yield* theSlice).isUnknown)

      yield* follow
      const slice = yield* theSlice
      assert.deepStrictEqual([slice.stage, slice.brokerOrderId, slice.isUnknown], ["PROCESSED", "b1", false])
      assert.strictEqual(script.placed.length, 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("resolves a lost request: SCHEDULED again after the quarantine, FAILED when attempts are used up", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const lose = acceptAndLoseAnswer(script)
      script.onPlace = (placement) =>
        Effect.ensuring(
          lose(placement),
          Effect.sync(() => script.orderList.pop())
        )
      yield* placeAndWrite(yield* claimOne)

      yield* setClock(Duration.millis(59_999))
      yield* follow
      assert.isTrue((yield* theSlice).isUnknown)
      yield* setClock(Duration.millis(60_000))
      yield* follow
      assert.strictEqual((yield* theSlice).stage, "SCHEDULED")

      yield* placeAndWrite(yield* claimNext)
      yield* setClock(Duration.minutes(2.1))
      yield* follow
      const slice = yield* theSlice
      assert.deepStrictEqual([slice.stage, slice.attempts], ["FAILED", 2])
      assert.include(slice.stageReason ?? "", "gave up after 2 attempts")
    }).pipe(Effect.provide(service))
  )

  it.effect("finds a broker order that appears late in the quarantine", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = acceptAndLoseAnswer(script)
      const claimed = yield* claimOne
      yield* placeAndWrite(claimed)
      script.orderList.length = 0
      yield* setClock(Duration.seconds(30))
      yield* follow
      script.orderList.push(openOrder(claimed.tag, 9))
      yield* setClock(Duration.seconds(59))
      yield* follow
      assert.strictEqual((yield* theSlice).brokerOrderId, "b9")
    }).pipe(Effect.provide(service))
  )

  it.effect("never takes a failed look-up for an order that is not found, however late", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = acceptAndLoseAnswer(script)
      yield* placeAndWrite(yield* claimOne)
      script.onFind = () =>
        Effect.fail(new BrokerTryLater({ code: "503", message: "down", retryAt: DateTime.makeUnsafe(0) }))
      yield* setClock("1 hour")
      yield* follow
      assert.isTrue((yield* theSlice).isUnknown)
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves the slice of a dead owner alone until its lease is over, and reconciles it first", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const claimed = yield* claimOne
      // The owner placed it and died before it could write the outcome.
      script.orderList.push(openOrder(claimed.tag, 1))
      yield* setClock(Duration.millis(119_999))
      yield* follow
      assert.strictEqual((yield* theSlice).stage, "IN_PROGRESS")
      yield* setClock(Duration.millis(120_000))
      yield* follow
      assert.deepInclude(yield* theSlice, { stage: "PROCESSED", brokerOrderId: "b1" })
    }).pipe(Effect.provide(service))
  )

  it.effect("schedules the slice of a dead owner again after lease and quarantine if the broker never saw it", () =>
    Effect.gen(function* () {
      yield* claimOne
      yield* setClock(Duration.millis(179_999))
      yield* follow
      assert.strictEqual((yield* theSlice).stage, "IN_PROGRESS")
      yield* setClock(Duration.millis(180_000))
      yield* follow
      assert.strictEqual((yield* theSlice).stage, "SCHEDULED")
    }).pipe(Effect.provide(service))
  )

  it.effect("ignores a late answer of an owner that lost its claim", () =>
    Effect.gen(function* () {
      const claimed = yield* claimOne
      yield* setClock(Duration.millis(180_000))
      yield* follow
      const again = yield* claimNext
      yield* setClock(Duration.millis(180_001))
      yield* placeAndWrite({ ...claimed, leaseExpiresMillis: 999_999_999 })
      assert.deepInclude(yield* theSlice, {
        stage: "IN_PROGRESS",
        claimVersion: again.claimVersion,
        brokerOrderId: null
      })
    }).pipe(Effect.provide(service))
  )

  it.effect("skips a slice that was not placed and is too late by then", () =>
    Effect.gen(function* () {
      yield* claimOne
      yield* setClock("12 minutes")
      yield* follow
      assert.strictEqual((yield* theSlice).stage, "SKIPPED")
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps a slice in doubt, for a person to resolve, when the order list began meanwhile", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const commands = yield* SliceCommands
      const claimed = yield* claimOne
      const id = claimed.id
      script.orderListSince = DateTime.makeUnsafe(1)
      for (const minutes of [5, 30, 600]) {
        yield* setClock(Duration.minutes(minutes))
        yield* follow
        assert.strictEqual((yield* theSlice).stage, "IN_PROGRESS")
      }
      const now = yield* DateTime.now
      const b9 = BrokerOrderId.make("b9")
      assert.isFalse(
        yield* commands.placed(id, { brokerOrderId: b9, fill: { quantity: 101, price: null } }, asked, now)
      )
      const fill = { quantity: 40, price: BigDecimal.fromStringUnsafe("10.5") }
      assert.isTrue(yield* commands.placed(id, { brokerOrderId: b9, fill }, asked, now))
      assert.deepInclude(yield* theSlice, {
        stage: "PROCESSED",
        brokerOrderId: "b9",
        brokerStatus: "CANCELLED",
        filledQuantity: 40,
        claimVersion: claimed.claimVersion + 1
      })
      assert.isFalse(yield* commands.skip(id, asked, now))
      // Its owner wakes up after it lost the claim.
      yield* placeAndWrite({ ...claimed, leaseExpiresMillis: 999_999_999, notAfterMillis: 999_999_999 })
      assert.deepInclude(yield* theSlice, { stage: "PROCESSED", brokerOrderId: "b9" })
    }).pipe(Effect.provide(Layer.provideMerge(SliceCommands.layer, service)))
  )

  it.effect("puts an order on hold until a person resumes it when two broker orders have one tag", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const commands = yield* OrderCommands
      const slices = yield* SliceStore
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 5 })
      yield* Effect.flatten(makeSplitPending)
      const claimed = yield* claimNext
      script.orderList.push(openOrder(claimed.tag, 2), openOrder(claimed.tag, 1))
      yield* setClock("5 minutes")
      yield* follow
      assert.deepInclude((yield* sliceRows())[0], { stage: "PROCESSED", brokerOrderId: "b1" })

      const state = Effect.map(commands.progress(claimed.orderId), Option.getOrThrow)
      const claim = Effect.flatMap(DateTime.now, (now) =>
        slices.claimDue({ now, horizon: now, leaseExpiresAt: DateTime.add(now, { minutes: 2 }), owner: "x", limit: 9 })
      )
      assert.deepInclude(yield* state, {
        state: "held",
        holdReason: `the broker has 2 orders with tag ${claimed.tag}`
      })
      assert.deepStrictEqual(yield* claim, [])

      yield* follow
      assert.isTrue(yield* commands.resume(claimed.orderId, asked, yield* DateTime.now))
      yield* follow
      assert.deepInclude(yield* state, { state: "working", holdReason: null })
      assert.strictEqual((yield* claim).length, 4)
    }).pipe(Effect.provide(service))
  )

  it.effect("follows broker orders until they are final, with one look-up for all", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* setClock()
      yield* insertOrder("o1", { duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      for (let n = 0; n < 5; n += 1) yield* placeAndWrite(yield* claimNext)
      let lookUps = 0
      const { onFind } = script
      script.onFind = (tags) => {
        lookUps += 1
        return onFind(tags)
      }
      yield* follow
      assert.deepStrictEqual([...new Set((yield* sliceRows()).map((slice) => slice.brokerStatus))], ["OPEN"])
      script.orderList.splice(0, 5, ...script.orderList.map((order) => completed(order, 20)))
      yield* follow
      assert.deepStrictEqual(
        (yield* sliceRows()).map(({ brokerStatus, filledQuantity }) => [brokerStatus, filledQuantity]),
        Array.from({ length: 5 }, () => ["COMPLETE" as const, 20])
      )
      yield* follow
      assert.strictEqual(lookUps, 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("records REJECTED for an acknowledged order that the broker rejects later", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* placeAndWrite(yield* claimOne)
      script.orderList.splice(
        0,
        1,
        ...script.orderList.map((order) => ({ ...order, status: "REJECTED" as const, statusText: "no funds" }))
      )
      yield* follow
      assert.deepInclude(yield* theSlice, { stage: "PROCESSED", brokerStatus: "REJECTED" })
    }).pipe(Effect.provide(service))
  )

  it.effect("sends an operator's cancel once, and again only if it had no effect for 15 s", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* placeAndWrite(yield* claimOne)
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      yield* follow
      yield* follow
      assert.deepStrictEqual(script.cancelled, ["b1"])
      yield* setClock(Duration.millis(15_001))
      yield* follow
      assert.strictEqual(script.cancelled.length, 2)
      script.orderList.splice(0, 1, ...script.orderList.map((order) => ({ ...order, status: "CANCELLED" as const })))
      yield* follow
      yield* setClock(Duration.minutes(1))
      yield* follow
      assert.strictEqual(script.cancelled.length, 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("sends a cancel again that was sent before the database's clock was set back", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* placeAndWrite(yield* claimOne)
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      yield* setClock(Duration.hours(1))
      yield* follow
      yield* setClock(Duration.seconds(20))
      yield* follow
      yield* follow
      assert.strictEqual(script.cancelled.length, 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("cancels slices that are unfilled after their order's time for that, and no others", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* setClock()
      yield* insertOrder("patient", { num_splits: 1 })
      yield* insertOrder("hasty", { num_splits: 1, cancel_unfilled_after_seconds: 30 })
      yield* Effect.flatten(makeSplitPending)
      for (const slice of [yield* claimNext, yield* claimNext]) yield* placeAndWrite(slice)
      const hasty = (yield* sliceRows("hasty"))[0]?.brokerOrderId
      yield* setClock(Duration.millis(29_999))
      yield* follow
      assert.deepStrictEqual(script.cancelled, [])
      yield* setClock(Duration.seconds(30))
      yield* follow
      assert.deepStrictEqual<ReadonlyArray<string | null | undefined>>(script.cancelled, [hasty])
    }).pipe(Effect.provide(service))
  )

  it.effect("records a refused cancel, and sends the others", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* placeAndWrite(yield* claimOne)
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      script.onCancel = () => Effect.fail(new BrokerRefused({ code: "X", message: "filled already" }))
      yield* follow
      const { sql } = yield* Db
      const events = yield* sql`SELECT outcome FROM broker_events WHERE call = 'cancel'`
      assert.deepStrictEqual(events, [{ outcome: "refused" }])
    }).pipe(Effect.provide(service))
  )

  it.effect("skips slices that were not claimed before their order's window and grace were over", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      const sweep = yield* makeSweep
      yield* setClock(Duration.minutes(10))
      yield* sweep
      assert.strictEqual((yield* theSlice).stage, "SCHEDULED")
      yield* setClock(Duration.minutes(10.001))
      yield* sweep
      assert.deepStrictEqual([...new Set((yield* sliceRows()).map((slice) => slice.stage))], ["SKIPPED"])
    }).pipe(Effect.provide(service))
  )

  it.effect("writes one audit row for every broker call, with request and answer", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = acceptAndLoseAnswer(script)
      yield* placeAndWrite(yield* claimOne)
      yield* follow
      const { sql } = yield* Db
      const events = yield* sql`
        SELECT call, outcome, attempt, request->>'tag' AS tag, response->>'code' AS code FROM broker_events ORDER BY id`
      const { tag } = yield* theSlice
      assert.sameDeepMembers(
        [...events],
        [
          { call: "place", outcome: "unknown", attempt: 1, tag, code: "timeout" },
          { call: "find_by_tag", outcome: "ok", attempt: null, tag: null, code: null }
        ]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("follows the other slices when this version cannot read one row", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 2, duration_minutes: 0 })
      yield* Effect.flatten(makeSplitPending)
      yield* placeAndWrite(yield* claimNext)
      yield* placeAndWrite(yield* claimNext)
      const { sql, execute } = yield* Db
      yield* execute("test.loosen", sql`ALTER TABLE slice_working DROP CONSTRAINT slice_working_broker_order_id_check`)
      yield* execute("test.spoil", sql`UPDATE order_slices SET broker_order_id = '' WHERE sequence_number = 1`)
      script.orderList.splice(0, 2, ...script.orderList.map((order) => completed(order, 50)))
      yield* follow
      assert.deepStrictEqual(
        (yield* sliceRows()).map(({ brokerStatus }) => brokerStatus),
        [null, "COMPLETE"]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("runs its other tasks when one fails, and reports the failure", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      yield* Effect.flatten(makeSplitPending)
      const { sql, execute } = yield* Db
      yield* execute(
        "test.break",
        sql`
          UPDATE order_slices SET stage = 'IN_PROGRESS', claimed_by = 'gone', lease_expires_at = scheduled_at
          WHERE sequence_number = 1`
      )
      yield* execute("test.break", sql`ALTER TABLE orders RENAME COLUMN cancel_unfilled_after_seconds TO gone`)
      yield* setClock("1 hour")
      const failed = yield* Deferred.make<string>()
      const status = WorkerStatus.of({
        ...(yield* WorkerStatus),
        failed: (_, error) => Effect.asVoid(Deferred.succeed(failed, error))
      })
      yield* Effect.forkChild(Effect.provideService(TimeoutMonitor, WorkerStatus, status))
      assert.include(yield* Deferred.await(failed), "SliceStore.open")
      assert.isTrue(
        (yield* sliceRows()).every(({ stage, sequenceNumber }) => stage === "SKIPPED" || sequenceNumber === 1)
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("needs only one query when nothing is under way", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { carry_unfilled: true })
      const { look } = yield* RecoveryStore
      const ask = Effect.flatMap(DateTime.now, (now) => look({ now, doubtedSince: now }))
      assert.deepStrictEqual(yield* ask, { forBroker: false, forPlan: false, hasSent: false })
      yield* Effect.flatten(makeSplitPending)
      assert.deepStrictEqual(yield* ask, { forBroker: false, forPlan: true, hasSent: false })
      const { sql, execute } = yield* Db
      const change = (to: string) => execute("test.change", sql`UPDATE order_slices SET ${sql.literal(to)}`)
      yield* change("stage = 'IN_PROGRESS', claimed_by = 'gone', lease_expires_at = '1970-01-01T00:02Z'")
      assert.isFalse((yield* ask).forBroker)
      yield* setClock("2 minutes")
      assert.isTrue((yield* ask).forBroker)
      yield* change("lease_expires_at = '1971-01-01', outcome_unknown_at = now()")
      assert.isTrue((yield* ask).forBroker)
      yield* change("stage = 'PROCESSED', outcome_unknown_at = NULL, broker_order_id = id")
      assert.isTrue((yield* ask).forBroker)
      yield* change("broker_is_final = true")
      assert.isFalse((yield* ask).forBroker)
      yield* change("in_doubt_at = '1970-01-01T00:02Z'")
      assert.isTrue((yield* ask).forBroker)
    }).pipe(Effect.provide(service))
  )
})
