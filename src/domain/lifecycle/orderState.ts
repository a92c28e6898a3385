import { Duration } from "effect"
import type { OrderQueueStatus } from "../model/Order.ts"
import { because } from "../model/reason.ts"

/** Whether an order is finished, by its state in the view `order_progress`. */
export const isFinishedState = (state: string): boolean =>
  !["pending", "splitting", "working", "held", "cancelling"].includes(state)

interface OrderInQueue {
  readonly orderQueueStatus: OrderQueueStatus
  readonly reasonCode: string | null
}

/** Whether what the order needs next lies beyond the end of the trading calendar: its split, or a plan while it runs. */
export const isWaitingForCalendar = ({ reasonCode }: OrderInQueue): boolean => reasonCode === "calendar_ends"

/** Whether a splitter has the order in hand, or takes it by itself soon. */
export const isSplitAwaited = (order: OrderInQueue): boolean =>
  order.orderQueueStatus === "IN_PROGRESS" || (order.orderQueueStatus === "PENDING" && !isWaitingForCalendar(order))

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
