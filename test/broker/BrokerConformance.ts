import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Fiber, type Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { Broker, type Placement } from "../../src/broker/Broker.ts"
import { Instruction } from "../../src/broker/mock/Instruction.ts"
import type { BrokerError } from "../../src/domain/model/BrokerError.ts"
import { type BrokerOrder, isTerminal } from "../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"

export interface ConformanceOptions {
  /** The maximum duration of a call by the TestClock. */
  readonly latency?: Duration.Duration
  /** The maximum time until a MARKET order reaches its final state. */
  readonly finishesWithin?: Duration.Duration
  /** How long the order list shows finished orders. */
  readonly retention?: Duration.Duration
  /** Runs a placement so that only a part of it is filled. */
  readonly partially?: <A, E>(place: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** A placement that any broker fills, with a deadline far away. */
export const placementOf = (tag: string, change: Partial<Placement> = {}): Placement => ({
  orderId: OrderId.make("order"),
  sliceId: SliceId.make(`slice-${tag}`),
  tag: Tag.make(tag),
  instrument: Instrument.make("NSE:INFY"),
  side: "BUY",
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  quantity: 100,
  deadline: DateTime.makeUnsafe("2100-01-01T00:00:00Z"),
  ...change
})

/** A limit price far below any market price, which is never reached. */
export const outOfReach: Partial<Placement> = {
  orderType: "LIMIT",
  limitPrice: BigDecimal.fromStringUnsafe("0.05")
}

export const tags = (...names: ReadonlyArray<string>): ReadonlySet<Tag> => new Set(names.map((name) => Tag.make(name)))

/** The orders with these tags, of a list in which every row can be read. */
export const findOrders = (broker: Broker["Service"], ...names: ReadonlyArray<string>) =>
  Effect.map(broker.findByTag(tags(...names)), ({ orders, unreadable }) => {
    assert.deepStrictEqual(unreadable, [])
    return orders
  })

const fillPart = <A, E>(place: Effect.Effect<A, E>) =>
  Effect.updateService(place, Instruction, (before): Instruction => ({ ...before, fill: "part" }))

/**
 * The contract of every Broker. Each test builds its own broker from the layer, uses tags that the order list does not
 * have yet, and makes at most ten order requests.
 */
export const brokerConformance = (
  name: string,
  layer: Layer.Layer<Broker>,
  {
    latency = Duration.zero,
    finishesWithin = Duration.seconds(1),
    retention = Duration.days(2),
    partially = fillPart
  }: ConformanceOptions = {}
): void => {
  /** Makes a call, and moves the TestClock by the latency. */
  const call = <A, E>(use: (broker: Broker["Service"]) => Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const fiber = yield* Effect.forkChild(use(broker), { startImmediately: true })
      if (!Duration.isZero(latency)) yield* TestClock.adjust(latency)
      return yield* Fiber.join(fiber)
    })

  const place = (placement: Placement) => call((broker) => broker.place(placement))
  const find = (...names: ReadonlyArray<string>) => call((broker) => findOrders(broker, ...names))
  const cancel = (id: BrokerOrderId) => call((broker) => broker.cancel(id))
  const only = (orders: ReadonlyArray<BrokerOrder>): BrokerOrder => {
    const [order] = orders
    if (order === undefined || orders.length !== 1)
      throw new Error(`One broker order was expected, not ${orders.length}`)
    return order
  }
  const failureOf = <A, R>(effect: Effect.Effect<A, BrokerError, R>) =>
    Effect.map(Effect.result(effect), (result) => (Result.isFailure(result) ? result.failure._tag : "success"))

  const test = <A, E>(title: string, body: Effect.Effect<A, E, Broker>) =>
    it.effect(title, () => Effect.provide(body, layer))

  describe(`${name} is a Broker`, () => {
    test(
      "finds a placed order by its tag, with the id that it acknowledged",
      Effect.gen(function* () {
        const { brokerOrderId } = yield* place(placementOf("FOUND"))
        const order = only(yield* find("FOUND"))
        assert.strictEqual(order.brokerOrderId, brokerOrderId)
        assert.strictEqual(order.tag, "FOUND")
        assert.isAtMost(order.filledQuantity, 100)
      })
    )

    test(
      "only moves an order forward, until it is complete",
      Effect.gen(function* () {
        const rank = {
          PENDING: 0,
          OPEN: 1,
          PARTIALLY_FILLED: 2,
          COMPLETE: 3,
          CANCELLED: 9,
          REJECTED: 9,
          UNRECOGNISED: 9
        }
        yield* place(placementOf("MOVES"))
        let before = only(yield* find("MOVES"))
        for (let step = 0; step < 20; step++) {
          yield* TestClock.adjust(Duration.times(finishesWithin, 0.05))
          const order = only(yield* find("MOVES"))
          assert.isAtLeast(rank[order.status], rank[before.status])
          assert.isAtLeast(order.filledQuantity, before.filledQuantity)
          assert.strictEqual(order.averagePrice === null, order.filledQuantity === 0)
          before = order
        }
        assert.strictEqual(before.status, "COMPLETE")
        assert.strictEqual(before.filledQuantity, 100)
        assert.isTrue(before.averagePrice !== null && BigDecimal.isPositive(before.averagePrice))
      })
    )

    test(
      "keeps a final state for ever",
      Effect.gen(function* () {
        yield* place(placementOf("FINAL"))
        yield* TestClock.adjust(finishesWithin)
        const order = only(yield* find("FINAL"))
        yield* TestClock.adjust(retention)
        assert.isTrue(isTerminal(order.status))
        assert.deepStrictEqual(only(yield* find("FINAL")), order)
      })
    )

    test(
      "accepts a second order with the same tag, and shows both",
      Effect.gen(function* () {
        const first = yield* place(placementOf("TWICE"))
        const second = yield* place(placementOf("TWICE"))
        const ids = (yield* find("TWICE")).map((order) => order.brokerOrderId)
        assert.notStrictEqual(first.brokerOrderId, second.brokerOrderId)
        assert.sameMembers(ids, [first.brokerOrderId, second.brokerOrderId])
      })
    )

    test(
      "leaves the rest of a partly filled order open, and keeps the fill when it is cancelled",
      Effect.gen(function* () {
        const { brokerOrderId } = yield* call((broker) => partially(broker.place(placementOf("PART"))))
        yield* TestClock.adjust(finishesWithin)
        const part = only(yield* find("PART"))
        assert.strictEqual(part.status, "PARTIALLY_FILLED")
        assert.isTrue(part.filledQuantity > 0 && part.filledQuantity < 100 && part.averagePrice !== null)
        yield* cancel(brokerOrderId)
        yield* TestClock.adjust(finishesWithin)
        const ended = only(yield* find("PART"))
        assert.strictEqual(ended.status, "CANCELLED")
        assert.strictEqual(ended.filledQuantity, part.filledQuantity)
        assert.deepStrictEqual(ended.averagePrice, part.averagePrice)
      })
    )

    test(
      "keeps an order open whose limit is out of reach, until it is cancelled",
      Effect.gen(function* () {
        const { brokerOrderId } = yield* place(placementOf("RESTS", outOfReach))
        yield* TestClock.adjust(finishesWithin)
        assert.strictEqual(only(yield* find("RESTS")).status, "OPEN")
        yield* cancel(brokerOrderId)
        yield* TestClock.adjust(finishesWithin)
        const ended = only(yield* find("RESTS"))
        assert.deepInclude(ended, { status: "CANCELLED", filledQuantity: 0, averagePrice: null })
      })
    )

    test(
      "cancels an IOC order itself when its limit is out of reach",
      Effect.gen(function* () {
        yield* place(placementOf("IOC", { ...outOfReach, validity: "IOC" }))
        yield* TestClock.adjust(finishesWithin)
        assert.deepInclude(only(yield* find("IOC")), { status: "CANCELLED", filledQuantity: 0 })
      })
    )

    test(
      "refuses to cancel an order that is complete, cancelled or unknown",
      Effect.gen(function* () {
        const finished = yield* place(placementOf("DONE"))
        const resting = yield* place(placementOf("OPEN", outOfReach))
        yield* TestClock.adjust(finishesWithin)
        yield* cancel(resting.brokerOrderId)
        yield* TestClock.adjust(finishesWithin)
        assert.strictEqual(yield* failureOf(cancel(finished.brokerOrderId)), "BrokerRefused")
        assert.strictEqual(yield* failureOf(cancel(resting.brokerOrderId)), "BrokerRefused")
        assert.strictEqual(yield* failureOf(cancel(BrokerOrderId.make("1000000000000000000"))), "BrokerRefused")
        assert.strictEqual(only(yield* find("DONE")).status, "COMPLETE")
      })
    )

    test(
      "refuses an invalid order for good, and does not list it",
      Effect.gen(function* () {
        const invalid = placementOf("SENSELESS", { orderType: "LIMIT", limitPrice: null })
        assert.strictEqual(yield* failureOf(place(invalid)), "BrokerRefused")
        assert.deepStrictEqual(yield* find("SENSELESS"), [])
      })
    )

    test(
      "finds nothing for unknown tags, and does not fail",
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* find(), [])
        assert.deepStrictEqual(yield* find("NEVER", "PLACED"), [])
      })
    )

