import { Result } from "effect"
import { type OrderId, type SliceId, sliceIdOf, type Tag, tagOf } from "./Ids.ts"
import { maxSplits, type SplittableOrder } from "./Order.ts"
import { Infeasible, planSchedule, type ScheduledSlice, type ScheduleInput } from "./schedule/Schedule.ts"
import { curveOf, type MarketDay } from "./schedule/strategies.ts"

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

/** What is known of an order's market, and what the desk wants. Quantities in units of the instrument. */
export interface SplitRules {
  readonly lotSize: number
  /** The most that the exchange takes in one order; null for anything. */
  readonly freezeLimit: number | null
  /** The most that the desk wants in one slice; null for the exchange's. */
  readonly maxSliceQuantity: number | null
  readonly leastGapMillis: number
  readonly day: MarketDay
}

/**
 * Splits an order into slices, or says why that cannot be, and what would fit. Only `maxSliceQuantity` makes more slices
 * than were asked for, over the same window: the freeze limit alone refuses the order, because nobody said that more
 * slices are welcome.
 */
export const split = (order: SplittableOrder, rules: SplitRules): Result.Result<Plan, Infeasible> => {
  const input = inputOf(order, rules)
  return planSchedule(input).pipe(
    Result.map((schedule) => ({ input, slices: slicesOf(order.id, schedule, 1) })),
    Result.mapError((infeasible) =>
      infeasible.rule === "largest slice"
        ? new Infeasible({ ...infeasible, wouldFit: `${infeasible.wouldFit} ${whoseLimit(input, rules)}` })
        : infeasible
    )
  )
}

const whoseLimit = ({ largestSlice }: ScheduleInput, { freezeLimit, maxSliceQuantity }: SplitRules): string =>
  largestSlice === freezeLimit
    ? `(${freezeLimit} is the exchange's freeze limit of an order${maxSliceQuantity === null ? "; ORDER_MAX_SLICE_QUANTITY lets the service make more slices" : ""})`
    : `(${largestSlice} is ORDER_MAX_SLICE_QUANTITY; ${maxSplits} slices are the most there can be)`

/** A schedule's slices by their names; `firstSequence` is the first one's number within its order. */
export const slicesOf = (
  orderId: OrderId,
  schedule: ReadonlyArray<ScheduledSlice>,
  firstSequence: number
): ReadonlyArray<PlannedSlice> =>
  schedule.map((slice, index) => {
    const sequenceNumber = firstSequence + index
    const id = sliceIdOf(orderId, sequenceNumber)
    return { ...slice, id, tag: tagOf(id), sequenceNumber }
  })

const inputOf = (order: SplittableOrder, rules: SplitRules): ScheduleInput => {
  const largest = Math.min(rules.maxSliceQuantity ?? Infinity, rules.freezeLimit ?? Infinity)
  return {
    seed: order.planSeed ?? order.id,
    totalQuantity: order.totalQuantity,
    lotSize: rules.lotSize,
    numSlices: rules.maxSliceQuantity === null ? order.numSplits : enoughSlices(order, rules.lotSize, largest),
    windowMillis: order.durationMinutes * 60_000,
    randomize: order.randomize,
    curve: curveOf(order, rules.day),
    leastGapMillis: rules.leastGapMillis,
    largestSlice: largest === Infinity ? null : largest
  }
}

/** How much above the average slice the largest may be, so that randomized sizes keep their room. */
const room = 1.3

/** At least the order's own number of slices, and so many that the largest fits: with room for chance, if that can be. */
const enoughSlices = ({ totalQuantity, numSplits, randomize }: SplittableOrder, lotSize: number, largest: number) => {
  const lots = Math.floor(totalQuantity / lotSize)
  const largestLots = Math.max(1, Math.floor(largest / lotSize))
  const most = Math.min(maxSplits, lots)
  const roomy = randomize ? Math.ceil((lots * room) / largestLots) : 0
  const bare = Math.ceil(lots / largestLots)
  return Math.max(numSplits, roomy <= most ? roomy : 0, bare <= most ? bare : 0)
}
