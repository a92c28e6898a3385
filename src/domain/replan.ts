import { BigDecimal, DateTime, Duration, Result, Schema } from "effect"
import { SliceId } from "./Ids.ts"
import { type Price, type SplittableOrder, maxSplits } from "./Order.ts"
import { Stage } from "./OrderSlice.ts"
import { type Market, type OrderPlan, type PlanCause, type PlanningRules, planRequest } from "./planOrder.ts"
import { restOf } from "./schedule/Curve.ts"
import type { ScheduleInput } from "./schedule/Schedule.ts"

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
    readonly cause: PlanCause
    readonly input: ScheduleInput
    readonly startsAt: DateTime.Utc
    readonly endsAt: DateTime.Utc
  }
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
}

/** Nothing more will happen to the order. */
export interface Settled {
  readonly _tag: "Settled"
  /** What is not filled, and nobody gave up. */
  readonly shortfall: number
  /** Why it could not be made up for; null when that was not wanted. */
  readonly reason: string | null
}

/** What to change of the part of an order that has not been sent; null leaves it as it is. */
export interface Amendment {
  readonly remainingQuantity: number | null
  readonly numSlices: number | null
  /** From now on. */
  readonly remainingWindow: Duration.Duration | null
  readonly limitPrice: Price | null
  /** Who asked, and why. */
  readonly note: string
}

export interface PlanningContext {
  readonly rules: PlanningRules
  readonly market: Market
  readonly now: DateTime.Utc
}

/** A new plan for what has not been sent, as amended; null when that changes nothing. */
export const amend = (
  running: RunningOrder,
  amendment: Amendment,
  context: PlanningContext
): Result.Result<Replan | null, string> => {
  const { order, plan } = running
  const scheduled = running.slices.filter(isScheduled)
  const quantity = amendment.remainingQuantity ?? sumOf(scheduled, restOfSlice)
  const limitPrice = amendment.limitPrice ?? order.limitPrice
  if (scheduled.length === 0) return Result.fail("nothing of the order is still to be sent: submit a new one")
  if (amendment.limitPrice !== null && order.orderType === "MARKET") {
    return Result.fail("limit_price: must be empty for a MARKET order")
  }
  const numSlices = amendment.numSlices ?? Math.min(scheduled.length, Math.max(1, lotsIn(quantity, plan.input)))
  const changesNothing =
    quantity === sumOf(scheduled, restOfSlice) &&
    numSlices === scheduled.length &&
    amendment.remainingWindow === null &&
    priceOf(limitPrice) === priceOf(order.limitPrice)
  if (changesNothing) return Result.succeed(null)
  return planRest(running, context, {
    quantity,
    numSlices,
    endsAt:
      amendment.remainingWindow === null ? plan.endsAt : DateTime.addDuration(context.now, amendment.remainingWindow),
    limitPrice,
    carried: [],
    cause: "AMENDMENT",
    note: amendment.note
  })
}

/**
 * What is to be done about what is missing of an order, by its own choice: carry it into later slices, complete it at the
 * window's end, or note that nothing more will happen. Null when that is for later.
 */
export const followThrough = (running: RunningOrder, context: PlanningContext): Replan | Settled | null => {
  const { plan, slices, order } = running
  const isOver = DateTime.isGreaterThanOrEqualTo(context.now, plan.endsAt)
  const carryable = plan.cause === "COMPLETION" ? [] : slices.filter((slice) => mayCarry(order, slice))
  const carried = carryable.length === 0 || isOver ? null : carry(running, carryable, context)
  if (carried !== null && Result.isSuccess(carried)) return carried.success
  if (slices.some((slice) => isScheduled(slice) || isPending(slice))) return null

  const shortfall = sumOf(slices.filter(isMissing), restOfSlice)
  const isDone = shortfall === 0 || plan.cause === "COMPLETION"
  if (!isDone && order.completion === "CROSS") {
    if (!isOver) return null
    const completed = complete(running, shortfall, context)
    if (Result.isSuccess(completed)) return completed.success
    return { _tag: "Settled", shortfall, reason: `it cannot be completed: ${completed.failure}` }
  }
  const reason = carried !== null && Result.isFailure(carried) ? `it cannot be carried: ${carried.failure}` : null
  return { _tag: "Settled", shortfall, reason }
}

/** The rest of finished slices goes into the scheduled ones; new ones are made only where these would grow too large. */
const carry = (running: RunningOrder, carryable: ReadonlyArray<RunningSlice>, context: PlanningContext) => {
  const { plan, slices } = running
  const scheduled = slices.filter(isScheduled)
  const quantity = sumOf(scheduled, restOfSlice) + sumOf(carryable, restOfSlice)
  const plannedGap = plan.input.windowMillis / plan.input.numSlices
  // Never closer than a third of the planned interval: what is carried must not end in a burst.
  const leastGap = Math.max(plan.input.leastGapMillis, plannedGap / 3)
  const left = DateTime.toEpochMillis(plan.endsAt) - DateTime.toEpochMillis(startOf(running, context))
  const most = Math.max(scheduled.length, 1, leastGap === 0 ? maxSplits : Math.floor(left / leastGap))
  const asPlanned = Math.ceil(quantity / (plan.input.totalQuantity / plan.input.numSlices))
  return planRest(running, context, {
    quantity,
    numSlices: Math.min(Math.max(asPlanned, scheduled.length), most, Math.max(1, lotsIn(quantity, plan.input))),
    endsAt: plan.endsAt,
    limitPrice: running.order.limitPrice,
    carried: carryable.map(({ id }) => id),
    cause: "CARRY",
    note: null
  })
}

