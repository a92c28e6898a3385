import { DateTime, Option, Result } from "effect"
import { maxSplits, type SplittableOrder } from "../Order.ts"
import { planRest, type RestOfWindow, restOfWindow } from "./planRest.ts"
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

/** What is made up for never comes at more than this many times the planned pace: no outage ends in a burst. */
const mostPace = 3

/** A completion that was not filled or not taken is tried again so often. */
const mostCompletions = 10

/**
 * What is to be done about an order whose day does not go to plan, by its own choice: spread late slices anew, carry what is
 * missing into later slices, complete it at the window's end, or note that nothing more will happen. Null when that is for
 * later. Fails when a plan that is due cannot be made.
 */
export const followThrough = (
  running: RunningOrder,
  context: PlanningContext
): Result.Result<OrderChange | null, string> => {
  const { plan, slices } = running
  if (slices.some((slice) => isScheduled(slice) && slice.isLate)) return respread(running, context)

  const completesNow = plan.completesAt !== null && DateTime.isGreaterThanOrEqualTo(context.now, plan.completesAt)
  const isOver = completesNow || DateTime.isGreaterThanOrEqualTo(context.now, plan.endsAt)
  if (!isOver && plan.cause !== "COMPLETION") {
    const carried = carry(running, context)
    if (carried !== null) return Result.succeed(carried)
  }

  if (slices.some(isPending)) return Result.succeed(null)
  const isSending = slices.some(isScheduled)
  const rest = slices.filter((slice) => isMissing(slice) || isScheduled(slice))
  if (plan.completesAt !== null && rest.length > 0) {
    if (!completesNow) return Result.succeed(null)
    const completed = complete(running, rest, context)
    if (Result.isSuccess(completed)) return completed
    // What could be sent as planned still is.
    return isSending ? Result.succeed(null) : settled(rest, `it cannot be completed: ${completed.failure}`)
  }
  if (isSending) return Result.succeed(null)
  return settled(rest, rest.some((slice) => mayCarry(running, slice)) ? noRoomLeft : null)
}

const noRoomLeft = "there was no room for it in what was left of the window"

const settled = (rest: ReadonlyArray<RunningSlice>, reason: string | null): Result.Result<OrderChange> =>
  Result.succeed({ _tag: "Settled", shortfall: restOfSlices(rest), reason })

/**
 * The SCHEDULED slices over what is left of the window, at no more than three times the planned pace. The last ones that do
 * not fit are given up first; the rest is then planned anew.
 */
const respread = (running: RunningOrder, context: PlanningContext): Result.Result<OrderChange, string> =>
  Result.flatMap(restOfWindow(running, context), (window): Result.Result<OrderChange, string> => {
    const scheduled = running.slices.filter(isScheduled)
    const fitting = window.millis === 0 ? 0 : slotsIn(running, window)
    const tooMany = scheduled.slice(fitting).map(({ id }) => id)
    if (tooMany.length > 0) return Result.succeed({ _tag: "GiveUp", slices: tooMany, reason: noRoom })
    return planRest(running, context, window, {
      quantity: restOfSlices(scheduled),
      numSlices: scheduled.length,
      windowMillis: window.millis,
      leastGapMillis: leastGapOf(running),
      limitPrice: running.order.limitPrice,
      carried: [],
      cause: "LATENESS",
      note: null
    })
  })

const noRoom = "too late: no room for it in what is left of the window"

/**
 * The rest of finished slices goes into the scheduled ones; new ones are made only where these would grow too large. Null
 * when nothing of it fits: more may fit when what is scheduled has been sent.
 */
const carry = (running: RunningOrder, context: PlanningContext): Replan | null => {
  const { intended, slices } = running
  const carryable = slices.filter((slice) => mayCarry(running, slice))
  const scheduled = slices.filter(isScheduled)
  if (carryable.length === 0 || (scheduled.length > 1 && isJustCarried(running, context))) return null
  const window = Option.getOrNull(Result.getSuccess(restOfWindow(running, context)))
  if (window === null) return null
  const { totalQuantity, numSlices, windowMillis, lotSize } = intended
  const average = totalQuantity / numSlices
  const before = restOfSlices(scheduled)
  const most = Math.max(before, average, (mostPace * totalQuantity * window.millis) / Math.max(1, windowMillis))
  const fitting: Array<RunningSlice> = []
  let quantity = before
  for (const slice of carryable) {
    if (quantity + restOfSlice(slice) > most) continue
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
    cause: "CARRY",
    note: null
  })
  return Result.isSuccess(planned) ? planned.success : null
}

/** So that not each fill makes a new plan, one intended interval lies between two, while more than one slice is to come. */
const isJustCarried = ({ plan, intended }: RunningOrder, { now }: PlanningContext): boolean =>
  plan.cause === "CARRY" &&
  DateTime.toEpochMillis(now) < DateTime.toEpochMillis(plan.startsAt) + intended.windowMillis / intended.numSlices

/** Everything that is missing or not sent, at the market, at once: in no more slices than the largest allowed one needs. */
const complete = (
  running: RunningOrder,
  rest: ReadonlyArray<RunningSlice>,
  context: PlanningContext
): Result.Result<Replan, string> =>
  Result.flatMap(restOfWindow(running, context), (window): Result.Result<Replan, string> => {
    if (running.completions === mostCompletions) return Result.fail(`it was tried ${mostCompletions} times`)
    const { rules } = context
    const quantity = restOfSlices(rest)
    const largest = Math.min(
      running.plan.input.largestSlice ?? Infinity,
      Option.getOrElse(rules.preTrade.sliceQuantity, () => Infinity)
    )
    const numSlices = largest === Infinity ? 1 : Math.ceil(quantity / largest)
    const order: SplittableOrder = { ...running.order, orderType: "MARKET", limitPrice: null, randomize: false }
    return planRest({ ...running, order }, context, window, {
      quantity,
      numSlices,
      windowMillis: (numSlices - 1) * rules.leastGapMillis,
      leastGapMillis: 0,
      limitPrice: null,
      carried: rest.filter((slice) => !isScheduled(slice)).map(({ id }) => id),
      cause: "COMPLETION",
      note: null
    })
  })

/** A third of the planned interval: no two slices of a plan that makes up for something are closer. */
const leastGapOf = ({ intended }: RunningOrder): number =>
  Math.max(intended.leastGapMillis, intended.windowMillis / intended.numSlices / mostPace)

const slotsIn = (running: RunningOrder, { millis }: RestOfWindow): number => {
  const gap = leastGapOf(running)
  return gap === 0 ? maxSplits : Math.floor(millis / gap) + (running.order.randomize ? 0 : 1)
}

/** Only what can no longer be filled: a slice whose outcome is unknown, or that is open, keeps its quantity reserved. */
const mayCarry = ({ order: { carryUnfilled, carryRejected } }: RunningOrder, slice: RunningSlice): boolean => {
  if (!isMissing(slice) || slice.stage === "SKIPPED") return false
  return slice.stage === "FAILED" || slice.isRejected ? carryRejected : carryUnfilled
}
