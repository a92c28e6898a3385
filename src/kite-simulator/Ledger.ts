import type { FaultKind, Faults } from "./Faults.ts"
import type { Limits } from "./Limits.ts"
import { stateAt } from "./orderLife.ts"
import type { OrderList } from "./OrderList.ts"
import type { Sender } from "./SimulatedOrder.ts"
import { averagePrice } from "./wire.ts"

/**
 * - `accepted`: an order request was carried out, and the answer says so.
 * - `answered`: any other request was answered.
 * - `refused`, `limited`: not carried out, and the answer says so.
 * - `lost_taken`, `lost_not_taken`: carried out or not, and the answer does not say which.
 */
export type RequestOutcome = "accepted" | "answered" | "refused" | "limited" | "lost_taken" | "lost_not_taken"

export interface RequestRecord {
  /** Milliseconds since 1970 on the simulator's clock. */
  readonly at: number
  readonly method: string
  readonly path: string
  readonly outcome: RequestOutcome
  readonly tag: string | null
  readonly orderId: string | null
  /** The HTTP status sent; null if the connection was dropped or left silent. */
  readonly status: number | null
  readonly fault: FaultKind | null
  /** Whether it counts towards the order limits. */
  readonly counted: boolean
}

export interface LedgerOrderRecord {
  readonly orderId: string
  readonly by: Sender
  readonly tag: string | null
  readonly receivedAt: number
  /** Null if the order is never in the order list. */
  readonly visibleAt: number | null
  /** The true status now, whatever the order list tells; null while the order is not in the order list. */
  readonly status: string | null
  readonly exchange: string
  readonly tradingsymbol: string
  readonly transactionType: string
  readonly orderType: string
  readonly product: string
  readonly validity: string
  readonly quantity: number
  readonly filledQuantity: number
  /** In rupees; 0 if nothing is filled. */
  readonly averagePrice: number
  readonly fault: FaultKind | null
  /** Whether the answer to the caller contained the order id. */
  readonly told: boolean
  readonly modifications: number
}

export interface Ledger {
  readonly requests: ReadonlyArray<RequestRecord>
  readonly orders: ReadonlyArray<LedgerOrderRecord>
}

export interface Summary {
  readonly orders: number
  /** The number of different tags of the client's orders. */
  readonly tags: number
  /** The tags with which the client placed more than one order. */
  readonly tagsWithTwoOrders: ReadonlyArray<string>
  readonly requests: { readonly [K in RequestOutcome]?: number }
  readonly faults: { readonly [K in FaultKind]?: number }
  /** The maximum number of order requests in a calendar second, minute and Indian day, refused ones included. */
  readonly maxInOneSecond: number
  readonly maxInOneMinute: number
  readonly maxInOneDay: number
  /** The number of requests beyond a limit; the injected fault `rate_limited` is not counted. */
  readonly overLimit: number
}

export const ordersOf = (orderList: OrderList, nowMillis: number): ReadonlyArray<LedgerOrderRecord> =>
  orderList.orders.map((order) => {
    const state = stateAt(order.life, nowMillis)
    return {
      orderId: order.orderId,
      by: order.by,
      tag: order.tag,
      receivedAt: order.receivedAt,
      visibleAt: Number.isFinite(order.visibleAt) ? order.visibleAt : null,
      status: state?.status ?? null,
      exchange: order.request.exchange,
      tradingsymbol: order.request.tradingsymbol,
      transactionType: order.request.side,
      orderType: order.request.orderType,
      product: order.request.product,
      validity: order.request.validity,
      quantity: state?.quantity ?? order.request.quantity,
      filledQuantity: state?.filled ?? 0,
      averagePrice: averagePrice(order, nowMillis),
      fault: order.fault?.kind ?? null,
      told: order.told,
      modifications: order.modifications
    }
  })

export const summaryOf = (
  requests: ReadonlyArray<RequestRecord>,
  orderList: OrderList,
  faults: Faults,
  limits: Limits
): Summary => {
  const perTag = new Map<string, number>()
  for (const { tag, by } of orderList.orders) {
    if (tag !== null && by === "client") perTag.set(tag, (perTag.get(tag) ?? 0) + 1)
  }
  const perOutcome: { -readonly [K in RequestOutcome]?: number } = {}
  for (const { outcome } of requests) perOutcome[outcome] = (perOutcome[outcome] ?? 0) + 1
  return {
    orders: orderList.orders.length,
    tags: perTag.size,
    tagsWithTwoOrders: [...perTag].filter(([, count]) => count > 1).map(([tag]) => tag),
    requests: perOutcome,
    faults: faults.injected,
    ...limits.summary
  }
}
