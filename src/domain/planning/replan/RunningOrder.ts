import { type DateTime, Schema } from "effect"
import { SliceId } from "../../model/Ids.ts"
import type { Price, SplittableOrder } from "../../model/Order.ts"
import { Stage } from "../../model/OrderSlice.ts"
import type { Reason } from "../../model/reason.ts"
import type { Market, OrderPlan, PlanCause, PlanningRules } from "../planOrder.ts"
import type { ScheduleInput } from "../schedule/Schedule.ts"

/** A slice of a running order that no other one stands in for. */
export const RunningSlice = Schema.Struct({
  id: SliceId,
  sequenceNumber: Schema.Int,
  quantity: Schema.Int,
  filledQuantity: Schema.Int,
  /** What later slices took over of it. */
  carriedQuantity: Schema.Int,
  stage: Stage,
  scheduledMillis: Schema.Number,
  /** Not sent in time, and its order wants the rest spread anew. */
  isLate: Schema.Boolean,
  /** Nobody knows whether it was placed, or what became of it, and nobody may for long: its quantity is reserved. */
  isInDoubt: Schema.Boolean,
  brokerIsFinal: Schema.Boolean,
  /** The broker took it and refused it later. */
  isRejected: Schema.Boolean,
  /** A person gave it up. */
  isWaived: Schema.Boolean
})
export type RunningSlice = typeof RunningSlice.Type

/** An order that has been split, as it stands, and its latest plan. */
export interface RunningOrder {
  readonly order: SplittableOrder
  readonly plan: {
    readonly revision: number
    /** The number of its first slice; the others of it follow. */
    readonly firstSequence: number
    readonly cause: PlanCause
    readonly input: ScheduleInput
    readonly startsAt: DateTime.Utc
    readonly endsAt: DateTime.Utc
    /** When what is missing is to be completed, or completed again; null for an order that only reports it. */
    readonly completesAt: DateTime.Utc | null
    /** It was made with a trading calendar. */
    readonly keepsHours: boolean
  }
  /** How many of its plans were to complete it. */
  readonly completions: number
  /** The latest plan that a person asked for, the split's or an amendment's: its pace is the measure. */
  readonly intended: ScheduleInput
  readonly slices: ReadonlyArray<RunningSlice>
  /** The number of the order's next slice. */
  readonly nextSequence: number
}

/** A new plan for what has not been sent, in place of all SCHEDULED slices. */
export interface Replan {
  readonly _tag: "Replan"
  readonly plan: OrderPlan
  /** The order's, from now on. */
  readonly totalQuantity: number
  readonly limitPrice: Price | null
  /** The slices whose rest the new plan takes over. */
  readonly carried: ReadonlyArray<SliceId>
  /** The slices whose rest a person gives up with it. */
  readonly waived: ReadonlyArray<SliceId>
}

/** SCHEDULED slices that are SKIPPED for good. */
export interface GiveUp {
  readonly _tag: "GiveUp"
  readonly slices: ReadonlyArray<SliceId>
  readonly reason: Reason
}

/** Nothing more will happen to the order. */
export interface Settled {
  readonly _tag: "Settled"
  /** What is not filled, and nobody gave up. */
  readonly shortfall: number
  /** Why it could not be made up for; null when that was not wanted. */
  readonly reason: Reason | null
}

export type OrderChange = Replan | GiveUp | Settled

export interface PlanningContext {
  readonly rules: PlanningRules
  readonly market: Market
  readonly now: DateTime.Utc
}

export const isScheduled = ({ stage }: RunningSlice): boolean => stage === "SCHEDULED"

/** Something may still come of it: a placement, or a fill. */
export const isPending = ({ stage, brokerIsFinal }: RunningSlice): boolean =>
  stage === "IN_PROGRESS" || (stage === "PROCESSED" && !brokerIsFinal)

/** Over, and not filled as it should be. */
export const isMissing = (slice: RunningSlice): boolean =>
  !isScheduled(slice) && !isPending(slice) && !slice.isWaived && restOfSlice(slice) > 0

export const restOfSlice = ({ quantity, filledQuantity, carriedQuantity }: RunningSlice): number =>
  Math.max(0, quantity - filledQuantity - carriedQuantity)

export const restOfSlices = (slices: ReadonlyArray<RunningSlice>): number =>
  slices.reduce((sum, slice) => sum + restOfSlice(slice), 0)
