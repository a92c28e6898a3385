import { Duration, Schema } from "effect"
import { TradingTime } from "../market/TradingTime.ts"
import { OrderQueueStatus } from "../model/Order.ts"
import { Stage } from "../model/OrderSlice.ts"
import { PlanCause } from "../planning/planOrder.ts"

const Instant = Schema.DateTimeUtcFromDate
const Text = Schema.NullOr(Schema.String)
const Decimal = Schema.NullOr(Schema.BigDecimalFromString)

/** An order's own row, nothing about it trusted: it may be one that could not be split. */
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
  /** The one word of `order_progress`, and its reason. */
  state: Schema.String,
  statusReason: Text,
  /** Why it is on hold; null when it is not. */
  holdReason: Text,
  /** When it was last put on hold, also after that has ended. */
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
  /** Who asked for an amendment, and for what. */
  note: Text,
  startsAt: Instant,
  endsAt: Instant,
  completesAt: Schema.NullOr(Instant),
  /** The market's sessions within the window; null for any time. */
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
  attempts: Schema.Int,
  /** IN_PROGRESS, and nobody knows whether it was placed. */
  isInDoubt: Schema.Boolean,
  outcomeUnknownAt: Schema.NullOr(Instant),
  /** When its outcome was last unknown. */
  inDoubtAt: Schema.NullOr(Instant),
  /** Since then the broker's book no longer shows its order, which was not over. */
  leftBookAt: Schema.NullOr(Instant),
  /** When its last placement was sent; null when none was, or its sender never said. */
  placedAt: Schema.NullOr(Instant),
  /** From due to placed. */
  latenessMillis: Schema.NullOr(Schema.Number),
  acknowledgedAt: Schema.NullOr(Instant),
  brokerOrderId: Text,
  brokerStatus: Text,
  brokerStatusText: Text,
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  averagePrice: Decimal,
  /** The plan whose slices stand in for it; it was never sent. */
  replacedBy: Schema.NullOr(Schema.Int),
  /** What later slices took over of it. */
  carriedQuantity: Schema.Int,
  /** A person gave it up. */
  isWaived: Schema.Boolean,
  /** When anything of it last changed. */
  updatedAt: Instant
})
export type RecordedSlice = typeof RecordedSlice.Type

/** One call to the broker for one slice. */
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
  /** What the broker said, of `response`. */
  code: Text,
  message: Text
})
export type RecordedCall = typeof RecordedCall.Type

/** A look-up of the broker's whole book, for all orders at once, that failed. */
export const FailedLookUp = Schema.Struct({ calledAt: Instant, outcome: Schema.String, message: Text })
export type FailedLookUp = typeof FailedLookUp.Type

export const RecordedHalt = Schema.Struct({
  isHalted: Schema.Boolean,
  reason: Schema.String,
  requestedBy: Schema.String,
  requestedAt: Instant
})
export type RecordedHalt = typeof RecordedHalt.Type

/** What a person did to the order, or to one of its slices. */
export const RecordedAction = Schema.Struct({
  at: Instant,
  operator: Schema.String,
  /** The command, such as `order pause`. */
  action: Schema.String,
  reason: Schema.String,
  sliceId: Text,
  /** What came of it. */
  details: Schema.Record(Schema.String, Schema.Unknown)
})
export type RecordedAction = typeof RecordedAction.Type

/** A slice that the broker has more for than there should be. */
export const RecordedDouble = Schema.Struct({
  sliceId: Schema.String,
  brokerOrderIds: Schema.Array(Schema.String),
  seenAt: Instant
})
export type RecordedDouble = typeof RecordedDouble.Type

/** What the instrument cost, and how much of it had been traded that day, as of a moment. */
export const RecordedQuote = Schema.Struct({
  at: Instant,
  lastPrice: Schema.BigDecimalFromString,
  dayVolume: Schema.NullOr(Schema.Number)
})
export type RecordedQuote = typeof RecordedQuote.Type

/** All that the database holds of one order, as of one moment. Each list in the order of time, or of numbers. */
export interface OrderRecord {
  readonly order: RecordedOrder
  readonly plans: ReadonlyArray<RecordedPlan>
  readonly slices: ReadonlyArray<RecordedSlice>
  readonly calls: ReadonlyArray<RecordedCall>
  /** Look-ups of the broker's book while the order had something to look for. */
  readonly lookUps: { readonly count: number; readonly failed: ReadonlyArray<FailedLookUp> }
  /** Halts and resumes while it ran, and the last one before, if that was a halt. */
  readonly halts: ReadonlyArray<RecordedHalt>
  readonly actions: ReadonlyArray<RecordedAction>
  readonly doubles: ReadonlyArray<RecordedDouble>
  /** Of its instrument, from a little before it arrived. */
  readonly quotes: ReadonlyArray<RecordedQuote>
}

/** A price says nothing about a moment so long after it, and two that lie farther apart nothing about the time between. */
export const quoteAge = Duration.minutes(1)
