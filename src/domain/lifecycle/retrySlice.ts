import { DateTime, Duration, Result, Schema } from "effect"
import { OrderId, SliceId } from "../model/Ids.ts"
import { OrderQueueStatus } from "../model/Order.ts"
import { ClaimVersion, Stage } from "../model/OrderSlice.ts"
import { isWindowOver } from "../model/sliceState.ts"

const Moment = Schema.DateTimeUtcFromDate

/** A slice that a person wants sent after all, as it stands, and what its order has to say to that. */
export const EndedSlice = Schema.Struct({
  id: SliceId,
  orderId: OrderId,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  claimVersion: ClaimVersion,
  brokerOrderId: Schema.NullOr(Schema.String),
  filledQuantity: Schema.Int,
  /** The plan whose slices stand in for it, and how much of it later slices took over. */
  replacedBy: Schema.NullOr(Schema.Int),
  carriedQuantity: Schema.Int,
  /** The plan that says anew how much is still to be sent, and counts what was missing of this one; null if none does. */
  waivedBy: Schema.NullOr(Schema.Int),
  /** When its outcome was last unknown; null if it never was. */
  inDoubtAt: Schema.NullOr(Moment),
  /** When a daemon last took it in hand, to send it; null if none did. */
  claimedAt: Schema.NullOr(Moment),
  /** The broker was seen to have more for it than there should be. */
  isDouble: Schema.Boolean,
  scheduledAt: Moment,
  notAfter: Moment,
  /** Late, it is spread anew with what is left of its order. */
  isSpreadAnew: Schema.Boolean,
  orderQueueStatus: OrderQueueStatus,
  isCancelled: Schema.Boolean,
  /** Late, it is given up. */
  isSkippedLate: Schema.Boolean,
  maxLatenessSeconds: Schema.Finite,
  /** When what is missing of the order is completed; null when it is only reported. */
  completesAt: Schema.NullOr(Moment)
})
export type EndedSlice = typeof EndedSlice.Type

/** How a slice is sent after all. */
export interface Retry {
  readonly notBefore: DateTime.Utc
  readonly notAfter: DateTime.Utc
  /** From then on it is late, and spread anew with what is left of its order; null: never. */
  readonly staleAt: DateTime.Utc | null
  /** Its request may once have reached the broker: only when the broker's book does not show it is it sent again. */
  readonly isLookedUpFirst: boolean
}

export interface RetryOptions {
  readonly now: DateTime.Utc
  /** When a person wants it sent; null: as soon as possible, within the time that it had. */
  readonly at: DateTime.Utc | null
  readonly windowGrace: Duration.Duration
  /** The broker's book shows all orders since then. */
  readonly orderListSince: DateTime.Utc
}

const maxAhead = Duration.days(1)

/**
 * How a slice that is FAILED or SKIPPED is sent after all, or why it must not be: nothing is sent twice, nothing that other
 * slices make up for, and nothing at a time that nobody asked for.
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

/** What no time can change. */
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

/** The book could never show that it was not placed. */
const whyUnprovable = ({ claimedAt, inDoubtAt }: EndedSlice, { orderListSince }: RetryOptions): string | null =>
  inDoubtAt !== null && claimedAt !== null && DateTime.isLessThan(claimedAt, orderListSince)
    ? `it may have been sent at ${timeOf(claimedAt)}, and the broker's book goes back to ${timeOf(orderListSince)} only. Look for it in ` +
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