/** Everything that is missing, at the market, at once: in no more slices than the largest allowed one needs. */
const complete = (running: RunningOrder, shortfall: number, context: PlanningContext) => {
  const { largestSlice, leastGapMillis } = running.plan.input
  const numSlices = largestSlice === null ? 1 : Math.ceil(shortfall / largestSlice)
  return planRest(
    { ...running, order: { ...running.order, orderType: "MARKET", limitPrice: null, randomize: false } },
    context,
    {
      quantity: shortfall,
      numSlices,
      endsAt: DateTime.addDuration(startOf(running, context), Duration.millis((numSlices - 1) * leastGapMillis)),
      limitPrice: null,
      carried: running.slices.filter(isMissing).map(({ id }) => id),
      cause: "COMPLETION",
      note: null
    }
  )
}

interface Rest extends Pick<Replan, "carried" | "limitPrice">, Pick<OrderPlan, "cause" | "note"> {
  readonly quantity: number
  readonly numSlices: number
  readonly endsAt: DateTime.Utc
}

const planRest = (
  running: RunningOrder,
  { rules, market, now }: PlanningContext,
  { quantity, numSlices, endsAt, limitPrice, carried, cause, note }: Rest
): Result.Result<Replan, string> => {
  const { order, plan, slices } = running
  const startsAt = startOf(running, { rules, market, now })
  const windowMillis = DateTime.toEpochMillis(endsAt) - DateTime.toEpochMillis(startsAt)
  if (windowMillis < 0) return Result.fail("duration_minutes: the order's window is over; give it a new one")
  const revision = plan.revision + 1
  const isCarried = new Set<string>(carried)
  const kept = slices.filter((slice) => !isScheduled(slice))
  const totalQuantity =
    quantity +
    sumOf(kept, (slice) => (isCarried.has(slice.id) ? slice.filledQuantity : slice.quantity - slice.carriedQuantity))
  const request = {
    orderId: order.id,
    seed: `${order.planSeed ?? order.id}#${revision}`,
    totalQuantity: quantity,
    numSlices,
    windowMillis,
    randomize: order.randomize,
    curve: restOf(plan.input.curve, elapsedShare(plan, startsAt)),
    firstSequence: running.nextSequence,
    revision,
    startsAt,
    cause,
    note
  }
  return Result.map(planRequest(request, { ...order, totalQuantity, limitPrice }, rules, market), (planned) => ({
    _tag: "Replan",
    plan: planned,
    totalQuantity,
    limitPrice,
    carried
  }))
}

/** Now, or so long after what is being sent that the least gap is kept. */
const startOf = ({ slices, plan }: RunningOrder, { now }: PlanningContext): DateTime.Utc => {
  const sent = slices.filter((slice) => slice.stage === "IN_PROGRESS" || slice.stage === "PROCESSED")
  const last = Math.max(...sent.map(({ scheduledMillis }) => scheduledMillis), -Infinity)
  return DateTime.makeUnsafe(Math.max(DateTime.toEpochMillis(now), Math.ceil(last + plan.input.leastGapMillis)))
}

const elapsedShare = ({ startsAt, endsAt }: RunningOrder["plan"], at: DateTime.Utc): number => {
  const [start, end] = [DateTime.toEpochMillis(startsAt), DateTime.toEpochMillis(endsAt)]
  return end === start ? 0 : Math.min(1, Math.max(0, (DateTime.toEpochMillis(at) - start) / (end - start)))
}

const isScheduled = ({ stage }: RunningSlice): boolean => stage === "SCHEDULED"

/** Something may still come of it: a placement, or a fill. */
const isPending = ({ stage, brokerIsFinal }: RunningSlice): boolean =>
  stage === "IN_PROGRESS" || (stage === "PROCESSED" && !brokerIsFinal)

const isMissing = (slice: RunningSlice): boolean =>
  !isScheduled(slice) && !isPending(slice) && !slice.isWaived && restOfSlice(slice) > 0

/** Only what can no longer be filled: a slice whose outcome is unknown, or that is open, keeps its quantity reserved. */
const mayCarry = ({ carryUnfilled, carryRejected }: SplittableOrder, slice: RunningSlice): boolean => {
  if (!isMissing(slice) || slice.stage === "SKIPPED") return false
  return slice.stage === "FAILED" || slice.isRejected ? carryRejected : carryUnfilled
}

const restOfSlice = ({ quantity, filledQuantity, carriedQuantity }: RunningSlice): number =>
  Math.max(0, quantity - filledQuantity - carriedQuantity)

const sumOf = (slices: ReadonlyArray<RunningSlice>, count: (slice: RunningSlice) => number): number =>
  slices.reduce((sum, slice) => sum + count(slice), 0)

const lotsIn = (quantity: number, { lotSize }: ScheduleInput): number => Math.floor(quantity / lotSize)

const priceOf = (price: Price | null): string => (price === null ? "" : BigDecimal.format(BigDecimal.normalize(price)))
