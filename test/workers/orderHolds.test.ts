import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { BrokerOrderId, OrderId } from "../../src/domain/model/Ids.ts"
import type { ClaimedSlice, NextStage } from "../../src/domain/model/OrderSlice.ts"
import { because } from "../../src/domain/model/reason.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const claim = Effect.gen(function* () {
  const now = yield* DateTime.now
  return yield* (yield* SliceStore).claimDue({
    now,
    horizon: DateTime.addDuration(now, Duration.minutes(1)),
    leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
    owner: "owner",
    limit: 100
  })
})

/** A new order of five slices. */
const pendingOrder = Effect.andThen(setClock(), insertOrder("o1"))

const split = Effect.flatten(makeSplitPending)

/** The one slice of a split order, claimed. */
const claimedSlice = Effect.gen(function* () {
  yield* setClock()
  yield* insertOrder("o1", { num_splits: 1 })
  yield* split
  return (yield* claim)[0] ?? assert.fail("nothing was claimed")
})

const giveBack = (slice: ClaimedSlice) =>
  Effect.gen(function* () {
    const at = yield* DateTime.now
    const next: NextStage = { _tag: "Rescheduled", code: "broker_try_later", reason: "later", notBefore: null }
    yield* (yield* SliceStore).transition([{ slice, next, attempts: 1, placedAt: null, at }], [])
  })

const pause = Effect.gen(function* () {
  assert.isTrue(yield* (yield* OrderCommands).hold("o1", because("replan_impossible", "news"), yield* DateTime.now))
})

const resume = Effect.gen(function* () {
  assert.isTrue(yield* (yield* OrderCommands).resume("o1", asked, yield* DateTime.now))
})

const noteDouble = (slice: ClaimedSlice, alarm: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const brokerOrderIds = [BrokerOrderId.make("b1"), BrokerOrderId.make("b2")]
    const double = { tag: slice.tag, orderId: OrderId.make("o1"), sliceId: slice.id, brokerOrderIds, reason: "twice" }
    yield* (yield* OrderStore).noteDouble(double, yield* DateTime.now, alarm)
  })

/** Runs `late` while `early` has written but not committed; `late` waits for its locks. */
const whileUncommitted = <R, R2>(early: Effect.Effect<unknown, DbError, R>, late: Effect.Effect<void, DbError, R2>) =>
  Effect.gen(function* () {
    const { sql, query, transaction } = yield* Db
    const hasWritten = yield* Deferred.make<void>()
    const mayCommit = yield* Deferred.make<void>()
    const first = yield* Effect.forkChild(
      transaction(
        "test.early",
        early.pipe(Effect.andThen(Deferred.succeed(hasWritten, undefined)), Effect.andThen(Deferred.await(mayCommit)))
      )
    )
    yield* Deferred.await(hasWritten)
    const second = yield* Effect.forkChild(late)
    const waiting = query(
      "test.waiting",
      Schema.Struct({ count: Schema.Int }),
      sql`
        SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`
    )
    yield* Effect.repeat(waiting, { until: ([row]) => row?.count === 1 })
    yield* Deferred.succeed(mayCommit, undefined)
    yield* Fiber.join(first)
    yield* Fiber.join(second)
  })

describe("an order's hold", () => {
  it.effect("that begins during the split puts every slice on hold", () =>
    Effect.gen(function* () {
      yield* pendingOrder
      yield* whileUncommitted(split, pause)
      assert.deepStrictEqual(yield* claim, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("that ends during the split leaves no slice on hold", () =>
    Effect.gen(function* () {
      yield* pendingOrder
      yield* pause
      yield* whileUncommitted(split, resume)
      assert.lengthOf(yield* claim, 5)
    }).pipe(Effect.provide(service))
  )

  it.effect("that begins while a slice is given back puts that slice on hold", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* whileUncommitted(giveBack(slice), pause)
      assert.deepStrictEqual(yield* claim, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("that ends while a slice is given back does not leave that slice on hold", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* pause
      yield* whileUncommitted(giveBack(slice), resume)
      assert.lengthOf(yield* claim, 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("that began earlier puts a slice on hold that is given back meanwhile", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* whileUncommitted(pause, giveBack(slice))
      assert.deepStrictEqual(yield* claim, [])
      yield* resume
      assert.lengthOf(yield* claim, 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("for a double placement seen while a slice is given back puts that slice on hold", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      yield* whileUncommitted(giveBack(slice), noteDouble(slice))
      assert.deepStrictEqual(yield* claim, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("for a double placement raises the alarm once, again only after a crash before the hold was written", () =>
    Effect.gen(function* () {
      const slice = yield* claimedSlice
      let alarms = 0
      const alarm = Effect.sync(() => {
        alarms += 1
      })
      const { transaction } = yield* Db
      yield* Effect.exit(transaction("test.dies", Effect.andThen(noteDouble(slice, alarm), Effect.die("killed"))))
      assert.strictEqual(alarms, 1)
      yield* noteDouble(slice, alarm)
      assert.strictEqual(alarms, 2)
      yield* noteDouble(slice, alarm)
      assert.strictEqual(alarms, 2)
    }).pipe(Effect.provide(service))
  )
})
