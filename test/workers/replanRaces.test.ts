import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { because } from "../../src/domain/model/reason.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import {
  amendOrder,
  at,
  claimDue,
  conservation,
  lockSlice,
  manySlices,
  move,
  splitOrder,
  untilWaiting
} from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, serviceLayer, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const heldSlices = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.heldSlices",
    Schema.Struct({ isHeld: Schema.Boolean }),
    sql`SELECT is_held FROM order_slices WHERE stage = 'SCHEDULED'`
  )
)

const longer = { remainingWindow: Duration.minutes(5) }

/** Runs an effect on the order while its amendment waits for the lock of its first slice. */
const whileAmending = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const [first = assert.fail("no slice")] = yield* sliceRows()
    const unlock = yield* lockSlice(first.id)
    const amending = yield* Effect.forkChild(amendOrder("o1", longer))
    yield* untilWaiting(1)
    const meanwhile = yield* Effect.forkChild(effect)
    yield* untilWaiting(2)
    yield* unlock
    yield* Fiber.join(amending)
    return yield* Fiber.join(meanwhile)
  })

describe("an amendment while", () => {
  it.effect("the order is put on hold: the new slices are on hold too", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      assert.isTrue(
        yield* whileAmending(
          (yield* OrderCommands).hold("o1", because("replan_impossible", "a reason"), yield* DateTime.now)
        )
      )
      assert.isTrue((yield* heldSlices).every(({ isHeld }) => isHeld))
      assert.deepStrictEqual(yield* claimDue(), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("the order is resumed: the new slices are not on hold", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* (yield* OrderCommands).hold("o1", because("replan_impossible", "a reason"), yield* DateTime.now)
      assert.isTrue(yield* whileAmending((yield* OrderCommands).resume("o1", asked, yield* DateTime.now)))
      assert.isTrue((yield* heldSlices).every(({ isHeld }) => !isHeld))
    }).pipe(Effect.provide(service))
  )

  it.effect("the order is cancelled: none of the new slices is left to be sent", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* whileAmending((yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now))
      assert.deepStrictEqual(yield* heldSlices, [])
      assert.deepInclude((yield* conservation)[0], { givenUp: 100, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("outcomes of its slices are written does not wait for them", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* manySlices("SKIPPED")
      const notBefore = DateTime.makeUnsafe(16_000)
      yield* move(yield* claimDue(), () => ({
        _tag: "Rescheduled",
        code: "broker_try_later",
        reason: "later",
        notBefore
      }))
      // The second slice is claimed before the first.
      yield* at(15)
      const second = yield* claimDue()
      yield* at(16)
      const [held = assert.fail("no slice")] = yield* claimDue()
      const claimed = [...second, held]
      const unlock = yield* lockSlice(held.id)
      const writing = yield* Effect.forkChild(
        move(claimed, () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
      )
      yield* untilWaiting(1)
      yield* amendOrder("o1", { remainingWindow: Duration.seconds(20) })
      yield* unlock
      assert.strictEqual((yield* Fiber.join(writing)).length, 2)
      yield* move(claimed, ({ id }) => ({ _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }))
      const found = (yield* conservation).find(({ orderId }) => orderId === "o1")
      assert.deepInclude(found, { working: 40, scheduled: 60, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("its late slices are skipped: there is no deadlock", () =>
    Effect.gen(function* () {
      yield* splitOrder("o4")
      yield* at(3600)
      const third = (yield* sliceRows()).find(({ sequenceNumber }) => sequenceNumber === 3) ?? assert.fail("no slice")
      const unlock = yield* lockSlice(third.id)
      const amending = yield* Effect.forkChild(amendOrder("o4", longer))
      yield* untilWaiting(1)
      // The amendment has the first two, and will come to the others.
      const skipping = yield* Effect.forkChild((yield* RecoveryStore).skipStale(yield* DateTime.now, "too late", 100))
      yield* Effect.raceFirst(Fiber.await(skipping), untilWaiting(2))
      yield* unlock
      yield* Fiber.join(amending)
      yield* Fiber.join(skipping)
      assert.deepInclude((yield* conservation)[0], { scheduled: 60, givenUp: 40, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )
})
