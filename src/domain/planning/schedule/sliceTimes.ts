import type { SeededRandom } from "./SeededRandom.ts"

/** The first at 0, the last at the window's end, the rest evenly between. */
export const evenTimes = (windowMillis: number, numSlices: number): ReadonlyArray<number> =>
  Array.from({ length: numSlices }, (_, k) => (numSlices === 1 ? 0 : Math.round((windowMillis * k) / (numSlices - 1))))

interface Slots {
  readonly windowMillis: number
  readonly numSlices: number
  readonly leastGapMillis: number
}

/**
 * One time within each slot, uniform over it, no two closer than the least gap: which must not be wider than a slot.
 *
 * A place that would come too close after its predecessor is mirrored within its slot, or else takes the predecessor's
 * place. Both are as likely from left to right as from right to left, so every place stays exactly as likely as any other,
 * gap or no gap: nothing shows the slots in the times, and on average the order keeps to its curve.
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
    // In whole milliseconds, and still within the slot.
    const start = slotMillis >= 1 ? Math.ceil(slot * slotMillis) : 0
    before = Math.max(Math.floor((slot + place) * slotMillis), start, before + gapMillis)
    return before
  })
}
