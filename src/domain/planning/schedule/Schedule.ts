import { Result, Schema } from "effect"
import { maxDurationMinutes, maxQuantity, maxSplits } from "../../model/Order.ts"
import { counted } from "../../text/plural.ts"
import { Curve, shareOf } from "./Curve.ts"
import { baseLots, evenLots } from "./lots.ts"
import { randomLots } from "./randomLots.ts"
import { seededRandom } from "./SeededRandom.ts"
import { evenTimes, timesWithin } from "./sliceTimes.ts"
import { deviation, Hiding, type Slots, slotsOf } from "./slots.ts"
import { timesWithinSlots, wanderingLots } from "./version3.ts"

/** The version of {@link planSchedule}. A change that moves any slice needs a new version. */
export const algorithmVersion = 4

/** The versions by which plans were stored, and can be made again. */
export const AlgorithmVersion = Schema.Literals([3, algorithmVersion])
export type AlgorithmVersion = typeof AlgorithmVersion.Type

/** Everything that decides a schedule. Quantities in units of the instrument, in multiples of `lotSize`. */
export const ScheduleInput = Schema.Struct({
  seed: Schema.String,
  totalQuantity: Schema.Int,
  lotSize: Schema.Int,
  numSlices: Schema.Int,
  windowMillis: Schema.Int,
  randomize: Schema.Boolean,
  curve: Curve,
  /** The minimum time between two slices. */
  leastGapMillis: Schema.Int,
  /** The maximum quantity of a slice; null for no limit. */
  largestSlice: Schema.NullOr(Schema.Int),
  /** Tight where it is absent, as in plans of version 3. */
  hiding: Schema.optionalKey(Hiding)
})
export type ScheduleInput = typeof ScheduleInput.Type

/** A slice of a schedule; `offsetMillis` is trading time from the window's start. */
export interface ScheduledSlice {
  readonly quantity: number
  readonly offsetMillis: number
}

/** The `duration_minutes` of an order in which a schedule may take this long. */
export type MinutesFor = (scheduleMillis: number) => number

/** Where a schedule takes the whole window. */
export const wholeMinutes: MinutesFor = (scheduleMillis) => Math.ceil(scheduleMillis / 60_000)

/** No schedule keeps all rules: the rule that fails, why, and what would fit. */
export class Infeasible extends Schema.TaggedError<Infeasible>()("Infeasible", {
  rule: Schema.Literals(["whole lots", "a lot each", "largest slice", "least gap", "slice numbers"]),
  problem: Schema.String,
  wouldFit: Schema.String
}) {
  override get message(): string {
    return `${columns[this.rule]}: ${this.problem}; ${this.wouldFit}`
  }
}

/** The order's column that is to be changed, by rule. */
const columns = {
  "whole lots": "total_quantity",
  "a lot each": "num_splits",
  "largest slice": "num_splits",
  "least gap": "duration_minutes",
  "slice numbers": "num_splits"
} as const

/**
 * Plans exactly `numSlices` slices of whole lots that sum to the total, in time order within the window; fails if that is not
 * possible. The same input and version give the same schedule to the byte on any machine.
 *
 * Without randomization the first slice is at the start, the last at the end, and the others are evenly spaced. With it the
 * window is divided into slots, and each slice falls anywhere within its own; its size deviates from the curve by up to 30 % or a
 * lot, and the running total by half a slice where it is tight, so that neither times nor sizes reveal the order.
 */
export const planSchedule = (
  input: ScheduleInput,
  minutesFor: MinutesFor = wholeMinutes,
  version: AlgorithmVersion = algorithmVersion
): Result.Result<ReadonlyArray<ScheduledSlice>, Infeasible> =>
  Result.map(checkFeasible(input, minutesFor), (feasible) => {
    const quantities = quantitiesOf(input, feasible, version)
    const offsets = offsetsOf(input, version)
    return quantities.map((lots, index) => ({
      quantity: lots * input.lotSize,
      offsetMillis: offsets[index] ?? input.windowMillis
    }))
  })

/** The due time of each slice of {@link planSchedule}, without its size. */
export const scheduleTimes = (input: ScheduleInput): Result.Result<ReadonlyArray<number>, Infeasible> =>
  Result.map(checkFeasible(input, wholeMinutes), () => offsetsOf(input, algorithmVersion))

/** The slots that the times of a randomized schedule are drawn in. */
export const scheduleSlots = (input: ScheduleInput, version: AlgorithmVersion): Slots =>
  version === 3
    ? evenSlots(input.numSlices)
    : slotsOf({ ...input, lots: lotsOf(input), hiding: hidingOf(input) }, seededRandom(`${input.seed}/slots`))

