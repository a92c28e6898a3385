import { Result } from "effect"
import {
  type AlgorithmVersion,
  algorithmVersion,
  type Infeasible,
  planSchedule,
  type ScheduledSlice,
  type ScheduleInput,
  scheduleSlots,
  wholeMinutes
} from "./Schedule.ts"

/** A slice of a schedule with its derivation. Quantities in units of the instrument, times from the window's start. */
export interface ExplainedSlice extends ScheduledSlice {
  /** The quantity by the curve alone, in whole lots. */
  readonly curveQuantity: number
  /** The deviation of the running total from the curve's, this slice included. */
  readonly aheadQuantity: number
  /** The slot in which the slice's time was drawn; both are its time without randomization. */
  readonly slotFromMillis: number
  readonly slotToMillis: number
}

/** Repeats a schedule from its input, and shows for each slice the share of the curve and of the randomization. */
export const explainSchedule = (
  input: ScheduleInput,
  version: AlgorithmVersion = algorithmVersion
): Result.Result<ReadonlyArray<ExplainedSlice>, Infeasible> =>
  Result.gen(function* () {
    const slices = yield* planSchedule(input, wholeMinutes, version)
    const withoutChance = yield* planSchedule({ ...input, randomize: false, leastGapMillis: 0 })
    const slotMillis = input.windowMillis / input.numSlices
    const slots = scheduleSlots(input, version).slots.flatMap((slot) => Array.from({ length: slot.slices }, () => slot))
    let aheadQuantity = 0
    return slices.map((slice, index) => {
      const curveQuantity = withoutChance[index]?.quantity ?? 0
      aheadQuantity += slice.quantity - curveQuantity
      return {
        ...slice,
        curveQuantity,
        aheadQuantity,
        slotFromMillis: input.randomize ? Math.floor((slots[index]?.from ?? 0) * slotMillis) : slice.offsetMillis,
        slotToMillis: input.randomize ? Math.floor((slots[index]?.to ?? 0) * slotMillis) : slice.offsetMillis
      }
    })
  })
