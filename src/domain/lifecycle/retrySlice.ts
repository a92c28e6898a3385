import { DateTime, Duration, Result, Schema } from "effect"
import { OrderId, SliceId } from "../model/Ids.ts"
import { OrderQueueStatus } from "../model/Order.ts"
import { ClaimVersion, Stage } from "../model/OrderSlice.ts"
import { isWindowOver } from "../model/sliceState.ts"

const Moment = Schema.DateTimeUtcFromDate

/** A slice that a person wants to be sent after all, with what decides that: its own state and its order's. */
export const EndedSlice = Schema.Struct({
  id: SliceId,
  orderId: OrderId,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  claimVersion: ClaimVersion,
  brokerOrderId: Schema.NullOr(Schema.String),
  filledQuantity: Schema.Int,
  /** The plan whose slices replace it, and how much of its quantity later slices took over. */
  replacedBy: Schema.NullOr(Schema.Int),
  carriedQuantity: Schema.Int,
  /** The later plan that sets how much is still to be sent, which includes this slice's unfilled quantity; null if none does. */
  waivedBy: Schema.NullOr(Schema.Int),
  /** When its outcome was last unknown; null if it never was. */
  inDoubtAt: Schema.NullOr(Moment),
  /** When a daemon last claimed it; null if none did. */
  claimedAt: Schema.NullOr(Moment),
  /** The broker was found to have more than one order for it. */
  isDouble: Schema.Boolean,
  scheduledAt: Moment,
  notAfter: Moment,
  /** Its order has the lateness policy RESPREAD. */
  isSpreadAnew: Schema.Boolean,
  orderQueueStatus: OrderQueueStatus,
  isCancelled: Schema.Boolean,
  /** Its order has the lateness policy SKIP. */
  isSkippedLate: Schema.Boolean,
  maxLatenessSeconds: Schema.Finite,
  /** When the unfilled quantity of the order is completed; null if it is only reported. */
  completesAt: Schema.NullOr(Moment)
})
export type EndedSlice = typeof EndedSlice.Type

/** When and how the slice is sent. */
export interface Retry {
  readonly notBefore: DateTime.Utc
  readonly notAfter: DateTime.Utc
  /** From then on it is late and respread with the rest of its order; null for never. */
  readonly staleAt: DateTime.Utc | null
  /** A request for it may have reached the broker, so the order list is asked before it is sent again. */
  readonly isLookedUpFirst: boolean
}

export interface RetryOptions {
  readonly now: DateTime.Utc
  /** When it is to be sent; null for as soon as possible within its original window. */
  readonly at: DateTime.Utc | null
  readonly windowGrace: Duration.Duration
  /** Since when the broker's order list is complete. */
  readonly orderListSince: DateTime.Utc
}

const maxAhead = Duration.days(1)

/**
 * Decides how a FAILED or SKIPPED slice is sent after all, or why it must not be: nothing is sent twice, nothing that other
 * slices already replace, and nothing at a time that was not asked for. The command `slice retry` calls it.
 */
export const retrySlice = (slice: EndedSlice, options: RetryOptions): Result.Result<Retry, string> => {
  const refusal =
    whyNever(slice) ?? whyUnprovable(slice, options) ?? whyNotByOrder(slice, options.now) ?? whyNotThen(slice, options)
  if (refusal !== null) return Result.fail(refusal)
  const { at, now, windowGrace } = options
  const { isSkippedLate, isSpreadAnew, maxLatenessSeconds, scheduledAt } = slice
  const notBefore = DateTime.max(at ?? now, scheduledAt)
  const tooLateAt = DateTime.addDuration(notBefore, Duration.seconds(maxLatenessSeconds))
  const end = isSkippedLate ? tooLateAt : DateTime.max(slice.notAfter, DateTime.addDuration(notBefore, windowGrace))
  return Result.succeed({
    notBefore,
    notAfter: at === null ? slice.notAfter : end,
    staleAt: isSpreadAnew ? tooLateAt : null,
    isLookedUpFirst: slice.inDoubtAt !== null
  })
}

/** Refusals that no other time would change. */
const whyNever = (slice: EndedSlice): string | null => {
  const { brokerOrderId, carriedQuantity, filledQuantity, isDouble, replacedBy, stage, waivedBy } = slice
  if (stage === "SCHEDULED") return "it is SCHEDULED: it is still to be sent"
  if (stage === "IN_PROGRESS") {
    return "it is IN_PROGRESS: a daemon has it in hand, or nobody knows yet whether it was placed"
  }
  if (stage === "PROCESSED" || brokerOrderId !== null || filledQuantity > 0) {
    return `it was placed as ${brokerOrderId ?? "?"}, and would be there twice: submit a new order for what is missing`
  }
  if (isDouble) return "the broker was seen to have an order for it"
  if (replacedBy !== null) return `the slices of plan ${replacedBy} stand in for it`
  if (carriedQuantity > 0) return `later slices took over ${carriedQuantity} of it`
  return waivedBy === null
    ? null
    : `an amendment (plan ${waivedBy}) says how much is still to be sent: amend the order again for more`
}

/** The refusal of a slice that the order list can never prove as not placed. */
const whyUnprovable = ({ claimedAt, inDoubtAt }: EndedSlice, { orderListSince }: RetryOptions): string | null =>
  inDoubtAt !== null && claimedAt !== null && DateTime.isLessThan(claimedAt, orderListSince)
    ? `it may have been sent at ${timeOf(claimedAt)}, and the broker's order list goes back to ${timeOf(orderListSince)} only. Look for it in ` +
      'the broker\'s records: if it is there, say so with "slice placed", with --filled; if not, submit a new order for it'
    : null

const whyNotByOrder = (slice: EndedSlice, now: DateTime.Utc): string | null => {
  const { completesAt, isCancelled, orderId, orderQueueStatus } = slice
  if (isCancelled) return `order ${orderId} was cancelled: submit a new one`
  if (orderQueueStatus !== "DONE") return `order ${orderId} is ${orderQueueStatus}, not split`
  return completesAt !== null && DateTime.isLessThanOrEqualTo(completesAt, now)
    ? `what was missing of order ${orderId} was completed at ${timeOf(completesAt)}: submit a new order`
    : null
}

const whyNotThen = ({ completesAt, notAfter, scheduledAt }: EndedSlice, { at, now }: RetryOptions): string | null => {
  if (at === null) {
    return isWindowOver(DateTime.toEpochMillis(notAfter), DateTime.toEpochMillis(now))
      ? `its time was over at ${timeOf(notAfter)}: give it a new one with --at`
      : null
  }
  if (DateTime.isLessThan(at, now)) return `--at is ${timeOf(at)}, which is over`
  if (DateTime.isLessThan(at, scheduledAt)) return `--at is ${timeOf(at)}, before it is due at ${timeOf(scheduledAt)}`
  if (DateTime.isGreaterThan(at, DateTime.addDuration(now, maxAhead))) {
    return `--at is ${timeOf(at)}, more than a day ahead`
  }
  return completesAt !== null && DateTime.isGreaterThanOrEqualTo(at, completesAt)
    ? `--at must be before ${timeOf(completesAt)}, when what is missing of its order is completed`
    : null
}

const timeOf = (at: DateTime.Utc): string => DateTime.formatIso(at)
