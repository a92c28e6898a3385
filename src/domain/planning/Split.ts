import { Result } from "effect"
import type { SliceLimit } from "../limits/sliceLimits.ts"
import { type OrderId, type SliceId, sliceIdOf, type Tag, tagOf } from "../model/Ids.ts"
import { maxSplits } from "../model/Order.ts"
import type { Curve } from "./schedule/Curve.ts"
import {
  Infeasible,
  maxSlices,
  planSchedule,
  type ScheduledSlice,
  type ScheduleInput,
  scheduleTimes
} from "./schedule/Schedule.ts"

/** One planned slice: its place in the order, how much, and when, as milliseconds after the plan's start. */
export interface PlannedSlice extends ScheduledSlice {
  readonly id: SliceId
  readonly tag: Tag
  readonly sequenceNumber: number
}

/** What an order is split into, and all that decided it. */
export interface Plan {
  readonly input: ScheduleInput
  readonly slices: ReadonlyArray<PlannedSlice>
}

/** What is to be split: an order, or what is left of one. */
export interface SplitRequest {
  readonly orderId: OrderId
  readonly seed: string
  readonly totalQuantity: number
  readonly numSlices: number
  readonly windowMillis: number
  readonly randomize: boolean
  readonly curve: Curve
  /** The first slice's number within its order. */
  readonly firstSequence: number
}

/** What is known of an order's market, and what the desk wants. */
export interface SplitRules {
  readonly lotSize: number
  readonly sliceLimits: ReadonlyArray<SliceLimit>
  /** Whether there may be more slices than were asked for, so that each keeps to the limits. */
  readonly mayAddSlices: boolean
  readonly leastGapMillis: number
}

/**
 * Splits a quantity into slices, or says why that cannot be, and what would fit. When more slices than were asked for are not
 * welcome, a limit that needs them refuses the order.
 */
export const split = (request: SplitRequest, rules: SplitRules): Result.Result<Plan, Infeasible> => {
  const input = inputOf(request, rules)
  return planSchedule(input).pipe(
    Result.map((schedule) => ({ input, slices: slicesOf(request, schedule) })),
    Result.mapError((infeasible) =>
      infeasible.rule === "largest slice"
        ? new Infeasible({ ...infeasible, wouldFit: `${infeasible.wouldFit} ${whoseLimit(rules)}` })
        : infeasible
    )
  )
}

/** The times that {@link split} gives the slices: much cheaper than their sizes. */
export const splitTimes = (
  request: SplitRequest,
  rules: SplitRules
): Result.Result<ReadonlyArray<number>, Infeasible> => scheduleTimes(inputOf(request, rules))

const whoseLimit = ({ sliceLimits, mayAddSlices }: SplitRules): string => {
  const smallest = Math.min(...sliceLimits.map(({ quantity }) => quantity))
  const name = sliceLimits.find(({ quantity }) => quantity === smallest)?.name ?? ""
  const more = mayAddSlices
    ? `${maxSplits} slices are the most there can be`
    : "ORDER_MAX_SLICE_QUANTITY lets the service make more slices"
  return `(${smallest} is ${name}; ${more})`
}

const slicesOf = (
  { orderId, firstSequence }: SplitRequest,
  schedule: ReadonlyArray<ScheduledSlice>
): ReadonlyArray<PlannedSlice> =>
  schedule.map((slice, index) => {
    const sequenceNumber = firstSequence + index
    const id = sliceIdOf(orderId, sequenceNumber)
    return { ...slice, id, tag: tagOf(id), sequenceNumber }
  })

const inputOf = (request: SplitRequest, rules: SplitRules): ScheduleInput => {
  const largest = Math.min(...rules.sliceLimits.map(({ quantity }) => quantity))
  const numSlices = rules.mayAddSlices ? enoughSlices(request, rules, largest) : request.numSlices
  return {
    seed: request.seed,
    totalQuantity: request.totalQuantity,
    lotSize: rules.lotSize,
    numSlices,
    windowMillis: request.windowMillis,
    // A whole order in one slice is due at its start; what is left of one keeps to what is left of its window.
    randomize: request.randomize && (numSlices > 1 || request.firstSequence > 1),
    curve: request.curve,
    leastGapMillis: rules.leastGapMillis,
    largestSlice: largest === Infinity ? null : largest
  }
}

/** How much above the average slice the largest may be, so that randomized sizes keep their room. */
const room = 1.3

/**
 * At least the number asked for of slices, and so many that the largest fits: with room for chance, if there is enough for
 * that to share out, and time.
 */
const enoughSlices = (request: SplitRequest, { lotSize, leastGapMillis }: SplitRules, largest: number): number => {
  const { totalQuantity, numSlices, randomize } = request
  const lots = Math.floor(totalQuantity / lotSize)
  const maxLots = Math.max(1, Math.floor(largest / lotSize))
  const maxCount = Math.min(maxSplits, lots)
  const roomy = randomize ? Math.ceil((lots * room) / maxLots) : 0
  const bare = Math.ceil(lots / maxLots)
  const hasRoom = roomy <= Math.min(maxCount, maxSlices({ ...request, leastGapMillis }))
  return Math.max(numSlices, hasRoom ? roomy : 0, bare <= maxCount ? bare : 0)
}
