import { type DateTime, Schema } from "effect"
import type { BrokerOrder } from "./BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "./Ids.ts"
import { MarketFacts } from "./MarketFacts.ts"
import { OrderParameters } from "./Order.ts"
import type { ReasonCode } from "./reason.ts"

export const Stage = Schema.Literals(["SCHEDULED", "IN_PROGRESS", "PROCESSED", "FAILED", "SKIPPED"])
export type Stage = typeof Stage.Type

/** Which owner of a slice is speaking. A write by any other owner changes nothing. */
export const ClaimVersion = Schema.Int.pipe(Schema.brand("ClaimVersion"))
export type ClaimVersion = typeof ClaimVersion.Type

/** What tells a slice apart, in the database, at the broker and in the logs. */
const identity = {
  id: SliceId,
  orderId: OrderId,
  tag: Tag,
  requestId: Schema.NullOr(Schema.String),
  traceId: Schema.NullOr(Schema.String)
}

/** A slice that one worker owns until its lease ends. Times in milliseconds since 1970, rounded to the safe side. */
export const ClaimedSlice = Schema.Struct({
  ...identity,
  sequenceNumber: Schema.Int,
  quantity: Schema.Int,
  ...OrderParameters.fields,
  claimVersion: ClaimVersion,
  attempts: Schema.Int,
  notBeforeMillis: Schema.Int,
  notAfterMillis: Schema.Int,
  leaseExpiresMillis: Schema.Int,
  scheduledMillis: Schema.Int,
  /** Whose trading hours it keeps; null when it was planned without a calendar. */
  market: Schema.NullOr(Schema.String),
  /** What a MARKET slice counts by when no fresh price is known: its order's, else the instrument list's. */
  referencePrice: Schema.NullOr(Schema.BigDecimalFromString),
  ...MarketFacts.fields
})
export type ClaimedSlice = typeof ClaimedSlice.Type

/** A slice whose broker may or may not have its order: its owner said so, or is gone. */
export const UnresolvedSlice = Schema.Struct({
  ...identity,
  claimVersion: ClaimVersion,
  attempts: Schema.Int,
  notAfterMillis: Schema.Int,
  /** Between these a request for it may have left us. */
  firstSentMillis: Schema.Int,
  lastSentMillis: Schema.Int
})
export type UnresolvedSlice = typeof UnresolvedSlice.Type

/** An acknowledged slice whose broker order may still change. */
export const OpenSlice = Schema.Struct({
  ...identity,
  brokerOrderId: BrokerOrderId,
  quantity: Schema.Int,
  filledQuantity: Schema.Int,
  isCancelWanted: Schema.Boolean,
  acknowledgedAt: Schema.DateTimeUtcFromDate
})
export type OpenSlice = typeof OpenSlice.Type

/** A slice whose outcome was once unknown, and that was settled since. */
export const PreviouslyInDoubtSlice = Schema.Struct({
  ...identity,
  stage: Stage,
  claimVersion: ClaimVersion,
  /** The plan whose slices stand in for it, and how much of it later slices took over. */
  replacedBy: Schema.NullOr(Schema.Int),
  carriedQuantity: Schema.Int
})
export type PreviouslyInDoubtSlice = typeof PreviouslyInDoubtSlice.Type

/** Where a slice goes from IN_PROGRESS. `Unknown` stays IN_PROGRESS, for reconciliation alone to resolve. */
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

/** One conditional step of a slice out of (or, if unknown, within) IN_PROGRESS, by the owner of `claimVersion`. */
export interface SliceTransition {
  readonly slice: { readonly id: SliceId; readonly orderId: OrderId; readonly claimVersion: ClaimVersion }
  readonly next: NextStage
  /** Placements made so far, this one included. */
  readonly attempts: number
  /** When the broker was called; null when it was not. */
  readonly placedAt: DateTime.Utc | null
  readonly at: DateTime.Utc
}

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
