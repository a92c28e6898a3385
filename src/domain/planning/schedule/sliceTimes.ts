import type { SeededRandom } from "./SeededRandom.ts"

/** Even times: the first at 0, the last at the window's end. */
export const evenTimes = (windowMillis: number, numSlices: number): ReadonlyArray<number> =>
  Array.from({ length: numSlices }, (_, k) => (numSlices === 1 ? 0 : Math.round((windowMillis * k) / (numSlices - 1))))

interface Slots {
  readonly windowMillis: number
  readonly numSlices: number
  readonly leastGapMillis: number
}

/**
 * One time within each slot, uniform over it, with a minimum gap that must not be wider than a slot.
 *
 * A position too close to its predecessor's is mirrored within its slot, or else takes the predecessor's position. Both are as
 * likely in one direction as in the other, so positions stay uniform whatever the gap: the times do not reveal the slots, and
 * on average the order keeps to its curve.
 */
export const timesWithinSlots = (
  { windowMillis, numSlices, leastGapMillis }: Slots,
  random: SeededRandom
): ReadonlyArray<number> => {
  const slotMillis = windowMillis / numSlices
  const gapMillis = Math.max(leastGapMillis, slotMillis >= 1 ? 1 : 0)
  const farthest = 1 - (slotMillis === 0 ? 0 : gapMillis / slotMillis)
  let place = random()
  let before = -gapMillis
  return Array.from({ length: numSlices }, (_, slot) => {
    if (slot > 0) {
      const drawn = random()
      place = [drawn, 1 - drawn].find((next) => Math.abs(next - place) <= farthest) ?? place
    }
    // Rounded to whole milliseconds within the slot.
    const start = slotMillis >= 1 ? Math.ceil(slot * slotMillis) : 0
    before = Math.max(Math.floor((slot + place) * slotMillis), start, before + gapMillis)
    return before
  })
}
