import { type DateTime, Schema } from "effect"
import { SliceId } from "../../model/Ids.ts"
import type { Price, SplittableOrder } from "../../model/Order.ts"
import { type ClaimedSlice, Stage } from "../../model/OrderSlice.ts"
import type { Reason } from "../../model/reason.ts"
import { isOpenAtBroker } from "../../model/sliceState.ts"
import type { InstrumentFacts, OrderPlan, PlanCause, PlanningRules } from "../planOrder.ts"
import type { ScheduleInput } from "../schedule/Schedule.ts"

/** A slice of a running order that no later plan has replaced. */
export const RunningSlice = Schema.Struct({
  id: SliceId,
  sequenceNumber: Schema.Int,
  quantity: Schema.Int,
  filledQuantity: Schema.Int,
  /** How much of its quantity later slices took over. */
  carriedQuantity: Schema.Int,
  stage: Stage,
  scheduledMillis: Schema.Number,
  /** It was not sent in time, and its order has the lateness policy RESPREAD. */
  isLate: Schema.Boolean,
  /** Its outcome is unknown, perhaps for long, so its quantity stays reserved. */
  isInDoubt: Schema.Boolean,
  brokerIsFinal: Schema.Boolean,
  /** The broker acknowledged it and rejected it later. */
  isRejected: Schema.Boolean,
  /** A person gave up its unfilled quantity. */
  isWaived: Schema.Boolean
})
export type RunningSlice = typeof RunningSlice.Type

/** The current state of a split order, and its latest plan for all that was not sent. */
export interface RunningOrder {
  readonly order: SplittableOrder
  readonly plan: {
    /** The latest revision of the order, which may be that of a slice that was cut. */
    readonly revision: number
    /** The number of its first slice. */
    readonly firstSequence: number
    readonly cause: PlanCause
    readonly input: ScheduleInput
    readonly startsAt: DateTime.Utc
    readonly endsAt: DateTime.Utc
    /** When the unfilled quantity is completed, or completed again; null for an order that only reports it. */
    readonly completesAt: DateTime.Utc | null
    /** Whether it was made with a trading calendar. */
    readonly keepsHours: boolean
  }
  /** How many of its plans were completions. */
  readonly completions: number
  /** The input of the latest plan that a person asked for, by the order or an amendment: the pace of replans is relative to it. */
  readonly intended: ScheduleInput
  readonly slices: ReadonlyArray<RunningSlice>
  /** The number of the order's next slice. */
  readonly nextSequence: number
  /** What it needs next lies beyond the end of the trading calendar, and people were told. */
  readonly waitsForCalendar: boolean
}

/** A new plan for what has not been sent; it replaces all SCHEDULED slices. */
export interface Replan {
  readonly _tag: "Replan"
  readonly plan: OrderPlan
  /** The order's total from now on. */
  readonly totalQuantity: number
  readonly limitPrice: Price | null
  /** The slices whose unfilled quantity the new plan takes over, as they were when it was decided. */
  readonly carried: ReadonlyArray<RunningSlice>
  /** The slices whose unfilled quantity a person gives up with it. */
  readonly waived: ReadonlyArray<SliceId>
}

/** SCHEDULED slices that become SKIPPED for good. */
export interface GiveUp {
  readonly _tag: "GiveUp"
  readonly slices: ReadonlyArray<SliceId>
  readonly reason: Reason
}

/** What the order needs next lies beyond the end of the trading calendar. It is decided again when the calendar knows more. */
export interface Waits {
  readonly _tag: "Waits"
  readonly reason: Reason
}

/** The order has nothing left to do. */
export interface Finished {
  readonly _tag: "Finished"
  /** The unfilled quantity that was not given up. */
  readonly unfilled: number
  /** Why it was neither carried nor completed; null if the order did not ask for that. */
  readonly reason: Reason | null
}

/** A claimed slice that becomes two of a plan of their own; it is never sent. All other slices stay as they are. */
export interface Cut {
  readonly _tag: "Cut"
  readonly plan: OrderPlan
  readonly slice: Pick<ClaimedSlice, "key" | "claimVersion">
  readonly cutSequence: number
}

export type OrderChange = Replan | GiveUp | Waits | Finished | Cut

export interface PlanningContext {
  readonly rules: PlanningRules
  readonly market: InstrumentFacts
  readonly now: DateTime.Utc
}

export const isScheduled = ({ stage }: RunningSlice): boolean => stage === "SCHEDULED"

/** Whether it may still be placed or filled: IN_PROGRESS, or open at the broker. */
export const isPending = (slice: RunningSlice): boolean => slice.stage === "IN_PROGRESS" || isOpenAtBroker(slice)

/** Whether it is over and has an unfilled quantity that was neither given up nor taken over. */
export const isMissing = (slice: RunningSlice): boolean =>
  !isScheduled(slice) && !isPending(slice) && !slice.isWaived && restOfSlice(slice) > 0

export const restOfSlice = ({ quantity, filledQuantity, carriedQuantity }: RunningSlice): number =>
  Math.max(0, quantity - filledQuantity - carriedQuantity)

export const restOfSlices = (slices: ReadonlyArray<RunningSlice>): number =>
  slices.reduce((sum, slice) => sum + restOfSlice(slice), 0)
