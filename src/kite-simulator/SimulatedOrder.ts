import type { Fault } from "./Faults.ts"
import type { Life } from "./orderLife.ts"
import type { OrderRequest } from "./OrderRequest.ts"

export interface SimulatedOrder {
  readonly number: number
  readonly orderId: string
  readonly exchangeOrderId: string
  /** As it was placed; `request` is as it was modified. */
  readonly tag: string | null
  /** The tag is in `tags` only. */
  readonly hidesTag: boolean
  /** What the row gives as the price, in paise: the limit, or a protected market order's band. */
  shownPaise: number
  readonly receivedAt: number
  readonly visibleAt: number
  readonly fault: Fault | null
  /** The caller was told of it. */
  readonly told: boolean
  request: OrderRequest
  life: Life
  modifications: number
  /** How many steps the feed has dealt with. */
  announced: number
}

/** The percentage of a market order's protection; the broker chooses two. */
export const protectionPercent = (asked: number | null): number => (asked === null || asked < 0 ? 2 : asked)
