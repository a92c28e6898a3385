import { BigDecimal, DateTime, Duration, Effect, Layer, Option } from "effect"
import type { DbError } from "../../db/DbError.ts"
import { BrokerOutcomeUnknown, BrokerRefused, BrokerTryLater } from "../../domain/model/BrokerError.ts"
import { type BrokerOrder, type BrokerStatus, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { BrokerOrderId } from "../../domain/model/Ids.ts"
import type { Instrument } from "../../domain/model/Order.ts"
import { seededRandom } from "../../domain/planning/schedule/SeededRandom.ts"
import { Broker, type Placement } from "../Broker.ts"
import { checkDeadline } from "../deadline.ts"
import { orderListSince } from "../orderListSince.ts"
import { Instruction } from "./Instruction.ts"
import { type SimulatedOrder, MockOrderList } from "./MockOrderList.ts"
import { partOf } from "./partOf.ts"
import { simulatedDayVolume } from "./simulatedDayVolume.ts"
import { simulatedLastPrice, simulatedPrice } from "./simulatedPrice.ts"

export interface ExchangeOptions {
  /** Decides ids, prices and the size of partial fills, together with each order's tag. */
  readonly seed: string
  /** From an order's arrival to its fill; the order is PENDING for the first quarter. */
  readonly fillDelay: Duration.Duration
  readonly quarantine: Duration.Duration
  /** The lot of an instrument, of which whole ones are taken and filled; 1 for any quantity. */
  readonly lotOf: (instrument: Instrument) => number
}

/** How long an order for the day rests: the exchange never closes. */
const restsFor = Duration.days(1)
const lookupRetry = Duration.seconds(1)

/**
 * The simulated exchange, the lowest layer of the mock broker: it answers at once and is never down. It decides everything
 * about an order on arrival and stores that in the MockOrderList; nothing runs in the background.
 */
export const simulatedExchange = (options: ExchangeOptions): Layer.Layer<Broker, never, MockOrderList> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const orderList = yield* MockOrderList

      const place = Effect.fnUntraced(function* (placement: Placement) {
        const placedAt = yield* checkDeadline(placement.deadline)
        const instruction = yield* Instruction
        const refusal = instruction.refusal ?? problemWith(placement, options.lotOf(placement.instrument))
        if (refusal !== null) return yield* new BrokerRefused(refusal)
        // The id depends on the tag and the index: a taken id means an earlier order with the same tag.
        for (let index = 0; ; index++) {
          const order = simulatedOrder(placement, instruction, options, placedAt, index)
          if (yield* Effect.mapError(orderList.insert(order), unknown)) return { brokerOrderId: order.brokerOrderId }
        }
      })

      const cancel = Effect.fnUntraced(function* (brokerOrderId: BrokerOrderId) {
        const found = yield* Effect.catchTag(orderList.get(brokerOrderId), "DbError", tryLater)
        const now = yield* DateTime.now
        const order = Option.filter(found, (order) => isVisible(order, now))
        if (Option.isNone(order)) {
          return yield* new BrokerRefused({ code: "OrderException", message: `There is no order ${brokerOrderId}.` })
        }
        const { status } = stateAt(order.value, now)
        if (isTerminal(status) || !(yield* Effect.mapError(orderList.cancel(brokerOrderId, now), unknown))) {
          return yield* new BrokerRefused({
            code: "OrderException",
            message: `Order ${brokerOrderId} cannot be cancelled: it is ${isTerminal(status) ? status : "CANCELLED"}.`
          })
        }
      })

      return Broker.of({
        name: "mock",
        quarantine: options.quarantine,
        listsAll: false,
        orderListSince: orderListSince.mock,
        place,
        findByTag: Effect.fnUntraced(function* (tags) {
          const orders = yield* Effect.catchTag(orderList.findByTag(tags), "DbError", tryLater)
          const now = yield* DateTime.now
          return {
            orders: orders.filter((order) => isVisible(order, now)).map((order) => stateAt(order, now)),
            unreadable: []
          }
        }),
        listAll: Effect.gen(function* () {
          const orders = yield* Effect.catchTag(orderList.all, "DbError", tryLater)
          const now = yield* DateTime.now
          const entries = orders
            .filter((order) => isVisible(order, now))
            .map(({ brokerOrderId, tag }) => ({ brokerOrderId, tags: [tag] }))
          return { entries, unreadable: [] }
        }),
        quotes: (instruments) =>
          Effect.map(DateTime.now, (now) =>
            [...instruments].map((instrument) => ({
              instrument,
              lastPrice: simulatedLastPrice(options.seed, instrument, DateTime.toEpochMillis(now)),
              dayVolume: simulatedDayVolume(options.seed, instrument, DateTime.toEpochMillis(now))
            }))
          ),
        cancel,
        changed: Effect.never
      })
    })
  )

const isVisible = (order: SimulatedOrder, now: DateTime.Utc): boolean =>
  DateTime.isLessThanOrEqualTo(order.visibleAt, now)

/**
 * The state of an order at `now`. A cancel ends it with what was filled by then, and applies even if the reader's clock is
 * before the cancel, because replicas' clocks differ a little.
 */
