import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Layer } from "effect"
import { Db } from "../../src/db/Db.ts"
import { reconcileDay } from "../../src/domain/lifecycle/reconcileDay.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { DayReconciliationStore } from "../../src/stores/account/DayReconciliationStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { BrokerScript, completed, openOrder, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = DayReconciliationStore.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

/** One slice of 100, placed at the start and OPEN. */
const placeOne = Effect.gen(function* () {
  const slices = yield* SliceStore
  yield* setClock()
  yield* insertOrder("o1", { num_splits: 1 })
  yield* Effect.flatten(makeSplitPending)
  const now = yield* DateTime.now
  const [slice] = yield* slices.claimDue({
    now,
    horizon: now,
    leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
    owner: "owner",
    limit: 1
  })
  const { transition } = yield* (yield* makePlace)(slice ?? assert.fail("nothing was claimed"))
  yield* slices.transition([transition], [])
  return transition.slice
})

const at = (millis: number) => DateTime.makeUnsafe(millis)
const today = [at(-1000), at(86_400_000)] as const
const tomorrow = [at(86_400_000), at(2 * 86_400_000)] as const

describe("the day reconciliation", () => {
  it.effect("includes slices of other days whose orders are in the order list", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const store = yield* DayReconciliationStore
      yield* placeOne
      const tag = script.orderList[0]?.tag ?? assert.fail()
      script.orderList.push(openOrder(tag, 2))
      const all = script.orderList.map(({ brokerOrderId }) => ({ brokerOrderId, tags: ["mktp", tag] }))
      const slices = yield* store.slices(...tomorrow, ["mktp", tag])
      const { differences, foreign } = reconcileDay(
        slices,
        { orders: script.orderList, unreadable: [] },
        { entries: all, unreadable: [] }
      )
      assert.deepStrictEqual([differences.map(({ text }) => text), foreign], [["PLACED 2 TIMES: b1, b2"], []])
      assert.deepStrictEqual(yield* store.slices(...tomorrow, ["mktp"]), [])
      assert.lengthOf(yield* store.slices(...today, []), 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("checks the quantities of every order whose slices it compares", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const store = yield* DayReconciliationStore
      const { sql, execute } = yield* Db
      yield* placeOne
      yield* execute("test.lose", sql`UPDATE orders SET total_quantity = total_quantity + 1`)
      const tags = script.orderList.map(({ tag }) => tag)
      // Midnight in India is between the placement and the question.
      const unbalanced = (days: typeof today | typeof tomorrow, tags: ReadonlyArray<string>) =>
        Effect.map(store.unbalanced(...days, tags), (orders) => orders.map(({ orderId }) => orderId))
      assert.deepStrictEqual(yield* unbalanced(today, []), ["o1"])
      assert.deepStrictEqual(yield* unbalanced(tomorrow, tags), ["o1"])
      assert.deepStrictEqual(yield* unbalanced(tomorrow, []), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("repairs only slices that are unchanged since they were read", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const store = yield* DayReconciliationStore
      yield* placeOne
      const order = script.orderList[0] ?? assert.fail()
      const seen = {
        ...order,
        status: "PARTIALLY_FILLED" as const,
        filledQuantity: 40,
        averagePrice: BigDecimal.fromStringUnsafe("100")
      }
      const repairsOf = Effect.map(store.slices(...today, []), (slices) =>
        reconcileDay(slices, { orders: [seen], unreadable: [] }, { entries: [], unreadable: [] }).differences.flatMap(
          ({ slice, repair }) => (repair === null ? [] : [{ slice, order: repair, noted: null }])
        )
      )
      const repairs = yield* repairsOf
      script.orderList[0] = completed(order, 100)
      yield* Effect.flatten(makeFollowBroker)
      assert.strictEqual(yield* store.repair(repairs, asked, yield* DateTime.now), 0)
      assert.deepInclude((yield* sliceRows())[0], { brokerStatus: "COMPLETE", filledQuantity: 100 })

      const again = (yield* repairsOf)[0] ?? assert.fail()
      assert.strictEqual(again.order.brokerOrderId, BrokerOrderId.make("b1"))
      const { sql, execute } = yield* Db
      const carry = (quantity: number) =>
        execute("test.carry", sql`UPDATE order_slices SET carried_quantity = ${quantity}`)
      yield* carry(30)
      assert.strictEqual(yield* store.repair([again], asked, yield* DateTime.now), 0)
      yield* carry(0)
      assert.strictEqual(yield* store.repair([again], asked, yield* DateTime.now), 1)
    }).pipe(Effect.provide(service))
  )
})
