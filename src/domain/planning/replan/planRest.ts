import { DateTime, Result } from "effect"
import { openTimeOf } from "../../market/orderTime.ts"
import { calendarEnds, endsBefore } from "../../market/TradingCalendar.ts"
import { firstOpen, tradingMillisBetween } from "../../market/TradingTime.ts"
import { venueOf } from "../../market/Venue.ts"
import { maxQuantity } from "../../model/Order.ts"
import { because, type Reason } from "../../model/reason.ts"
import { hasDerivatives, type OrderPlan, planRequest } from "../planOrder.ts"
import { restOf } from "../schedule/Curve.ts"
import { isScheduled, type PlanningContext, type Replan, type RunningOrder, type RunningSlice } from "./RunningOrder.ts"

/** The rest of an order's window, in trading time. */
export interface RestOfWindow {
  /** The latest of: now, the plan's start, the venue's open, and the gap after the last slice that was sent. */
  readonly startsAt: DateTime.Utc
  /** How long slices may be due in it; 0 if the window is over. */
  readonly millis: number
  /** The same with the margins of sessions: a new plan with this window ends when the order's window does. */
  readonly windowMillis: number
  /** The elapsed share of the latest plan's window. */
  readonly elapsed: number
}

/**
 * Why the rest of the window cannot be planned: the calendar, if there is one, ends before the window does, and slices would be
 * given up for that. Null if it does not, or the window is over.
 */
export const unknownDays = ({ order, plan }: RunningOrder, { rules, market, now }: PlanningContext): Reason | null => {
  const { calendar } = rules
  const venue = venueOf(order.instrument, hasDerivatives(market))
  const isUnknown =
    plan.keepsHours &&
    DateTime.isLessThan(now, plan.endsAt) &&
    venue !== null &&
    calendar !== null &&
    endsBefore(calendar, venue, DateTime.toEpochMillis(plan.endsAt) - 1)
  return isUnknown ? because("calendar_ends", calendarEnds(calendar, venue).message) : null
}

/** The rest of the window, from `gapMillis` after the last slice that was sent, and not before `notBeforeMillis`. */
export const restOfWindow = (
  running: RunningOrder,
  context: PlanningContext,
  gapMillis: number,
  notBeforeMillis = -Infinity
): Result.Result<RestOfWindow, Reason> => {
  const { plan, slices, order } = running
  const { rules, market, now } = context
  const timed = { ...order, hasDerivatives: hasDerivatives(market) }
  // From the plan's start, so that the elapsed share of its window can be computed.
  return Result.map(openTimeOf(timed, rules, plan.startsAt), ({ hours, time }) => {
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
      windowMillis: Math.floor(tradingMillisBetween(hours, opens, end)),
      elapsed: whole > 0 ? Math.min(1, over / whole) : 0
    }
  })
}

/** Catch-up and amended slices never exceed this multiple of the intended pace, so that nothing ends in a burst. */
export const maxPace = 3

/** A third of the intended interval: the minimum gap of every new plan, except a completion. */
export const minGapOf = ({ intended }: RunningOrder): number =>
  Math.max(intended.leastGapMillis, intended.windowMillis / intended.numSlices / maxPace)

/** The quantity, window and purpose of a new plan. */
export interface Rest extends Pick<Replan, "carried" | "waived" | "limitPrice">, Pick<OrderPlan, "cause" | "note"> {
  readonly quantity: number
  readonly numSlices: number
  /** In trading time, from the start of the rest of the window. */
  readonly windowMillis: number
  /** The minimum gap between slices; the configured gap applies if it is larger. */
  readonly leastGapMillis: number
}

export const planRest = (
  running: RunningOrder,
  context: PlanningContext,
  window: RestOfWindow,
  rest: Rest
): Result.Result<Replan, Reason> => {
  const { order, plan, slices } = running
  const { rules, market } = context
  const { quantity, numSlices, limitPrice, carried, waived, cause, note } = rest
  const revision = plan.revision + 1
  const isCarried = new Set<string>(carried.map(({ id }) => id))
  const kept = (slice: RunningSlice) =>
    isCarried.has(slice.id) ? slice.filledQuantity : slice.quantity - slice.carriedQuantity
  const totalQuantity = slices
    .filter((slice) => !isScheduled(slice))
    .reduce((sum, slice) => sum + kept(slice), quantity)
  // Guards against races: only an amendment may change the total quantity.
  if (cause !== "AMENDMENT" && totalQuantity !== order.totalQuantity) {
    return Result.fail(
      because(
        "internal_error",
        `total_quantity: is ${order.totalQuantity}, but with the new plan its slices would come to ${totalQuantity}`
      )
    )
  }
  if (totalQuantity > maxQuantity) {
    const text = `total_quantity: would be ${totalQuantity}; ${maxQuantity} is the most there can be`
    return Result.fail(because("invalid_order", text))
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
  const planned = planRequest(request, { ...order, totalQuantity, limitPrice }, spaced, market)
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

/** Respreading and carrying do not move the time of completion. */
const keptCompletion = ({ startsAt, completeMillis }: OrderPlan, completesAt: DateTime.Utc | null): number | null =>
  completeMillis === null || startsAt === null || completesAt === null
    ? completeMillis
    : Math.max(0, DateTime.toEpochMillis(completesAt) - DateTime.toEpochMillis(startsAt))
