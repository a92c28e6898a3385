import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Layer, Schema } from "effect"
import { TradingHours } from "../../../src/config/TradingHours.ts"
import { Db } from "../../../src/db/Db.ts"
import { forEachVenue } from "../../../src/domain/market/Venue.ts"
import type { BrokerOrder } from "../../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, SliceId, tagOf } from "../../../src/domain/model/Ids.ts"
import { SettlementStore } from "../../../src/stores/account/SettlementStore.ts"
import { OrderCommands } from "../../../src/stores/orders/OrderCommands.ts"
import { SliceCommands } from "../../../src/stores/slices/SliceCommands.ts"
import { SliceStore } from "../../../src/stores/slices/SliceStore.ts"
import { makeFollowBroker } from "../../../src/workers/monitor/followBroker.ts"
import { makeFollowThrough } from "../../../src/workers/monitor/followThrough.ts"
import { at, brokerSays, lockRows, placeDue, splitOrder } from "../../support/replanning.ts"
import { BrokerScript, openOrder, scriptedBroker } from "../../support/scriptedBroker.ts"
import { asked, serviceLayer, sliceRows } from "../../support/service.ts"

/** Quarantine 60 s. */
const service = SliceCommands.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))
const limitOrder = { order_type: "LIMIT", limit_price: "100.0000" }
const hundred = BigDecimal.fromStringUnsafe("100")

/** A monitor at a broker with one list for the account, and what it does in one pass at a second. */
const monitor = Effect.gen(function* () {
  ;(yield* BrokerScript).listsAll = true
  const followBroker = yield* makeFollowBroker
  const followThrough = yield* makeFollowThrough
  return (second: number) => Effect.all([at(second), followBroker, followThrough], { discard: true })
})

/** Five slices of 20, the first of which is placed. */
const placeFirst = (changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* splitOrder("o1", { ...limitOrder, ...changed })
    const [first] = yield* placeDue
    return first ?? assert.fail("nothing was placed")
  })

const filled = (quantity: number, of = 20): Partial<BrokerOrder> => ({
  status: quantity === of ? "COMPLETE" : "CANCELLED",
  quantity: of,
  filledQuantity: quantity,
  averagePrice: quantity === 0 ? null : hundred,
  isExpired: false
})

const order = Effect.flatMap(Db, ({ sql, queryOne }) =>
  queryOne(
    "test.order",
    Schema.Struct({ holdReason: Schema.NullOr(Schema.String), holdReasonCode: Schema.NullOr(Schema.String) }),
    sql`SELECT hold_reason, hold_reason_code FROM orders`
  )
)

const kinds = Effect.gen(function* () {
  const now = yield* DateTime.now
  const current = yield* (yield* SettlementStore).current(DateTime.subtract(now, { days: 1 }))
  return current.map(({ kind }) => kind)
})

const firstSlice = Effect.map(sliceRows(), ([row]) => row ?? assert.fail("there is no slice"))
const resume = Effect.gen(function* () {
  yield* (yield* OrderCommands).resume("o1", asked, yield* DateTime.now)
})
const plans = Effect.map(sliceRows(), (rows) => rows.length)

const forgetOrders = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute(
    "test.empty",
    sql`TRUNCATE orders, order_plans, slice_plan, slice_queue, slice_working, slice_results, broker_differences CASCADE`
  )
  ;(yield* BrokerScript).orderList.length = 0
})

/** With trading hours: markets that close 15 minutes after the test's clock begins. */
const untilSecond900 = Layer.merge(
  service,
  Layer.succeed(
    TradingHours,
    TradingHours.fixed({
      from: "1970-01-01",
      markets: forEachVenue(() => ({
        until: "1970-01-01",
        sessions: [{ opensMillis: -3_600_000, closesMillis: 900_000 }],
        whyClosed: new Map(),
        regular: []
      }))
    })
  )
)

