import { Struct } from "effect"
import { indianTimestamp } from "./kiteTime.ts"
import { tokenOf } from "./listedInstruments.ts"
import { isFinal, type LifeStep, stateAt, tradesUntil } from "./orderLife.ts"
import { type SimulatedOrder, protectionPercent } from "./SimulatedOrder.ts"

const account = "SIM001"

/** A row of GET /orders. */
export const orderRow = (order: SimulatedOrder, nowMillis: number) => {
  const { request, book } = order
  const state = stateAt(book, nowMillis)
  const { status, filled, quantity, message } = state ?? {
    status: "PUT ORDER REQ RECEIVED",
    filled: 0,
    quantity: request.quantity,
    message: null
  }
  const isOver = isFinal(status)
  const openedAt = book.steps.find((step) => step.at <= nowMillis && reachedExchange(step))?.at ?? null
  const isMarket = isMarketOrder(order)
  return {
    placed_by: account,
    account_id: account,
    order_id: order.orderId,
    exchange_order_id: openedAt === null ? null : order.exchangeOrderId,
    parent_order_id: null,
    status,
    status_message: message,
    status_message_raw: message,
    order_timestamp: indianTimestamp(order.visibleAt),
    exchange_update_timestamp: openedAt === null ? null : indianTimestamp(state?.at ?? openedAt),
    exchange_timestamp: openedAt === null ? null : indianTimestamp(openedAt),
    variety: request.variety,
    modified: order.modifications > 0 || quantity !== request.quantity,
    exchange: request.exchange,
    tradingsymbol: request.tradingsymbol,
    instrument_token: tokenOf(request.instrument),
    order_type: isMarket ? "LIMIT" : request.orderType,
    transaction_type: request.side,
    validity: request.validity,
    validity_ttl: request.ttlMinutes ?? 0,
    product: request.product,
    quantity,
    disclosed_quantity: request.disclosedQuantity,
    algo_id: request.algoId,
    price: order.shownPaise / 100,
    trigger_price: (request.triggerPaise ?? 0) / 100,
    average_price: status === "COMPLETE" && filled > 0 ? averagePrice(order, nowMillis) : 0,
    filled_quantity: filled,
    pending_quantity: isOver ? 0 : quantity - filled,
    cancelled_quantity: status === "CANCELLED" ? quantity - filled : 0,
    market_protection: request.marketProtection ?? 0,
    meta: {},
    tag: order.hidesTag ? null : order.tag,
    tags: tagsOf(order),
    guid: `${order.number}Xsim${order.orderId.slice(-6)}`
  }
}

/** The row of an order at the start of a step that the broker tells of. */
export const stepRow = (order: SimulatedOrder, index: number) => {
  const steps = order.book.steps.slice(0, index + 1)
  return orderRow({ ...order, book: { ...order.book, steps } }, steps.at(-1)?.at ?? order.visibleAt)
}

/** The rows of GET /orders/:id: one for each step, with fewer fields. */
export const historyRows = (order: SimulatedOrder, nowMillis: number) =>
  order.book.steps
    .filter(({ at }) => at <= nowMillis)
    .map(({ at }, index) => {
      const row = stepRow(order, index)
      const fewer = Struct.omit(row, ["placed_by", "guid", "modified", "parent_order_id", "market_protection", "meta"])
      return { ...fewer, order_timestamp: indianTimestamp(at) }
    })

/** The rows of GET /orders/:id/trades. */
export const tradeRows = (order: SimulatedOrder, nowMillis: number) =>
  tradesUntil(order.book, nowMillis).map(({ at, quantity, paise }, index) => ({
    trade_id: `${10_000_000 + order.number * 100 + index}`,
    order_id: order.orderId,
    exchange: order.request.exchange,
    tradingsymbol: order.request.tradingsymbol,
    instrument_token: tokenOf(order.request.instrument),
    product: order.request.product,
    average_price: paise / 100,
    quantity,
    exchange_order_id: order.exchangeOrderId,
    transaction_type: order.request.side,
    fill_timestamp: indianTimestamp(at),
    order_timestamp: indianTimestamp(order.visibleAt).slice(11),
    exchange_timestamp: indianTimestamp(at)
  }))

/** The true average, in rupees, with at most four decimals; 0 if nothing is filled. */
export const averagePrice = (order: SimulatedOrder, nowMillis: number): number => {
  const trades = tradesUntil(order.life, nowMillis)
  const quantity = trades.reduce((sum, trade) => sum + trade.quantity, 0)
  const paise = trades.reduce((sum, trade) => sum + trade.quantity * trade.paise, 0)
  return quantity === 0 ? 0 : Math.round((paise * 100) / quantity) / 10_000
}

const reachedExchange = ({ status }: LifeStep): boolean =>
  status === "OPEN" || status === "TRIGGER PENDING" || status === "COMPLETE"

const isMarketOrder = ({ request: { orderType } }: SimulatedOrder): boolean =>
  orderType === "MARKET" || orderType === "SL-M"

/** The caller's tag, and Kite's marks of a protected market order. */
const tagsOf = (order: SimulatedOrder): ReadonlyArray<string> => [
  ...(order.tag === null ? [] : [order.tag]),
  ...(isMarketOrder(order) ? ["mktp", `mktp:${protectionPercent(order.request.marketProtection).toFixed(2)}`] : [])
]