export const stateAt = (order: SimulatedOrder, now: DateTime.Utc): BrokerOrder => {
  const endOfDay = DateTime.addDuration(order.visibleAt, restsFor)
  const hasEnded = order.cancelledAt !== null || DateTime.isGreaterThanOrEqualTo(now, endOfDay)
  const state = undisturbedState(order, order.cancelledAt ?? DateTime.min(now, endOfDay))
  if (!hasEnded || isTerminal(state.status)) return state
  return { ...state, status: "CANCELLED", statusText: "CANCELLED", isExpired: order.cancelledAt === null }
}

/** The state at `now` of an order without a cancel. */
const undisturbedState = (order: SimulatedOrder, now: DateTime.Utc): BrokerOrder => {
  const isSettled = DateTime.isGreaterThanOrEqualTo(now, order.finishesAt)
  const isFilled = isSettled && order.rejection === null && order.fillQuantity > 0
  const [status, statusText] = statusOf(order, now, isSettled)
  return {
    brokerOrderId: order.brokerOrderId,
    tag: order.tag,
    status,
    statusText,
    quantity: order.quantity,
    filledQuantity: isFilled ? order.fillQuantity : 0,
    averagePrice: isFilled ? order.fillPrice : null
  }
}

/** The status, and Kite's words for it. */
const statusOf = (order: SimulatedOrder, now: DateTime.Utc, isSettled: boolean): readonly [BrokerStatus, string] => {
  if (!isSettled) {
    return DateTime.isLessThan(now, order.opensAt) ? ["PENDING", "PUT ORDER REQ RECEIVED"] : ["OPEN", "OPEN"]
  }
  if (order.rejection !== null) return ["REJECTED", `REJECTED: ${order.rejection}`]
  if (order.fillQuantity === order.quantity) return ["COMPLETE", "COMPLETE"]
  if (order.validity === "IOC") return ["CANCELLED", "CANCELLED"]
  return [order.fillQuantity > 0 ? "PARTIALLY_FILLED" : "OPEN", "OPEN"]
}

/** Everything that the exchange decides about a new order. `index` counts the earlier orders with the same tag. */
const simulatedOrder = (
  placement: Placement,
  instruction: Instruction,
  options: ExchangeOptions,
  placedAt: DateTime.Utc,
  index: number
): SimulatedOrder => {
  const random = seededRandom(`${options.seed}\n${placement.tag}\n${index}`)
  const brokerOrderId = BrokerOrderId.make(`1${nineDigits(random())}${nineDigits(random())}`)
  const after = (delay: Duration.Duration) =>
    DateTime.mapEpochMillis(placedAt, (millis) => Math.ceil(millis + Duration.toMillis(delay)))
  const { arrivesAfter, fill, rejection } = instruction
  const visibleAt = after(arrivesAfter)
  const price = simulatedPrice(options.seed, placement.instrument, placement.side, DateTime.toEpochMillis(visibleAt))
  const fillable =
    fill === "whole" ? placement.quantity : partOf(placement.quantity, options.lotOf(placement.instrument), random())
  const fillQuantity = rejection === null && isMarketable(placement, price) ? fillable : 0
  return {
    brokerOrderId,
    tag: placement.tag,
    instrument: placement.instrument,
    side: placement.side,
    orderType: placement.orderType,
    limitPrice: placement.limitPrice,
    productType: placement.productType,
    validity: placement.validity,
    quantity: placement.quantity,
    placedAt,
    visibleAt,
    opensAt: after(Duration.sum(arrivesAfter, Duration.times(options.fillDelay, 0.25))),
    finishesAt: after(Duration.sum(arrivesAfter, options.fillDelay)),
    fillQuantity,
    fillPrice: fillQuantity > 0 ? price : null,
    rejection,
    cancelledAt: null
  }
}

/** A leading 1 and twice nine digits make an id of 19 digits, as long as Kite's. */
const nineDigits = (uniform: number): string => `${Math.floor(uniform * 1e9)}`.padStart(9, "0")

const isMarketable = (placement: Placement, price: BigDecimal.BigDecimal): boolean => {
  if (placement.limitPrice === null) return true
  return placement.side === "BUY"
    ? BigDecimal.isGreaterThanOrEqualTo(placement.limitPrice, price)
    : BigDecimal.isLessThanOrEqualTo(placement.limitPrice, price)
}

const problemWith = (placement: Placement, lot: number): { readonly code: string; readonly message: string } | null => {
  if (!Number.isInteger(placement.quantity) || placement.quantity < 1) {
    return { code: "InputException", message: `Invalid quantity: ${placement.quantity}.` }
  }
  if (placement.quantity % lot !== 0) {
    return {
      code: "InputException",
      message: `Quantity should be a multiple of ${lot}, the lot of ${placement.instrument}.`
    }
  }
  if ((placement.orderType === "LIMIT") !== (placement.limitPrice !== null)) {
    return { code: "InputException", message: "A LIMIT order needs a price, and a MARKET order must not have one." }
  }
  return null
}

/** A write whose answer is an error may have been committed. */
const unknown = (error: DbError) =>
  new BrokerOutcomeUnknown({ code: "book", message: `The mock broker's order list: ${error.message}` })

const tryLater = (error: DbError) =>
  Effect.flatMap(DateTime.now, (now) =>
    Effect.fail(
      new BrokerTryLater({
        code: "book",
        message: `The mock broker's order list: ${error.message}`,
        retryAt: DateTime.addDuration(now, lookupRetry)
      })
    )
  )
