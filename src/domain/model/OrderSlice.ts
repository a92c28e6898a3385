import { type DateTime, Schema } from "effect"
import type { BrokerOrder } from "./BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "./Ids.ts"
import type { MarketFacts } from "./MarketFacts.ts"
import { OrderParameters } from "./Order.ts"
import type { ReasonCode } from "./reason.ts"

export const Stage = Schema.Literals(["SCHEDULED", "IN_PROGRESS", "PROCESSED", "FAILED", "SKIPPED"])
export type Stage = typeof Stage.Type

/** The fencing token of a claim: a write under an older version changes nothing. */
export const ClaimVersion = Schema.Int.pipe(Schema.brand("ClaimVersion"))
export type ClaimVersion = typeof ClaimVersion.Type

/** A slice's key in the database: the number of its order, and in the lowest 20 bits its own in that order. */
export const SliceKey = Schema.Int.pipe(Schema.brand("SliceKey"))
export type SliceKey = typeof SliceKey.Type

const sequencesPerOrder = 2 ** 20

export const sliceKeyOf = (orderNumber: number, sequenceNumber: number): SliceKey =>
  SliceKey.make(orderNumber * sequencesPerOrder + sequenceNumber)

export const sequenceNumberOf = (key: SliceKey): number => key % sequencesPerOrder

/** The fields that identify a slice at the broker and in the logs. */
const identity = {
  id: SliceId,
  orderId: OrderId,
  tag: Tag,
  requestId: Schema.NullOr(Schema.String),
  traceId: Schema.NullOr(Schema.String)
}

/** What a slice has of its order and the plan. */
export const SliceFacts = Schema.Struct({
  orderId: OrderId,
  requestId: Schema.NullOr(Schema.String),
  traceId: Schema.NullOr(Schema.String),
  ...OrderParameters.fields,
  /** The venue whose trading hours it keeps; null if it was planned without a calendar. */
  market: Schema.NullOr(Schema.String),
  /** The price of a MARKET slice if no fresh one is known: the order's reference price, else the instrument list's. */
  referencePrice: Schema.NullOr(Schema.BigDecimalFromString),
  /** Only where the order has one. */
  algoId: Schema.optionalKey(Schema.String)
})
export type SliceFacts = typeof SliceFacts.Type

/**
 * A slice that one executor owns until its lease ends. Times in milliseconds since 1970: those from which it may be sent with
 * fractions, to the microsecond, and those until which it may be, in whole ones.
 */
export interface ClaimedSlice extends SliceFacts, MarketFacts {
  readonly key: SliceKey
  readonly id: SliceId
  readonly tag: Tag
  readonly sequenceNumber: number
  readonly quantity: number
  readonly claimVersion: ClaimVersion
  readonly attempts: number
  readonly notBeforeMillis: number
  readonly notAfterMillis: number
  readonly leaseExpiresMillis: number
  readonly scheduledMillis: number
}

/** A slice in doubt: its owner reported an unknown outcome, or died. */
export const UnresolvedSlice = Schema.Struct({
  key: SliceKey,
  ...identity,
  claimVersion: ClaimVersion,
  attempts: Schema.Int,
  notAfterMillis: Schema.Int,
  /** A request for it may have been sent between these two times. */
  firstSentMillis: Schema.Int,
  lastSentMillis: Schema.Int,
  /** When it was read, by the database's own clock. */
  readMillis: Schema.Int
})
export type UnresolvedSlice = typeof UnresolvedSlice.Type

/** An acknowledged slice whose broker order may still change. */
export const OpenSlice = Schema.Struct({
  key: SliceKey,
  ...identity,
  brokerOrderId: BrokerOrderId,
  quantity: Schema.Int,
  filledQuantity: Schema.Int,
  isCancelWanted: Schema.Boolean,
  acknowledgedAt: Schema.DateTimeUtcFromDate
})
export type OpenSlice = typeof OpenSlice.Type

/** A slice whose outcome was unknown and has been resolved since. */
export const PreviouslyInDoubtSlice = Schema.Struct({
  ...identity,
  stage: Stage,
  claimVersion: ClaimVersion,
  /** The revision of the plan that replaced it, and the quantity that later slices took over. */
  replacedBy: Schema.NullOr(Schema.Int),
  carriedQuantity: Schema.Int
})
export type PreviouslyInDoubtSlice = typeof PreviouslyInDoubtSlice.Type

/** The stage that follows IN_PROGRESS. `Unknown` stays IN_PROGRESS, and only reconciliation resolves it. */
export type NextStage =
  | { readonly _tag: "Processed"; readonly brokerOrderId: BrokerOrderId; readonly found: BrokerOrder | null }
  | { readonly _tag: "Failed"; readonly code: ReasonCode; readonly reason: string }
  | { readonly _tag: "Skipped"; readonly code: ReasonCode; readonly reason: string }
  | {
      readonly _tag: "Rescheduled"
      readonly code: ReasonCode
      readonly reason: string
      readonly notBefore: DateTime.Utc | null
    }
  | { readonly _tag: "Unknown"; readonly code: ReasonCode; readonly reason: string }

/** One transition of a slice out of IN_PROGRESS, or within it if unknown, valid only under its `claimVersion`. */
export interface SliceTransition {
  readonly slice: Pick<ClaimedSlice, "key" | "id" | "orderId" | "claimVersion">
  readonly next: NextStage
  /** Placements made so far, this one included. */
  readonly attempts: number
  /** When the broker was called; null if it was not. */
  readonly placedAt: DateTime.Utc | null
  readonly at: DateTime.Utc
}

/** The slice is placed or over with it: nothing is sent for it any more. */
export const leavesTheQueue = (next: NextStage): boolean => next._tag !== "Rescheduled" && next._tag !== "Unknown"

export const stageOf = (next: NextStage): Stage => {
  switch (next._tag) {
    case "Processed":
      return "PROCESSED"
    case "Failed":
      return "FAILED"
    case "Skipped":
      return "SKIPPED"
    case "Rescheduled":
      return "SCHEDULED"
    case "Unknown":
      return "IN_PROGRESS"
  }
}
