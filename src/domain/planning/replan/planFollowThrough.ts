import { DateTime, Duration, Option, Result } from "effect"
import { waitingForCalendar } from "../../market/orderTime.ts"
import { maxSplits, type SplittableOrder } from "../../model/Order.ts"
import { because, type Reason } from "../../model/reason.ts"
import { minGapOf, maxPace, planRest, type RestOfWindow, restOfWindow, unknownDays } from "./planRest.ts"
import {
  isMissing,
  isPending,
  isScheduled,
  type OrderChange,
  type PlanningContext,
  type Replan,
  restOfSlice,
  restOfSlices,
  type RunningOrder,
  type RunningSlice
} from "./RunningOrder.ts"

/** How often a completion that was not filled or not accepted is repeated. */
const maxCompletions = 10

/**
 * Decides how an order that deviates from its plan continues, as the order asks: respread late slices, carry unfilled
 * quantity into later slices, complete it at the window's end, or declare the order finished. Null if nothing is to be done
 * yet. Fails if a plan that is due cannot be made; one that needs days which the calendar does not know is waited for instead.
 * The monitor's followThrough calls it.
 */
export const planFollowThrough = (
  running: RunningOrder,
  context: PlanningContext
): Result.Result<OrderChange | null, string> => {
  const decided = decide(running, context)
  if (Result.isSuccess(decided)) return Result.succeed(decided.success)
  const { code, text } = decided.failure
  if (code !== "calendar_ends") return Result.fail(text)
  const waits: OrderChange = { _tag: "Waits", reason: waitingForCalendar(decided.failure) }
  return Result.succeed(running.waitsForCalendar ? null : waits)
}

const decide = (running: RunningOrder, context: PlanningContext): Result.Result<OrderChange | null, Reason> => {
  const { plan, slices, order } = running
  // A daemon without a calendar leaves orders that were planned with one to other daemons.
  if (plan.keepsHours && context.rules.calendar === null) return Result.succeed(null)
  const unknown = unknownDays(running, context)
  if (unknown !== null) return Result.fail(unknown)
  const completesNow = plan.completesAt !== null && DateTime.isGreaterThanOrEqualTo(context.now, plan.completesAt)
  const rest = slices.filter((slice) => isMissing(slice) || isScheduled(slice))
  const isWaiting = slices.some(isPending)
  const isUndecided = slices.some((slice) => isPending(slice) && mayBeWaitedFor(slice, running, context))
  // A completion that the broker refused, or that was skipped, is not repeated.
  const isRefused =
    plan.cause === "COMPLETION" &&
    rest.some(
      ({ sequenceNumber, stage, isRejected }) =>
        sequenceNumber >= plan.firstSequence && (stage === "FAILED" || stage === "SKIPPED" || isRejected)
    )
  // A completion that was not sent yet is not repeated either. A late slice that came back from doubt is completed with the rest.
  const isUnsent = slices.some((slice) => isScheduled(slice) && !slice.isLate)
  const isReady = !isUndecided && !isRefused && (plan.cause !== "COMPLETION" || !isUnsent)
  const completed = completesNow && isReady && rest.length > 0 ? complete(running, rest, context) : null
  if (completed !== null && Result.isSuccess(completed)) return completed

  // An order that is completed soon needs no other plan; one that cannot be completed is still sent as planned.
  const isCompletedSoon = completesNow && completed === null && !isRefused
  if (!isCompletedSoon && slices.some((slice) => isScheduled(slice) && slice.isLate)) return respread(running, context)

  const isOver = completesNow || DateTime.isGreaterThanOrEqualTo(context.now, plan.endsAt)
  if (!isOver && plan.cause !== "COMPLETION") {
    const carryable = slices.filter((slice) => mayCarry(order, slice))
    const carried = carryable.length === 0 || isTooSoon(running, context) ? null : carry(running, carryable, context)
    if (carried !== null) return carried
  }
  if (isWaiting || slices.some(isScheduled)) return Result.succeed(null)
  if (plan.completesAt !== null && !completesNow && !isRefused && rest.length > 0) return Result.succeed(null)
  const failure = completed === null ? null : completed.failure
  if (failure?.code === "calendar_ends" && !isRefused) return Result.fail(failure)
  const problem = isRefused ? "what was to complete it was refused, or not sent" : (failure?.text ?? null)
  const reason =
    problem === null
      ? whyMissing(running, rest)
      : because("completion_impossible", `it cannot be completed: ${problem}`)
  return Result.succeed({ _tag: "Finished", unfilled: restOfSlices(rest), reason })
}