describe("the continuous settlement", () => {
  it.effect("puts an order on hold whose cancelled slice is filled after its quantity was carried on", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst({ carry_unfilled: true, cancel_unfilled_after_seconds: 5 })
      yield* pass(5)
      yield* brokerSays(tag, filled(0))
      yield* pass(6)
      assert.strictEqual((yield* firstSlice).brokerStatus, "CANCELLED")
      const planned = yield* plans
      assert.isAbove(planned, 5)

      yield* brokerSays(tag, filled(20))
      yield* pass(20)
      assert.deepInclude(yield* order, { holdReasonCode: "broker_differs" })
      assert.include((yield* order).holdReason, "later slices took over 20 of it")
      assert.deepStrictEqual(yield* kinds, ["filled_after_carry"])
      assert.deepStrictEqual([...(yield* placeDue)], [])
      assert.strictEqual(yield* plans, planned)
    }).pipe(Effect.provide(service))
  )

  it.effect("records a final state that changes, and says so once, whatever daemon sees it", () =>
    Effect.gen(function* () {
      const [pass, other] = [yield* monitor, yield* monitor]
      const { tag } = yield* placeFirst()
      yield* brokerSays(tag, { ...filled(4), isExpired: true })
      yield* pass(1)
      yield* brokerSays(tag, filled(20))
      yield* pass(11)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "COMPLETE", filledQuantity: 20 })
      assert.deepInclude(yield* order, { holdReasonCode: "broker_differs" })
      yield* resume
      yield* Effect.all([pass(30), other(31)])
      assert.deepInclude(yield* order, { holdReason: null })
      assert.deepStrictEqual(yield* kinds, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("answers a cancel by somebody else with a hold, and neither with a carry nor a completion", () =>
    Effect.gen(function* () {
      for (const wish of [{ carry_unfilled: true }, { completion: "CROSS" }]) {
        const pass = yield* monitor
        const { tag } = yield* placeFirst(wish)
        yield* brokerSays(tag, filled(6))
        yield* pass(2)
        yield* pass(200)
        assert.include((yield* order).holdReason, "somebody else has cancelled it, with 6 of 20 filled")
        assert.deepInclude(yield* firstSlice, { brokerStatus: "CANCELLED", filledQuantity: 6 })
        assert.strictEqual(yield* plans, 5)
        assert.deepStrictEqual(yield* kinds, ["cancelled_at_broker"])
        yield* forgetOrders
      }
    }).pipe(Effect.provide(service))
  )

  it.effect("writes no state with which people were told of a difference, if the database has forgotten that", () =>
    Effect.gen(function* () {
      const { tag } = yield* placeFirst()
      yield* brokerSays(tag, filled(0))
      const [state] = (yield* BrokerScript).orderList
      assert.isDefined(state)
      const now = yield* DateTime.now
      const settlement = yield* SettlementStore
      const [open] = yield* (yield* SliceStore).open(null, 1, now)
      const [slice] = yield* settlement.slices([tag])
      if (open === undefined || slice === undefined) return assert.fail("the slice is not open")
      const noted = "cancelled_at_broker" as const
      const save = Effect.flatMap(SliceStore, (store) => store.saveBrokerStates([{ slice: open, state, noted }], now))
      const repair = settlement.repair([{ slice, order: state, noted }], asked, now)

      yield* save
      assert.strictEqual(yield* repair, 0)
      assert.strictEqual((yield* firstSlice).brokerStatus, null)

      const { id: sliceId, orderId } = slice
      const row = { tag, kind: noted, facts: "", orderId, sliceId, brokerOrderIds: [], words: "told" }
      yield* settlement.note([{ ...row, isCritical: true, isHeld: true }], now, Effect.void)
      yield* save
      assert.strictEqual((yield* firstSlice).brokerStatus, "CANCELLED")
    }).pipe(Effect.provide(service))
  )

  it.effect(
    "takes the broker's cancel of MIS at its square-off for no one's, and that of another product for somebody's",
    () =>
      Effect.gen(function* () {
        const pass = yield* monitor
        for (const [product, held] of [
          ["MIS", null],
          ["CNC", "broker_differs"]
        ] as const) {
          const { tag } = yield* placeFirst({ product_type: product })
          yield* brokerSays(tag, filled(6))
          yield* pass(400)
          assert.deepInclude(yield* firstSlice, { brokerStatus: "CANCELLED", filledQuantity: 6 })
          assert.deepInclude(yield* order, { holdReasonCode: held })
          yield* forgetOrders
        }
      }).pipe(Effect.provide(untilSecond900))
  )

  it.effect("puts an order on hold whose quantity somebody has changed, and records what was filled", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst()
      yield* brokerSays(tag, filled(25, 25))
      yield* pass(2)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "COMPLETE", filledQuantity: 25 })
      assert.include((yield* order).holdReason, "25 filled of 20")
      assert.deepStrictEqual(yield* kinds, ["overfilled"])
    }).pipe(Effect.provide(service))
  )

  it.effect("alarms when an acknowledged order is not listed after the quarantine, until it is", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst()
      const { orderList } = yield* BrokerScript
      const listed = orderList.splice(0)
      yield* pass(59)
      assert.deepInclude(yield* order, { holdReason: null })
      yield* pass(61)
      assert.include((yield* order).holdReason, "is not in the order list")
      assert.deepStrictEqual(yield* kinds, ["absent"])

      orderList.push(...listed)
      yield* brokerSays(tag, { quantity: 20 })
      yield* pass(70)
      yield* resume
      assert.deepStrictEqual(yield* kinds, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("tells of a cancel by somebody else also after the quantity was changed and the order resumed", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst({ carry_unfilled: true, duration_minutes: 10 })
      yield* brokerSays(tag, { quantity: 15 })
      yield* pass(1)
      assert.include((yield* order).holdReason, "from 20 to 15")
      yield* at(5)
      yield* resume
      yield* brokerSays(tag, { ...filled(0), quantity: 15 })
      yield* pass(10)
      assert.include((yield* order).holdReason, "somebody else has cancelled it")
      assert.strictEqual(yield* plans, 5)
    }).pipe(Effect.provide(service))
  )

  it.effect("tells of a quantity that is changed a second time to what it was changed to before", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst({ duration_minutes: 10 })
      for (const second of [1, 20]) {
        yield* brokerSays(tag, { quantity: 25 })
        yield* pass(second)
        assert.deepInclude(yield* order, { holdReasonCode: "broker_differs" })
        yield* brokerSays(tag, { quantity: 20 })
        yield* pass(second + 5)
        yield* resume
        yield* pass(second + 10)
        assert.deepInclude(yield* order, { holdReason: null })
      }
    }).pipe(Effect.provide(service))
  )

  it.effect("does not take one old list for the absence of an order that was listed", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      yield* placeFirst({ duration_minutes: 10 })
      const { orderList } = yield* BrokerScript
      yield* pass(1)
      const listed = orderList.splice(0)
      yield* pass(70)
      assert.deepInclude(yield* order, { holdReason: null })
      orderList.push(...listed)
      yield* pass(75)
      orderList.length = 0
      yield* pass(80)
      yield* pass(141)
      assert.include((yield* order).holdReason, "is not in the order list")
    }).pipe(Effect.provide(service))
  )

  it.effect("waits for nobody who has the order locked, and writes no state that nobody was told of", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst()
      yield* brokerSays(tag, filled(6))
      const { sql } = yield* Db
      const unlock = yield* lockRows([sql`SELECT FROM orders WHERE id = 'o1' FOR UPDATE`])
      yield* pass(1)
      assert.deepInclude(yield* firstSlice, { brokerStatus: null })
      yield* unlock
      yield* pass(2)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "CANCELLED" })
      assert.deepInclude(yield* order, { holdReasonCode: "broker_differs" })
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves the hold of a double placement as it is", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst()
      const { orderList } = yield* BrokerScript
      orderList.push(openOrder(tag, 50))
      yield* pass(1)
      assert.deepInclude(yield* order, { holdReasonCode: "double_placement" })
      yield* at(15)
      const [, second] = yield* sliceRows()
      orderList.push({ ...openOrder(tagOf(SliceId.make(second?.id ?? "")), 60), quantity: 99 })
      yield* pass(16)
      assert.deepInclude(yield* order, { holdReasonCode: "double_placement" })
      assert.include(yield* kinds, "quantity_changed")
    }).pipe(Effect.provide(service))
  )

  it.effect("lets a person end what the order list leaves open, and nothing else", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      yield* placeFirst()
      const { id, brokerOrderId } = yield* firstSlice
      const found = {
        brokerOrderId: BrokerOrderId.make(brokerOrderId ?? ""),
        fill: { quantity: 7, price: BigDecimal.make(100n, 0) }
      }
      const { placed } = yield* SliceCommands
      assert.isFalse(yield* placed(id, found, asked, yield* DateTime.now))
      ;(yield* BrokerScript).orderList.length = 0
      yield* pass(61)
      assert.isTrue(yield* placed(id, found, asked, yield* DateTime.now))
      yield* pass(130)
      yield* resume
      yield* pass(140)
      assert.deepStrictEqual(yield* kinds, [])
      assert.deepInclude(yield* firstSlice, { brokerStatus: "CANCELLED", filledQuantity: 7 })
    }).pipe(Effect.provide(service))
  )

  it.effect("does not believe a complete order with nothing filled, and tells of it when it stays", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst({ carry_unfilled: true })
      yield* brokerSays(tag, { status: "COMPLETE", quantity: 20 })
      yield* pass(1)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "UNRECOGNISED", filledQuantity: 0 })
      yield* pass(40)
      assert.deepStrictEqual(yield* kinds, [])
      yield* pass(62)
      assert.deepStrictEqual(yield* kinds, ["contradictory"])
      yield* brokerSays(tag, filled(20))
      yield* pass(70)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "COMPLETE", filledQuantity: 20 })
      assert.deepStrictEqual([yield* kinds, (yield* order).holdReason], [[], null])
    }).pipe(Effect.provide(service))
  )

  it.effect("takes a cancelled order at its word when its price never comes", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst({
        cancel_unfilled_after_seconds: 5,
        carry_unfilled: true,
        duration_minutes: 10
      })
      yield* pass(5)
      yield* brokerSays(tag, { ...filled(6), averagePrice: null })
      yield* pass(6)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "PARTIALLY_FILLED", filledQuantity: 6 })
      yield* pass(67)
      assert.deepInclude(yield* firstSlice, { brokerStatus: "CANCELLED", filledQuantity: 6 })
      assert.isAbove(yield* plans, 5)
      assert.deepStrictEqual(yield* kinds, ["price_unknown"])
      yield* brokerSays(tag, filled(6))
      yield* pass(130)
      assert.deepStrictEqual(yield* kinds, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("tells of an order with a tag of ours that no slice has, and adopts one that a slice has", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      yield* placeFirst()
      const { orderList } = yield* BrokerScript
      const [, second] = yield* sliceRows()
      const unsent = second ?? assert.fail("there is no second slice")
      orderList.push(openOrder(tagOf(SliceId.make("nobody's")), 70), openOrder(tagOf(SliceId.make(unsent.id)), 71))
      yield* pass(2)
      assert.deepStrictEqual(yield* kinds, ["unknown_order"])
      assert.deepInclude(yield* order, { holdReason: null })
      assert.deepInclude((yield* sliceRows())[1], { stage: "PROCESSED", brokerOrderId: "b71" })
    }).pipe(Effect.provide(service))
  )

  it.effect("takes no refused order for a placement, and no order twice", () =>
    Effect.gen(function* () {
      const pass = yield* monitor
      const { tag } = yield* placeFirst()
      const { orderList } = yield* BrokerScript
      const [placed] = orderList
      orderList.unshift({ ...openOrder(tag, 90), status: "REJECTED" })
      orderList.push(placed ?? assert.fail("nothing is listed"))
      yield* pass(2)
      assert.deepStrictEqual([yield* kinds, (yield* order).holdReason], [[], null])
      assert.deepInclude(yield* firstSlice, { brokerStatus: "OPEN" })
    }).pipe(Effect.provide(service))
  )
})
