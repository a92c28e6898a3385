import { DateTime, Duration, Order } from "effect"
import type { BrokerOrder, UnreadableOrder } from "../model/BrokerOrder.ts"
import type { NextStage, UnresolvedSlice } from "../model/OrderSlice.ts"
import { isWindowOver } from "../model/sliceState.ts"
import { windowOver } from "./placement.ts"
import { placementsAmong } from "./settlement.ts"

/** Broker order ids grow with the arrival of orders. */
const earliestFirst = Order.mapInput(
  Order.Tuple([Order.Number, Order.String]),
  ({ brokerOrderId }: BrokerOrder) => [brokerOrderId.length, brokerOrderId] as const
)

export type Reconciliation =
  | { readonly _tag: "Resolved"; readonly next: NextStage }
  | { readonly _tag: "Wait" }
  /** The order list does not go back to the time at which the slice may have been placed: only a person can tell. */
  | { readonly _tag: "Unprovable" }

/** The answer of a look-up in the order list about a slice. Times in milliseconds since 1970. */
export interface LookUp {
  readonly found: ReadonlyArray<BrokerOrder>
  /** The rows that may be its order and cannot be read. */
  readonly unreadable: ReadonlyArray<UnreadableOrder>
  /** When the look-up began: an order that arrived later may be missing from the answer. */
  readonly askedMillis: number
  /** Since when the order list is complete. */
  readonly orderListSinceMillis: number
}

const processed = (found: BrokerOrder): Reconciliation => ({
  _tag: "Resolved",
  next: { _tag: "Processed", brokerOrderId: found.brokerOrderId, found }
})

/**
 * Resolves a slice whose outcome is unknown from the order list, if possible. "Not in the list" means "not placed" only if
 * the quarantine was over before the look-up began, the list goes back to before the request, and no row that may be its order
 * is unreadable. The monitor calls it for each look-up.
 */
export const reconcile = (
  slice: UnresolvedSlice,
  { found, unreadable, orderListSinceMillis, ...lookUp }: LookUp,
  limits: { readonly quarantine: Duration.Duration; readonly maxAttempts: number }
): Reconciliation => {
  // The slice was read before the look-up. If the database's clock was set back, another process may have sent it since, and
  // this process may not have read that clock yet: its own time would end the quarantine too early.
  const askedMillis = Math.min(lookUp.askedMillis, slice.readMillis)
  // Several orders raise an alarm elsewhere; the slice is placed in any case.
  const [placed] = placementsAmong(found).toSorted(earliestFirst)
  if (placed !== undefined) return processed(placed)
  const isEarly = askedMillis < slice.lastSentMillis + Duration.toMillis(limits.quarantine)
  const [refused] = found.toSorted(earliestFirst)
  // A refused order may be that of an earlier claim, and the one in doubt may still arrive.
  if (refused !== undefined && (slice.claimVersion === 1 || !isEarly)) return processed(refused)
  if (unreadable.length > 0) return { _tag: "Wait" }
  if (isEarly) return { _tag: "Wait" }
  if (slice.firstSentMillis < orderListSinceMillis) return { _tag: "Unprovable" }
  if (isWindowOver(slice.notAfterMillis, askedMillis)) {
    return { _tag: "Resolved", next: { _tag: "Skipped", code: "window_over", reason: windowOver } }
  }
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
      // Behind all slices that are due by now: a slice to which the broker never gives a clear answer holds up none of them.
      notBefore: DateTime.makeUnsafe(askedMillis)
    }
  }
}
