import { DateTime, Result } from "effect"
import { openTimeOf } from "../../market/orderTime.ts"
import { firstOpen, tradingMillisBetween } from "../../market/TradingTime.ts"
import { maxQuantity } from "../../model/Order.ts"
import { hasDerivatives, type OrderPlan, planRequest } from "../planOrder.ts"
import { restOf } from "../schedule/Curve.ts"
import { isScheduled, type PlanningContext, type Replan, type RunningOrder, type RunningSlice } from "./RunningOrder.ts"

/** The part of an order's window that is left, in the time in which its schedule runs. */
export interface RestOfWindow {
  /** Now, or when the order begins or its market opens, or so long after what was sent last that the gap is kept. */
  readonly startsAt: DateTime.Utc
  /** 0 when the window is over. */
  readonly millis: number
  /** The share of the latest plan's window that is over. */
  readonly elapsed: number
}

/** What is left of the window, beginning at least so long after the last slice that was sent, and not before a moment. */
export const restOfWindow = (
  running: RunningOrder,
  context: PlanningContext,
  gapMillis: number,
  notBeforeMillis = -Infinity
): Result.Result<RestOfWindow, string> => {
  const { plan, slices, order } = running
  const { rules, market, now } = context
  const timed = { ...order, hasDerivatives: hasDerivatives(market) }
  // From the plan's start on, so that what is over of its window can be told.
  const open = Result.mapError(openTimeOf(timed, rules.calendar, plan.startsAt), ({ text }) => text)
  return Result.map(open, ({ time }) => {
    const sent = slices.filter(({ stage }) => stage === "IN_PROGRESS" || stage === "PROCESSED")
    const last = Math.max(...sent.map(({ scheduledMillis }) => scheduledMillis), -Infinity)
    const start = DateTime.toEpochMillis(plan.startsAt)
    const from = Math.ceil(Math.max(DateTime.toEpochMillis(now), start, last + gapMillis, notBeforeMillis))
    const opens = firstOpen(time, from) ?? from
    const end = Math.max(opens, DateTime.toEpochMillis(plan.endsAt))
    const [whole, over] = [tradingMillisBetween(time, start, end), tradingMillisBetween(time, start, opens)]
    return {
      startsAt: DateTime.makeUnsafe(opens),
      millis: Math.floor(tradingMillisBetween(time, opens, end)),
      elapsed: whole > 0 ? Math.min(1, over / whole) : 0
    }
  })
}

/** What is made up for, or amended, never comes at more than this many times the intended pace: nothing ends in a burst. */
export const maxPace = 3

/** A third of the intended interval: a new plan brings no two slices closer, but for what completes an order. */
export const minGapOf = ({ intended }: RunningOrder): number =>
  Math.max(intended.leastGapMillis, intended.windowMillis / intended.numSlices / maxPace)

/** What a new plan is to be made of, and for. */
export interface Rest extends Pick<Replan, "carried" | "waived" | "limitPrice">, Pick<OrderPlan, "cause" | "note"> {
  readonly quantity: number
  readonly numSlices: number
  /** In trading time, from the start of what is left of the window on. */
  readonly windowMillis: number
  /** At least so far apart, or farther where the desk wants it. */
  readonly leastGapMillis: number
}

export const planRest = (
  running: RunningOrder,
  context: PlanningContext,
  window: RestOfWindow,
  rest: Rest
): Result.Result<Replan, string> => {
  const { order, plan, slices } = running
  const { rules, market } = context
  const { quantity, numSlices, limitPrice, carried, waived, cause, note } = rest
  const revision = plan.revision + 1
  const isCarried = new Set<string>(carried)
  const kept = (slice: RunningSlice) =>
    isCarried.has(slice.id) ? slice.filledQuantity : slice.quantity - slice.carriedQuantity
  const totalQuantity = slices
    .filter((slice) => !isScheduled(slice))
    .reduce((sum, slice) => sum + kept(slice), quantity)
  // Whatever raced with this: only a person makes an order larger or smaller.
  if (cause !== "AMENDMENT" && totalQuantity !== order.totalQuantity) {
    return Result.fail(
      `total_quantity: is ${order.totalQuantity}, but with the new plan its slices would come to ${totalQuantity}`
    )
  }
  if (totalQuantity > maxQuantity) {
    return Result.fail(`total_quantity: would be ${totalQuantity}; ${maxQuantity} is the most there can be`)
  }
  const request = {
    orderId: order.id,
    seed: `${order.planSeed ?? order.id}#${revision}`,
    totalQuantity: quantity,
    numSlices,
    windowMillis: rest.windowMillis,
    randomize: order.randomize,
    curve: restOf(plan.input.curve, window.elapsed),
    firstSequence: running.nextSequence,
    revision,
    startsAt: window.startsAt,
    now: context.now,
    cause,
    note
  }
  const spaced = {
    ...rules,
    leastGapMillis: Math.max(rules.leastGapMillis, Math.floor(rest.leastGapMillis))
  }
  const planned = Result.mapError(
    planRequest(request, { ...order, totalQuantity, limitPrice }, spaced, market),
    ({ text }) => text
  )
  return Result.map(planned, (made) => ({
    _tag: "Replan",
    plan:
      cause === "CARRY" || cause === "LATENESS"
        ? { ...made, completeMillis: keptCompletion(made, plan.completesAt) }
        : made,
    totalQuantity,
    limitPrice,
    carried,
    waived
  }))
}

/** What makes up for something does not move the moment of completion. */
const keptCompletion = ({ startsAt, completeMillis }: OrderPlan, completesAt: DateTime.Utc | null): number | null =>
  completeMillis === null || startsAt === null || completesAt === null
    ? completeMillis
    : Math.max(0, DateTime.toEpochMillis(completesAt) - DateTime.toEpochMillis(startsAt))