/**
 * Whether a completion waits for this pending slice: for {@link completionWait}, if a placement or cancel is in flight. A slice in
 * doubt is not waited for; its quantity stays reserved, and the rest is completed without it.
 */
const mayBeWaitedFor = (slice: RunningSlice, { plan }: RunningOrder, { now }: PlanningContext): boolean =>
  !slice.isInDoubt &&
  plan.completesAt !== null &&
  DateTime.isLessThan(now, DateTime.addDuration(plan.completesAt, completionWait))

const completionWait = Duration.seconds(20)

/** Why the unfilled quantity was not carried; null if the order did not ask for that. */
const whyMissing = ({ plan, order }: RunningOrder, rest: ReadonlyArray<RunningSlice>): Reason | null => {
  const wanted = rest.filter((slice) => mayCarry(order, slice))
  if (wanted.length === 0) return null
  return wanted.every((slice) => !isWholeLots(slice, plan.input.lotSize))
    ? because("not_whole_lots", noWholeLots(plan.input.lotSize))
    : because("no_room", "there was no room for it in what was left of the window")
}

const isWholeLots = (slice: RunningSlice, lotSize: number): boolean => restOfSlice(slice) % lotSize === 0

const noWholeLots = (lotSize: number): string => `it is not in whole lots of ${lotSize}`

/**
 * Respreads the SCHEDULED slices over the rest of the window, at no more than {@link maxPace} times the planned pace. If some do
 * not fit, the last ones are given up first, and the next pass respreads the others.
 */
const respread = (running: RunningOrder, context: PlanningContext): Result.Result<OrderChange, Reason> =>
  Result.flatMap(restOfWindow(running, context, minGapOf(running)), (window): Result.Result<OrderChange, Reason> => {
    const scheduled = running.slices.filter(isScheduled)
    const fitting = window.millis === 0 ? 0 : slotsIn(running, window)
    const tooMany = scheduled.slice(fitting).map(({ id }) => id)
    if (tooMany.length > 0) return Result.succeed({ _tag: "GiveUp", slices: tooMany, reason: noRoom })
    return planRest(running, context, window, {
      quantity: restOfSlices(scheduled),
      numSlices: scheduled.length,
      windowMillis: window.windowMillis,
      leastGapMillis: minGapOf(running),
      limitPrice: running.order.limitPrice,
      carried: [],
      waived: [],
      cause: "LATENESS",
      note: null
    })
  })

const noRoom: Reason = because("no_room", "too late: no room for it in what is left of the window")

/**
 * Carries the unfilled quantity of finished slices into the scheduled ones; slices are added only if these would grow too large.
 * Null if nothing fits now: more may fit after the next slices have been sent.
 */
