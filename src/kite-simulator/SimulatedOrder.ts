import type { Fault } from "./Faults.ts"
import type { Life } from "./orderLife.ts"
import type { OrderRequest } from "./OrderRequest.ts"

/** Who sent an order: the client, a person in the broker's app, or the broker itself. */
export type Sender = "client" | "person" | "broker"

export interface SimulatedOrder {
  readonly number: number
  readonly by: Sender
  readonly orderId: string
  readonly exchangeOrderId: string
  /** The tag of the placement. `request` changes with modifications. */
  readonly tag: string | null
  /** The rows show the tag only in `tags`. */
  readonly hidesTag: boolean
  /** The price in the rows, in paise: the limit, or the band of a protected market order. */
  shownPaise: number
  readonly receivedAt: number
  /** Infinity if the order is never in the order list. */
  readonly visibleAt: number
  readonly fault: Fault | null
  /** Whether the answer to the caller contained the order id. */
  readonly told: boolean
  request: OrderRequest
  /** What happens at the exchange. The ledger goes by it. */
  life: Life
  /** What the broker tells of it, in rows, trades and frames. */
  book: Life
  /** The number of looks at the order list that have shown the order as over. */
  looksWhenOver: number
  modifications: number
  /** The number of steps that the feed has announced or skipped. */
  announced: number
}

/** The protection of a market order in percent: 2 if the broker chooses. */
export const protectionPercent = (asked: number | null): number => (asked === null || asked < 0 ? 2 : asked)
