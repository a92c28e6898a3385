import type { FaultKind, Faults } from "./Faults.ts"
import type { Limits } from "./Limits.ts"
import { stateAt } from "./orderLife.ts"
import type { OrderList } from "./OrderList.ts"
import { averagePrice } from "./wire.ts"

/**
 * - `accepted`: an order request was carried out and the caller told.
 * - `answered`: the same of any other request.
 * - `refused`, `limited`: clearly not carried out, and the caller told.
 * - `lost_taken`, `lost_not_taken`: the caller cannot know what became of it.
 */
export type RequestOutcome = "accepted" | "answered" | "refused" | "limited" | "lost_taken" | "lost_not_taken"

export interface RequestRecord {
  /** Epoch milliseconds on the simulator's clock. */
  readonly at: number
  readonly method: string
  readonly path: string
  readonly outcome: RequestOutcome
  readonly tag: string | null
  readonly orderId: string | null
  /** What was sent; null when the connection was dropped or left silent. */
  readonly status: number | null
  readonly fault: FaultKind | null
  /** It counts towards the limits. */
  readonly counted: boolean
}

export interface LedgerOrderRecord {
  readonly orderId: string
  readonly tag: string | null
  readonly receivedAt: number
  readonly visibleAt: number
  /** As of now; null while it is not in the book. */
  readonly status: string | null
  readonly exchange: string
  readonly tradingsymbol: string
  readonly transactionType: string
  readonly orderType: string
  readonly product: string
  readonly validity: string
  readonly quantity: number
  readonly filledQuantity: number
  /** In rupees; 0 when nothing is filled. */
  readonly averagePrice: number
  readonly fault: FaultKind | null
  /** Whether the caller was told of it. */
  readonly told: boolean
  readonly modifications: number
}

export interface Ledger {
  readonly requests: ReadonlyArray<RequestRecord>
  readonly orders: ReadonlyArray<LedgerOrderRecord>
}

export interface Summary {
  readonly orders: number
  /** How many different tags the orders have. */
  readonly tags: number
  readonly tagsWithTwoOrders: ReadonlyArray<string>
  readonly requests: { readonly [K in RequestOutcome]?: number }
  readonly faults: { readonly [K in FaultKind]?: number }
  /** The most order requests in any calendar second, minute and Indian day; refused ones count too. */
  readonly maxInOneSecond: number
  readonly maxInOneMinute: number
  readonly maxInOneDay: number
  /** How many requests really were too many, in contrast to the injected `rate_limited`. */
  readonly overLimit: number
}

export const ordersOf = (orderList: OrderList, nowMillis: number): ReadonlyArray<LedgerOrderRecord> =>
  orderList.orders.map((order) => {
    const state = stateAt(order.life, nowMillis)
    return {
      orderId: order.orderId,
      tag: order.tag,
      receivedAt: order.receivedAt,
      visibleAt: order.visibleAt,
      status: state?.status ?? null,
      exchange: order.request.exchange,
      tradingsymbol: order.request.tradingsymbol,
      transactionType: order.request.side,
      orderType: order.request.orderType,
      product: order.request.product,
      validity: order.request.validity,
      quantity: order.request.quantity,
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
  for (const { tag } of orderList.orders) if (tag !== null) perTag.set(tag, (perTag.get(tag) ?? 0) + 1)
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