    test(
      "finds a thousand tags in one call, in whatever state their orders are",
      Effect.gen(function* () {
        const names = Array.from({ length: 1000 }, (_, index) => `MANY${index}`)
        yield* place(placementOf("MANY7"))
        const resting = yield* place(placementOf("MANY77", outOfReach))
        yield* place(placementOf("OTHER"))
        yield* TestClock.adjust(finishesWithin)
        yield* cancel(resting.brokerOrderId)
        yield* place(placementOf("MANY999"))
        const found = (yield* find(...names)).map((order) => order.tag)
        assert.sameMembers(found, ["MANY7", "MANY77", "MANY999"])
      })
    )

    test(
      "lists all its orders with their tags",
      Effect.gen(function* () {
        const first = yield* place(placementOf("LISTED1"))
        const second = yield* place(placementOf("LISTED2", outOfReach))
        const { entries: all } = yield* call((broker) => broker.listAll)
        const ids = (tag: string) => all.filter(({ tags }) => tags.includes(tag)).map((entry) => entry.brokerOrderId)
        assert.deepStrictEqual([ids("LISTED1"), ids("LISTED2")], [[first.brokerOrderId], [second.brokerOrderId]])
      })
    )

    test(
      "quotes instruments with prices on the tick and a volume that only rises within the day",
      Effect.gen(function* () {
        const asked = new Set([Instrument.make("NSE:INFY"), Instrument.make("NSE:M&M")])
        const quotes = () => call((broker) => broker.quotes(asked))
        let before = yield* quotes()
        for (let step = 0; step < 5; step++) {
          yield* TestClock.adjust("17 seconds")
          const now = yield* quotes()
          assert.deepStrictEqual(
            now.map(({ instrument }) => instrument),
            [...asked]
          )
          for (const [index, { lastPrice, dayVolume }] of now.entries()) {
            assert.isTrue(BigDecimal.isPositive(lastPrice))
            assert.strictEqual(BigDecimal.scale(lastPrice, 2).value % 5n, 0n)
            assert.isAbove(dayVolume ?? 0, before[index]?.dayVolume ?? 0)
          }
          before = now
        }
        assert.deepStrictEqual(yield* call((broker) => broker.quotes(new Set())), [])
      })
    )

    test(
      "never sends a placement after its deadline",
      Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        const deadline = DateTime.subtract(yield* DateTime.now, { seconds: 1 })
        assert.strictEqual(yield* failureOf(place(placementOf("LATE", { deadline }))), "BrokerNotSent")
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* find("LATE"), [])
      })
    )
  })
}
