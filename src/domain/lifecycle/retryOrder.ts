import { DateTime, type Duration, Schema } from "effect"
import { maxQuantity, OrderQueueStatus } from "../model/Order.ts"
import { StoredReasonCode } from "../model/reason.ts"
import type { OrderPlan } from "../planning/planOrder.ts"
import { isOrderWindowOver } from "./orderState.ts"
import { ArrivedOrder } from "./validateOrder.ts"

/** An order that a person wants to be split after all, with what decides that, and its row for a plan. */
export const UnsplitOrder = Schema.Struct({
  ...ArrivedOrder.fields,
  orderQueueStatus: OrderQueueStatus,
  reasonCode: StoredReasonCode,
  isCancelled: Schema.Boolean,
  /** It has slices, or had a plan. */
  isSplit: Schema.Boolean,
  claimVersion: Schema.Int,
  /** When its window begins, in milliseconds since 1970. */
  startMillis: Schema.Number
})
export type UnsplitOrder = typeof UnsplitOrder.Type

/**
 * Why an order is not split again, with what would do instead; null if it may be: its split failed, it never had a slice, and
 * nobody cancelled it. The command `order retry` calls it.
 */
export const whyNoRetry = (order: UnsplitOrder): string | null => {
  const { claimVersion, isCancelled, isSplit, orderQueueStatus, reasonCode } = order
  if (isCancelled) return 'it was cancelled: submit a new one ("order submit", with another key)'
  if (isSplit) return 'it has slices already: "slice retry" sends one again that was refused or skipped'
  switch (orderQueueStatus) {
    case "PENDING":
      return reasonCode === "calendar_ends"
        ? "it is PENDING, and goes on by itself when the trading calendar knows more days"
        : "it is PENDING: a splitter takes it by itself"
    case "IN_PROGRESS":
      return "a splitter has it in hand; the monitor gives it back if that does not end"
    case "SKIPPED":
      return "it is SKIPPED, for it came too late: submit a new one, with another key"
    case "DONE":
      return "it is DONE without slices, as another program has inserted it: submit it as PENDING, with another key"
    case "FAILED":
      return claimVersion < 0 || claimVersion >= maxQuantity - 1
        ? "another program has set its claim_version: submit it again with another key"
        : null
  }
}

/** When the window of a plan that was made for this start is over, with its grace; null if it is not. */
export const overAt = (
  { startsAt, endMillis }: OrderPlan,
  start: DateTime.Utc,
  grace: Duration.Duration,
  now: DateTime.Utc
): DateTime.Utc | null => {
  const startMillis = DateTime.toEpochMillis(startsAt ?? start)
  const window = { startMillis, windowMillis: endMillis }
  return isOrderWindowOver(window, grace, DateTime.toEpochMillis(now))
    ? DateTime.makeUnsafe(startMillis + endMillis)
    : null
}
