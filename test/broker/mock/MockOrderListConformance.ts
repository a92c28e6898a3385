import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, type Layer, Option } from "effect"
import { type SimulatedOrder, MockOrderList } from "../../../src/broker/mock/MockOrderList.ts"
import { BrokerOrderId } from "../../../src/domain/model/Ids.ts"
import { placementOf, tags } from "../BrokerConformance.ts"

const at = (seconds: number) => DateTime.makeUnsafe(1_800_000_000_000 + seconds * 1000)

export const simulatedOrder = (id: string, tag: string, change: Partial<SimulatedOrder> = {}): SimulatedOrder => {
  const { tag: brandedTag, instrument, side, productType, validity, quantity } = placementOf(tag)
  return {
    brokerOrderId: BrokerOrderId.make(id),
    tag: brandedTag,
    instrument,
    side,
    productType,
    validity,
    quantity,
    orderType: "LIMIT",
    limitPrice: BigDecimal.fromStringUnsafe("1500.5"),
    placedAt: at(0),
    visibleAt: at(1),
    opensAt: at(2),
    finishesAt: at(3),
    fillQuantity: 40,
    fillPrice: BigDecimal.fromStringUnsafe("1499.9525"),
    rejection: null,
    cancelledAt: null,
    ...change
  }
}

/** The contract of both order lists. Prices are compared by value: the table pads them to four decimals. */
export const orderListConformance = (name: string, layer: Layer.Layer<MockOrderList>): void => {
  const byValue = (order: SimulatedOrder) => ({
    ...order,
    limitPrice: order.limitPrice === null ? null : BigDecimal.format(order.limitPrice),
    fillPrice: order.fillPrice === null ? null : BigDecimal.format(order.fillPrice)
  })
  const test = <A, E>(title: string, body: Effect.Effect<A, E, MockOrderList>) =>
    it.effect(title, () => Effect.provide(body, layer))

  describe(`the order list (${name})`, () => {
    test(
      "returns orders as they were inserted",
      Effect.gen(function* () {
        const orderList = yield* MockOrderList
        const filled = simulatedOrder("B11", "SAME")
        const rejected = simulatedOrder("B12", "SAME", {
          orderType: "MARKET",
          limitPrice: null,
          fillQuantity: 0,
          fillPrice: null,
          rejection: "no funds",
          placedAt: DateTime.makeUnsafe(1_800_000_000_123)
        })
        assert.isTrue(yield* orderList.insert(rejected))
        assert.isTrue(yield* orderList.insert(filled))
        assert.deepStrictEqual((yield* orderList.findByTag(tags("SAME"))).map(byValue), [filled, rejected].map(byValue))
        const got = yield* orderList.get(filled.brokerOrderId)
        assert.deepStrictEqual(Option.map(got, byValue), Option.some(byValue(filled)))
      })
    )

    test(
      "accepts an id once, and keeps the first order",
      Effect.gen(function* () {
        const orderList = yield* MockOrderList
        assert.isTrue(yield* orderList.insert(simulatedOrder("B21", "FIRST")))
        assert.isFalse(yield* orderList.insert(simulatedOrder("B21", "SECOND")))
        assert.strictEqual((yield* orderList.findByTag(tags("FIRST", "SECOND"))).length, 1)
        assert.deepStrictEqual(yield* orderList.findByTag(tags("SECOND")), [])
      })
    )

    test(
      "accepts exactly one of many simultaneous inserts of an id",
      Effect.gen(function* () {
        const orderList = yield* MockOrderList
        const won = yield* Effect.all(
          Array.from({ length: 8 }, (_, index) => orderList.insert(simulatedOrder("B31", `RACE${index}`))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(won.filter((isMine) => isMine).length, 1)
      })
    )

    test(
      "sorts by age, and finds nothing for unknown tags and ids",
      Effect.gen(function* () {
        const orderList = yield* MockOrderList
        yield* orderList.insert(simulatedOrder("B41", "AGE1", { placedAt: at(9) }))
        yield* orderList.insert(simulatedOrder("B43", "AGE2", { placedAt: at(5) }))
        yield* orderList.insert(simulatedOrder("B42", "AGE1", { placedAt: at(5) }))
        const found = yield* orderList.findByTag(tags("AGE2", "AGE1", "AGE0"))
        assert.deepStrictEqual(
          found.map((order) => order.brokerOrderId),
          ["B42", "B43", "B41"]
        )
        assert.deepStrictEqual(yield* orderList.findByTag(tags()), [])
        assert.isTrue(Option.isNone(yield* orderList.get(BrokerOrderId.make("B49"))))
      })
    )

    test(
      "records the first cancel of an order",
      Effect.gen(function* () {
        const orderList = yield* MockOrderList
        const order = simulatedOrder("B51", "CANCEL")
        yield* orderList.insert(order)
        assert.isTrue(yield* orderList.cancel(order.brokerOrderId, at(1)))
        assert.isFalse(yield* orderList.cancel(order.brokerOrderId, at(2)))
        assert.isFalse(yield* orderList.cancel(BrokerOrderId.make("B59"), at(1)))
        const got = yield* orderList.get(order.brokerOrderId)
        assert.deepStrictEqual(Option.map(got, byValue), Option.some(byValue({ ...order, cancelledAt: at(1) })))
      })
    )
  })
}
