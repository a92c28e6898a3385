import { Duration } from "effect"
import { because } from "../model/reason.ts"

/** Whether an order is finished, by its state in the view `order_progress`. */
export const isFinishedState = (state: string): boolean =>
  !["pending", "splitting", "working", "held", "cancelling"].includes(state)

/** The reason of an order that is SKIPPED because it was found too late to be split. */
export const overBeforeSplit = because("window_over", "the order's window and its grace were over before the split")

/**
 * Whether an order's window and the grace after it are over at a moment. Times in milliseconds since 1970; the window in
 * milliseconds from the start, by the clock on the wall. OrderStore.claimPending asks the same in SQL.
 */
export const isOrderWindowOver = (
  { startMillis, windowMillis }: { readonly startMillis: number; readonly windowMillis: number },
  grace: Duration.Duration,
  nowMillis: number
): boolean => startMillis + windowMillis + Duration.toMillis(grace) < nowMillis
