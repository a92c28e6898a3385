import { Result } from "effect"
import { type Infeasible, planSchedule, type ScheduledSlice, type ScheduleInput } from "./Schedule.ts"

/** A slice of a schedule and where it comes from. Quantities in units of the instrument, times from the window's start. */
export interface ExplainedSlice extends ScheduledSlice {
  /** What the curve alone gives the slice, in whole lots. */
  readonly curveQuantity: number
  /** How far chance has moved the running total off the curve's, up to and with this slice. */
  readonly aheadQuantity: number
  /** Between these the slice's time was drawn; the same when nothing was. */
  readonly slotFromMillis: number
  readonly slotToMillis: number
}

/** Makes the schedule again from what decided it, and shows for each slice what the curve gave and what chance did. */
export const explainSchedule = (input: ScheduleInput): Result.Result<ReadonlyArray<ExplainedSlice>, Infeasible> =>
  Result.gen(function* () {
    const slices = yield* planSchedule(input)
    const withoutChance = yield* planSchedule({ ...input, randomize: false, leastGapMillis: 0 })
    const slotMillis = input.windowMillis / input.numSlices
    let aheadQuantity = 0
    return slices.map((slice, index) => {
      const curveQuantity = withoutChance[index]?.quantity ?? 0
      aheadQuantity += slice.quantity - curveQuantity
      return {
        ...slice,
        curveQuantity,
        aheadQuantity,
        slotFromMillis: input.randomize ? Math.floor(index * slotMillis) : slice.offsetMillis,
        slotToMillis: input.randomize ? Math.floor((index + 1) * slotMillis) : slice.offsetMillis
      }
    })
  })