const quantitiesOf = (
  input: ScheduleInput,
  { lots, maxLots }: Feasible,
  version: AlgorithmVersion
): ReadonlyArray<number> => {
  const base = baseLots(shareOf(input.curve), { lots, numSlices: input.numSlices, maxLots })
  if (!input.randomize) return evenLots(base, maxLots)
  const random = seededRandom(`${input.seed}/quantities`)
  if (version === 3) return wanderingLots(base, maxLots, random)
  const { shift } = scheduleSlots(input, version)
  return randomLots(base, maxLots, { reach: deviation[hidingOf(input)].reach, shift }, random)
}

const offsetsOf = (input: ScheduleInput, version: AlgorithmVersion): ReadonlyArray<number> => {
  if (!input.randomize) return evenTimes(input.windowMillis, input.numSlices)
  const random = seededRandom(`${input.seed}/times`)
  return version === 3 ? timesWithinSlots(input, random) : timesWithin(input, scheduleSlots(input, version), random)
}

const evenSlots = (numSlices: number): Slots => ({
  shift: 0,
  slots: Array.from({ length: numSlices }, (_, slot) => ({ from: slot, to: slot + 1, slices: 1 }))
})

const hidingOf = ({ hiding = "tight" }: ScheduleInput): Hiding => hiding

const lotsOf = ({ totalQuantity, lotSize }: ScheduleInput): number => Math.floor(totalQuantity / lotSize)

interface Feasible {
  readonly lots: number
  readonly maxLots: number
}

const checkFeasible = (input: ScheduleInput, minutesFor: MinutesFor): Result.Result<Feasible, Infeasible> => {
  const { totalQuantity, lotSize, numSlices, largestSlice } = input
  const lots = lotsOf(input)
  const maxLots = largestSlice === null ? lots : Math.floor(largestSlice / lotSize)
  if (totalQuantity % lotSize !== 0) {
    const fitting = [lots * lotSize, (lots + 1) * lotSize].filter((quantity) => quantity > 0 && quantity <= maxQuantity)
    return infeasible(
      "whole lots",
      `${totalQuantity} is not a multiple of the lot of ${lotSize}`,
      `${fitting.join(" or ")} would fit`
    )
  }
  if (numSlices > lots) {
    return infeasible(
      "a lot each",
      `${totalQuantity} is only ${counted(lots, "lot")} of ${lotSize}, less than one for each of ${numSlices} slices`,
      `at most ${counted(lots, "slice")} would fit`
    )
  }
  if (lots > numSlices * maxLots) {
    return infeasible(
      "largest slice",
      `${counted(numSlices, "slice")} of at most ${largestSlice} do not hold ${totalQuantity}`,
      enoughFor({ lots, maxLots, lotSize })
    )
  }
  return checkGaps(input, { lots, maxLots }, minutesFor)
}

const enoughFor = ({ lots, maxLots, lotSize }: Feasible & { readonly lotSize: number }): string => {
  if (maxLots === 0) return `no slice of whole lots of ${lotSize} is that small`
  const numSlices = Math.ceil(lots / maxLots)
  return numSlices > maxSplits
    ? `a total_quantity of ${maxSplits * maxLots * lotSize} would fit`
    : `${numSlices} slices or more would fit`
}

/** How many slices fit with the minimum gap: randomized ones need a slot each, even ones only the gaps between them. */
export const maxSlices = ({
  windowMillis,
  leastGapMillis,
  randomize
}: Pick<ScheduleInput, "windowMillis" | "leastGapMillis" | "randomize">): number =>
  leastGapMillis === 0 ? Infinity : Math.max(1, Math.floor(windowMillis / leastGapMillis) + (randomize ? 0 : 1))

const checkGaps = (
  input: ScheduleInput,
  feasible: Feasible,
  minutesFor: MinutesFor
): Result.Result<Feasible, Infeasible> => {
  const { numSlices, windowMillis, leastGapMillis, lotSize } = input
  const max = maxSlices(input)
  if (numSlices <= max) return Result.succeed(feasible)
  const { lots, maxLots } = feasible
  const gapsMillis = (input.randomize ? numSlices : numSlices - 1) * leastGapMillis
  const minutes = minutesFor(gapsMillis)
  const ways = [
    ...(max * maxLots >= lots ? [`at most ${counted(max, "slice")}`] : []),
    ...(minutes <= maxDurationMinutes ? [`${counted(minutes, "minute")}`] : [])
  ]
  return infeasible(
    "least gap",
    `${numSlices} slices at least ${leastGapMillis / 1000} s apart do not fit into ${windowMillis / 1000} s`,
    ways.length === 0
      ? `a total_quantity of ${max * maxLots * lotSize} would fit`
      : `${ways.join(", or ")}${ways.length > 1 ? "," : ""} would fit`
  )
}

const infeasible = (rule: Infeasible["rule"], problem: string, wouldFit: string) =>
  Result.fail(new Infeasible({ rule, problem, wouldFit }))
