import type { Fault } from "./Faults.ts"
import type { Life } from "./orderLife.ts"
import type { OrderRequest } from "./OrderRequest.ts"

export interface SimulatedOrder {
  readonly number: number
  readonly orderId: string
  readonly exchangeOrderId: string
  /** The tag of the placement. `request` changes with modifications. */
  readonly tag: string | null
  /** The rows show the tag only in `tags`. */
  readonly hidesTag: boolean
  /** The price in the rows, in paise: the limit, or the band of a protected market order. */
  shownPaise: number
  readonly receivedAt: number
  readonly visibleAt: number
  readonly fault: Fault | null
  /** Whether the answer to the caller contained the order id. */
  readonly told: boolean
  request: OrderRequest
  life: Life
  modifications: number
  /** The number of steps that the feed has announced or skipped. */
  announced: number
}

/** The protection of a market order in percent: 2 if the broker chooses. */
export const protectionPercent = (asked: number | null): number => (asked === null || asked < 0 ? 2 : asked)
