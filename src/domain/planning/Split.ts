import { Result } from "effect"
import type { SliceLimit } from "../limits/sliceLimits.ts"
import { type OrderId, type SliceId, sliceIdOf, type Tag, tagOf } from "../model/Ids.ts"
import { maxSplits } from "../model/Order.ts"
import type { Curve } from "./schedule/Curve.ts"
import {
  Infeasible,
  maxSlices,
  type MinutesFor,
  planSchedule,
  type ScheduledSlice,
  type ScheduleInput,
  scheduleTimes
} from "./schedule/Schedule.ts"
import type { Hiding } from "./schedule/slots.ts"

/** One planned slice: its number within the order, its quantity, and its time in trading milliseconds after the plan's start. */
export interface PlannedSlice extends ScheduledSlice {
  readonly id: SliceId
  readonly tag: Tag
  readonly sequenceNumber: number
}

/** The slices of a plan, and the input that decided them. */
export interface Plan {
  readonly input: ScheduleInput
  readonly slices: ReadonlyArray<PlannedSlice>
}

/** The quantity to split: that of an order, or the rest of one. */
export interface SplitRequest {
  readonly orderId: OrderId
  readonly seed: string
  readonly totalQuantity: number
  readonly numSlices: number
  readonly windowMillis: number
  readonly randomize: boolean
  readonly curve: Curve
  /** The number of the first slice within its order. */
  readonly firstSequence: number
}

/** The instrument's lot and the limits of slices. */
export interface SplitRules {
  readonly lotSize: number
  readonly sliceLimits: ReadonlyArray<SliceLimit>
  /** Whether slices may be added so that each keeps the limits. */
  readonly mayAddSlices: boolean
  readonly leastGapMillis: number
  readonly hiding: Hiding
  readonly minutesFor: MinutesFor
}

/**
 * Splits a quantity into slices, or fails with the reason and what would fit. If slices may not be added, an order that needs more
 * of them to keep a limit is refused.
 */
export const split = (request: SplitRequest, rules: SplitRules): Result.Result<Plan, Infeasible> => {
  const input = inputOf(request, rules)
  return withinNumbers(request, input).pipe(
    Result.flatMap((fitting) => planSchedule(fitting, rules.minutesFor)),
    Result.map((schedule) => ({ input, slices: slicesOf(request, schedule) })),
    Result.mapError((infeasible) =>
      infeasible.rule === "largest slice"
        ? new Infeasible({ ...infeasible, wouldFit: `${infeasible.wouldFit} ${whoseLimit(rules)}` })
        : infeasible
    )
  )
}

/** The last number that a slice can have within its order: the key of its row has 20 bits for it. */
export const lastSequence = 2 ** 20 - 1

const withinNumbers = (
  { firstSequence }: SplitRequest,
  input: ScheduleInput
): Result.Result<ScheduleInput, Infeasible> => {
  const left = lastSequence - firstSequence + 1
  return input.numSlices <= left
    ? Result.succeed(input)
    : Result.fail(
        new Infeasible({
          rule: "slice numbers",
          problem: `${input.numSlices} more slices need numbers above ${lastSequence}, the last that a slice of an order can have`,
          wouldFit: `${left} more would fit; or cancel the order, and submit its rest as a new one`
        })
      )
}

/** The times of the slices of {@link split}, without the much more expensive sizes. */
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
    // A whole order in one slice is due at the start. The rest of an order is randomized over the rest of its window.
    randomize: request.randomize && (numSlices > 1 || request.firstSequence > 1),
    curve: request.curve,
    leastGapMillis: rules.leastGapMillis,
    largestSlice: largest === Infinity ? null : largest,
    hiding: rules.hiding
  }
}

/** The largest slice in relation to the average one that leaves room to randomize sizes. */
const room = 1.3

/**
 * The number of slices: at least the requested number, and enough that the largest slice keeps the limits, with room to randomize
 * the sizes if the quantity and the window allow that many slices.
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
