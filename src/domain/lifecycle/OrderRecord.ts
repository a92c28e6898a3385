import { Duration, Schema } from "effect"
import { TradingTime } from "../market/TradingTime.ts"
import { OrderQueueStatus } from "../model/Order.ts"
import { Stage } from "../model/OrderSlice.ts"
import { StoredReasonCode } from "../model/reason.ts"
import { PlanCause } from "../planning/planOrder.ts"

const Instant = Schema.DateTimeUtcFromDate
const Text = Schema.NullOr(Schema.String)
const Decimal = Schema.NullOr(Schema.BigDecimalFromString)

/** An order's row, not validated: it may be one that could not be split. */
export const RecordedOrder = Schema.Struct({
  orderId: Schema.String,
  key: Text,
  source: Text,
  instrument: Text,
  side: Text,
  totalQuantity: Schema.NullOr(Schema.Number),
  numSplits: Schema.NullOr(Schema.Number),
  durationMinutes: Schema.NullOr(Schema.Number),
  strategy: Schema.String,
  orderType: Schema.String,
  limitPrice: Decimal,
  productType: Schema.String,
  validity: Schema.String,
  orderQueueStatus: OrderQueueStatus,
  /** Its state in the view `order_progress`. */
  state: Schema.String,
  statusReason: Text,
  reasonCode: StoredReasonCode,
  /** Why it is on hold; null if it is not. */
  holdReason: Text,
  holdReasonCode: StoredReasonCode,
  /** When it was last put on hold, even if it has been resumed since. */
  heldAt: Schema.NullOr(Instant),
  /** The last known price when it was split. */
  referencePrice: Decimal,
  splitAttempts: Schema.Int,
  splitBy: Text,
  createdAt: Instant,
  splitAt: Schema.NullOr(Instant),
  cancelRequestedAt: Schema.NullOr(Instant),
  cancelRequestedBy: Text,
  settledAt: Schema.NullOr(Instant),
  updatedAt: Instant
})
export type RecordedOrder = typeof RecordedOrder.Type

export const RecordedPlan = Schema.Struct({
  revision: Schema.Int,
  firstSequence: Schema.Int,
  cause: PlanCause,
  /** The operator who asked for an amendment, and the change. */
  note: Text,
  startsAt: Instant,
  endsAt: Instant,
  completesAt: Schema.NullOr(Instant),
  /** The venue's sessions within the window; null without a calendar. */
  sessions: TradingTime,
  createdAt: Instant
})
export type RecordedPlan = typeof RecordedPlan.Type

export const RecordedSlice = Schema.Struct({
  id: Schema.String,
  sequenceNumber: Schema.Int,
  tag: Schema.String,
  quantity: Schema.Int,
  scheduledAt: Instant,
  stage: Stage,
  stageReason: Text,
  reasonCode: StoredReasonCode,
  attempts: Schema.Int,
  /** IN_PROGRESS with an unknown outcome. */
  isInDoubt: Schema.Boolean,
  outcomeUnknownAt: Schema.NullOr(Instant),
  /** When its outcome was last unknown. */
  inDoubtAt: Schema.NullOr(Instant),
  /** When its broker order, not final, left the order list. */
  leftBookAt: Schema.NullOr(Instant),
  /** When its last placement was sent; null if none was, or the sender died before it could write that. */
  placedAt: Schema.NullOr(Instant),
  /** From its due time to the placement. */
  latenessMillis: Schema.NullOr(Schema.Number),
  acknowledgedAt: Schema.NullOr(Instant),
  brokerOrderId: Text,
  brokerStatus: Text,
  brokerStatusText: Text,
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  averagePrice: Decimal,
  /** The plan whose slices replace it; it was never sent. */
  replacedBy: Schema.NullOr(Schema.Int),
  /** How much of its quantity later slices took over. */
  carriedQuantity: Schema.Int,
  /** A person gave up its unfilled quantity. */
  isWaived: Schema.Boolean,
  /** When the row last changed. */
  updatedAt: Instant
})
export type RecordedSlice = typeof RecordedSlice.Type

/** One broker call for one slice, as the audit has it. */
export const RecordedCall = Schema.Struct({
  calledAt: Instant,
  durationMillis: Schema.Number,
  broker: Schema.String,
  call: Schema.Literals(["place", "find_by_tag", "cancel"]),
  outcome: Schema.String,
  sliceId: Text,
  attempt: Schema.NullOr(Schema.Int),
  brokerOrderId: Text,
  worker: Schema.String,
  request: Schema.Unknown,
  response: Schema.Unknown,
  /** The code and message in `response`. */
  code: Text,
  message: Text
})
export type RecordedCall = typeof RecordedCall.Type

/** A failed look-up in the broker's order list, which covers all orders at once. */
export const FailedLookUp = Schema.Struct({ calledAt: Instant, outcome: Schema.String, message: Text })
export type FailedLookUp = typeof FailedLookUp.Type

export const RecordedHalt = Schema.Struct({
  isHalted: Schema.Boolean,
  reason: Schema.String,
  requestedBy: Schema.String,
  requestedAt: Instant
})
export type RecordedHalt = typeof RecordedHalt.Type

/** An operator's action on the order or one of its slices. */
export const RecordedAction = Schema.Struct({
  at: Instant,
  operator: Schema.String,
  /** The command, such as `order pause`. */
  action: Schema.String,
  reason: Schema.String,
  sliceId: Text,
  /** The action's result. */
  details: Schema.Record(Schema.String, Schema.Unknown)
})
export type RecordedAction = typeof RecordedAction.Type

/** A slice for which the broker has more than one order. */
export const RecordedDouble = Schema.Struct({
  sliceId: Schema.String,
  brokerOrderIds: Schema.Array(Schema.String),
  seenAt: Instant
})
export type RecordedDouble = typeof RecordedDouble.Type

/** The last price and the day's volume of the instrument at a moment. */
export const RecordedQuote = Schema.Struct({
  at: Instant,
  lastPrice: Schema.BigDecimalFromString,
  dayVolume: Schema.NullOr(Schema.Number)
})
export type RecordedQuote = typeof RecordedQuote.Type

/** Everything that the database has on one order, as of one moment. Lists are sorted by time or by number. */
export interface OrderRecord {
  readonly order: RecordedOrder
  readonly plans: ReadonlyArray<RecordedPlan>
  readonly slices: ReadonlyArray<RecordedSlice>
  readonly calls: ReadonlyArray<RecordedCall>
  /** Look-ups in the broker's order list while the order had open slices or slices in doubt. */
  readonly lookUps: { readonly count: number; readonly failed: ReadonlyArray<FailedLookUp> }
  /** Halts and resumes while it ran, and the last one before if that was a halt. */
  readonly halts: ReadonlyArray<RecordedHalt>
  readonly actions: ReadonlyArray<RecordedAction>
  readonly doubles: ReadonlyArray<RecordedDouble>
  /** Quotes of its instrument, from shortly before its arrival. */
  readonly quotes: ReadonlyArray<RecordedQuote>
}

/** How long a price counts; two prices farther apart say nothing about the time between them. */
export const quoteAge = Duration.minutes(1)