const carry = (
  running: RunningOrder,
  carryable: ReadonlyArray<RunningSlice>,
  context: PlanningContext
): Result.Result<Replan> | null => {
  const { intended, slices } = running
  const window = Option.getOrNull(Result.getSuccess(restOfWindow(running, context, minGapOf(running))))
  if (window === null || window.millis === 0) return null
  const { totalQuantity, numSlices, windowMillis, lotSize } = intended
  const scheduled = slices.filter(isScheduled)
  const before = restOfSlices(scheduled)
  const average = totalQuantity / numSlices
  const max = Math.max(average, before, (maxPace * totalQuantity * window.millis) / Math.max(1, windowMillis))
  const fitting: Array<RunningSlice> = []
  let quantity = before
  for (const slice of carryable) {
    if (!isWholeLots(slice, lotSize) || quantity + restOfSlice(slice) > max) continue
    quantity += restOfSlice(slice)
    fitting.push(slice)
  }
  if (fitting.length === 0) return null
  const asPlanned = Math.ceil(quantity / average)
  const slots = Math.max(scheduled.length, 1, slotsIn(running, window))
  const planned = planRest(running, context, window, {
    quantity,
    numSlices: Math.min(Math.max(asPlanned, scheduled.length, 1), slots, Math.max(1, Math.floor(quantity / lotSize))),
    windowMillis: window.windowMillis,
    leastGapMillis: 0,
    limitPrice: running.order.limitPrice,
    carried: fitting,
    waived: [],
    cause: "CARRY",
    note: null
  })
  return Result.isSuccess(planned) ? Result.succeed(planned.success) : null
}

/** Whether the last carry is less than one intended interval ago, so that not every fill causes a new plan. */
const isTooSoon = ({ plan, intended, slices }: RunningOrder, { now }: PlanningContext): boolean =>
  plan.cause === "CARRY" &&
  slices.filter(isScheduled).length > 1 &&
  DateTime.toEpochMillis(now) < DateTime.toEpochMillis(plan.startsAt) + intended.windowMillis / intended.numSlices

/** Completes the order: all unfilled quantity at the market at once, in as few slices as the slice limits allow. */
const complete = (
  running: RunningOrder,
  rest: ReadonlyArray<RunningSlice>,
  context: PlanningContext
): Result.Result<Replan, Reason> =>
  Result.flatMap(
    restOfWindow(running, context, context.rules.leastGapMillis),
    (window): Result.Result<Replan, Reason> => {
      if (running.completions === maxCompletions) {
        return Result.fail(because("completion_impossible", `it was tried ${maxCompletions} times`))
      }
      const { leastGapMillis, preTrade } = context.rules
      const { lotSize, largestSlice } = running.plan.input
      const whole = rest.filter((slice) => isWholeLots(slice, lotSize))
      if (whole.length === 0) return Result.fail(because("not_whole_lots", noWholeLots(lotSize)))
      const quantity = restOfSlices(whole)
      const allowed = Option.getOrElse(preTrade.sliceQuantity, () => Infinity)
      const maxLots = Math.floor(Math.min(largestSlice ?? Infinity, allowed) / lotSize)
      const numSlices = Math.max(1, Math.ceil(quantity / lotSize / Math.max(1, maxLots)))
      const order: SplittableOrder = { ...running.order, orderType: "MARKET", limitPrice: null, randomize: false }
      return planRest({ ...running, order }, context, window, {
        quantity,
        numSlices,
        windowMillis: (numSlices - 1) * leastGapMillis,
        leastGapMillis: 0,
        limitPrice: null,
        carried: whole.filter((slice) => !isScheduled(slice)),
        waived: [],
        cause: "COMPLETION",
        note: null
      })
    }
  )

const slotsIn = (running: RunningOrder, { millis }: RestOfWindow): number => {
  const gap = minGapOf(running)
  return gap === 0 ? maxSplits : Math.floor(millis / gap) + (running.order.randomize ? 0 : 1)
}

/**
 * Whether a slice's unfilled quantity may be carried: it must be final. A slice in doubt or open at the broker keeps its quantity
 * reserved.
 */
const mayCarry = ({ carryUnfilled, carryRejected }: SplittableOrder, slice: RunningSlice): boolean => {
  if (!isMissing(slice) || slice.stage === "SKIPPED") return false
  return slice.stage === "FAILED" || slice.isRejected ? carryRejected : carryUnfilled
}
