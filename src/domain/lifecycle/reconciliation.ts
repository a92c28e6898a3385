import { Duration, Order } from "effect"
import type { BrokerOrder } from "../model/BrokerOrder.ts"
import type { NextStage, UnresolvedSlice } from "../model/OrderSlice.ts"
import { windowOver } from "./placement.ts"

/** Brokers number their orders in the order of their arrival. */
const earliestFirst = Order.mapInput(
  Order.Tuple([Order.Number, Order.String]),
  ({ brokerOrderId }: BrokerOrder) => [brokerOrderId.length, brokerOrderId] as const
)

export type Reconciliation =
  | { readonly _tag: "Resolved"; readonly next: NextStage }
  | { readonly _tag: "Wait" }
  /** The book no longer shows the time at which it may have been placed: only a person can tell. */
  | { readonly _tag: "Unprovable" }

/** What a look-up in the broker's book showed of a slice, in milliseconds since 1970. */
export interface LookUp {
  readonly found: ReadonlyArray<BrokerOrder>
  /** When it began: an order that reached the book after that would not be in the answer. */
  readonly askedMillis: number
  /** The book is complete since then. */
  readonly orderListSinceMillis: number
}

/**
 * What the broker's book says about a slice whose outcome is unknown. Only when the whole quarantine lay before the
 * look-up, and the book goes back to before the request, does "not in the book" mean "not placed".
 */
export const reconcile = (
  slice: UnresolvedSlice,
  { found, askedMillis, orderListSinceMillis }: LookUp,
  limits: { readonly quarantine: Duration.Duration; readonly maxAttempts: number }
): Reconciliation => {
  // Several are an alarm of their own; the slice is placed in any case.
  const [first] = found.toSorted(earliestFirst)
  if (first !== undefined) {
    return { _tag: "Resolved", next: { _tag: "Processed", brokerOrderId: first.brokerOrderId, found: first } }
  }
  if (askedMillis < slice.lastSentMillis + Duration.toMillis(limits.quarantine)) return { _tag: "Wait" }
  if (slice.firstSentMillis < orderListSinceMillis) return { _tag: "Unprovable" }
  if (askedMillis > slice.notAfterMillis)
    return { _tag: "Resolved", next: { _tag: "Skipped", code: "window_over", reason: windowOver } }
  if (slice.attempts >= limits.maxAttempts) {
    return {
      _tag: "Resolved",
      next: {
        _tag: "Failed",
        code: "attempts_exhausted",
        reason: `gave up after ${slice.attempts} attempts; the broker has no order for it`
      }
    }
  }
  return {
    _tag: "Resolved",
    next: {
      _tag: "Rescheduled",
      code: "not_placed",
      reason: "the broker has no order for it: not placed",
      notBefore: null
    }
  }
}
