import { DateTime, Duration, Option, Result } from "effect"
import { maxSplits, type SplittableOrder } from "../../model/Order.ts"
import { because, type Reason } from "../../model/reason.ts"
import { minGapOf, maxPace, planRest, type RestOfWindow, restOfWindow } from "./planRest.ts"
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

/** A completion that was not filled or not taken is tried again so often. */
const maxCompletions = 10

/**
 * What is to be done about an order whose day does not go to plan, by its own choice: spread late slices anew, carry what is
 * missing into later slices, complete it at the window's end, or note that nothing more will happen. Null when that is for
 * later. Fails when a plan that is due cannot be made.
 */
export const followThrough = (
  running: RunningOrder,
  context: PlanningContext
): Result.Result<OrderChange | null, string> => {
  const { plan, slices, order } = running
  // A daemon without a calendar leaves what was planned with one to the others.
  if (plan.keepsHours && context.rules.calendar === null) return Result.succeed(null)
  const completesNow = plan.completesAt !== null && DateTime.isGreaterThanOrEqualTo(context.now, plan.completesAt)
  const rest = slices.filter((slice) => isMissing(slice) || isScheduled(slice))
  const isWaiting = slices.some(isPending)
  const isSettling = slices.some((slice) => isPending(slice) && mayBeWaitedFor(slice, running, context))
  // A completion that was not sent yet is not made anew, nor one that the broker refuses.
  const isRefused =
    plan.cause === "COMPLETION" &&
    rest.some(
      ({ sequenceNumber, stage, isRejected }) =>
        sequenceNumber >= plan.firstSequence && (stage === "FAILED" || stage === "SKIPPED" || isRejected)
    )
  // What came back from doubt too late for its own plan is never sent as it is, but completed with the rest.
  const isUnsent = slices.some((slice) => isScheduled(slice) && !slice.isLate)
  const isReady = !isSettling && !isRefused && (plan.cause !== "COMPLETION" || !isUnsent)
  const completed = completesNow && isReady && rest.length > 0 ? complete(running, rest, context) : null
  if (completed !== null && Result.isSuccess(completed)) return completed

  // What is completed soon needs no other plan, and what cannot be completed is still sent as planned.
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
  const problem = isRefused ? "what was to complete it was refused, or not sent" : failure
  const reason: Reason | null =
    problem === null
      ? whyMissing(running, rest)
      : because("completion_impossible", `it cannot be completed: ${problem}`)
  return Result.succeed({ _tag: "Settled", shortfall: restOfSlices(rest), reason })
}

/**
 * Whether a completion waits for it: a placement or a cancel that is under way, for some seconds. The quantity of what is in doubt,
 * or does not go, stays reserved, and all else is completed without it.
 */
const mayBeWaitedFor = (slice: RunningSlice, { plan }: RunningOrder, { now }: PlanningContext): boolean =>
  !slice.isInDoubt &&
  plan.completesAt !== null &&
  DateTime.isLessThan(now, DateTime.addDuration(plan.completesAt, patience))

const patience = Duration.seconds(20)

/** Null when nobody wanted it made up for. */
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
 * The SCHEDULED slices over what is left of the window, at no more than three times the planned pace. The last ones that do
 * not fit are given up first; the rest is then planned anew.
 */
const respread = (running: RunningOrder, context: PlanningContext): Result.Result<OrderChange, string> =>
  Result.flatMap(restOfWindow(running, context, minGapOf(running)), (window): Result.Result<OrderChange, string> => {
    const scheduled = running.slices.filter(isScheduled)
    const fitting = window.millis === 0 ? 0 : slotsIn(running, window)
    const tooMany = scheduled.slice(fitting).map(({ id }) => id)
    if (tooMany.length > 0) return Result.succeed({ _tag: "GiveUp", slices: tooMany, reason: noRoom })
    return planRest(running, context, window, {
      quantity: restOfSlices(scheduled),
      numSlices: scheduled.length,
      windowMillis: window.millis,
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
 * The rest of finished slices goes into the scheduled ones; new ones are made only where these would grow too large. Null
 * when nothing of it fits: more may fit when what is scheduled has been sent.
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
  const most = Math.max(average, before, (maxPace * totalQuantity * window.millis) / Math.max(1, windowMillis))
  const fitting: Array<RunningSlice> = []
  let quantity = before
  for (const slice of carryable) {
    if (!isWholeLots(slice, lotSize) || quantity + restOfSlice(slice) > most) continue
    quantity += restOfSlice(slice)
    fitting.push(slice)
  }
  if (fitting.length === 0) return null
  const asPlanned = Math.ceil(quantity / average)
  const slots = Math.max(scheduled.length, 1, slotsIn(running, window))
  const planned = planRest(running, context, window, {
    quantity,
    numSlices: Math.min(Math.max(asPlanned, scheduled.length, 1), slots, Math.max(1, Math.floor(quantity / lotSize))),
    windowMillis: window.millis,
    leastGapMillis: 0,
    limitPrice: running.order.limitPrice,
    carried: fitting.map(({ id }) => id),
    waived: [],
    cause: "CARRY",
    note: null
  })
  return Result.isSuccess(planned) ? Result.succeed(planned.success) : null
}

/** So that not each fill makes a new plan, one intended interval lies between two, while more than one slice is to come. */
const isTooSoon = ({ plan, intended, slices }: RunningOrder, { now }: PlanningContext): boolean =>
  plan.cause === "CARRY" &&
  slices.filter(isScheduled).length > 1 &&
  DateTime.toEpochMillis(now) < DateTime.toEpochMillis(plan.startsAt) + intended.windowMillis / intended.numSlices

/** Everything that is missing, at the market, at once: in no more slices than the largest allowed one needs. */
const complete = (
  running: RunningOrder,
  rest: ReadonlyArray<RunningSlice>,
  context: PlanningContext
): Result.Result<Replan, string> =>
  Result.flatMap(
    restOfWindow(running, context, context.rules.leastGapMillis),
    (window): Result.Result<Replan, string> => {
      if (running.completions === maxCompletions) return Result.fail(`it was tried ${maxCompletions} times`)
      const { leastGapMillis, preTrade } = context.rules
      const { lotSize, largestSlice } = running.plan.input
      const whole = rest.filter((slice) => isWholeLots(slice, lotSize))
      if (whole.length === 0) return Result.fail(noWholeLots(lotSize))
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
        carried: whole.filter((slice) => !isScheduled(slice)).map(({ id }) => id),
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

/** Only what can no longer be filled: a slice whose outcome is unknown, or that is open, keeps its quantity reserved. */
const mayCarry = ({ carryUnfilled, carryRejected }: SplittableOrder, slice: RunningSlice): boolean => {
  if (!isMissing(slice) || slice.stage === "SKIPPED") return false
  return slice.stage === "FAILED" || slice.isRejected ? carryRejected : carryUnfilled
}
