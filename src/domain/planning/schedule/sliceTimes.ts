import type { SeededRandom } from "./SeededRandom.ts"
import type { Slots } from "./slots.ts"

/** Even times: the first at 0, the last at the window's end. */
export const evenTimes = (windowMillis: number, numSlices: number): ReadonlyArray<number> =>
  Array.from({ length: numSlices }, (_, k) => (numSlices === 1 ? 0 : Math.round((windowMillis * k) / (numSlices - 1))))

interface Timed {
  readonly windowMillis: number
  readonly numSlices: number
  readonly leastGapMillis: number
}

/** Times in order, uniform over their slots, with a minimum gap that must not be wider than a slice's width. */
export const timesWithin = (order: Timed, slots: Slots, random: SeededRandom): ReadonlyArray<number> => {
  const { windowMillis, numSlices, leastGapMillis } = order
  const width = windowMillis / numSlices
  const gapMillis = Math.max(leastGapMillis, width >= 1 ? 1 : 0)
  const gap = width === 0 ? 0 : Math.min(1, gapMillis / width)
  const isAlone = slots.slots.every(({ slices }) => slices === 1)
  const places = isAlone ? placesAlone(slots, gap, random) : placesTogether(slots, gap, random)
  let before = -gapMillis
  return places.map(({ place, from }) => {
    // Rounded to whole milliseconds within the slot.
    before = Math.max(Math.floor(place * width), width >= 1 ? Math.ceil(from * width) : 0, before + gapMillis)
    return before
  })
}

/** A time in slices' widths from the window's start, and the start of its slot. */
interface Place {
  readonly place: number
  readonly from: number
}

/**
 * One place in each slot. One that is too close to the place before is mirrored within its slot, or else takes the same place
 * within the slot as the one before. Both are as likely in one direction as in the other, so that places stay uniform whatever
 * the gap: the times do not reveal the slots, and on average the order keeps to its curve.
 */
const placesAlone = ({ shift, slots }: Slots, gap: number, random: SeededRandom): ReadonlyArray<Place> => {
  let within = random()
  return slots.map(({ from, to }, slot) => {
    if (slot > 0) {
      // The first and the last slot are longer or shorter than the others by the shift.
      const isAtEnd = slot === 1 || slot === slots.length - 1
      const farthest = 1 - gap - (isAtEnd ? Math.abs(shift) : 0)
      const drawn = random()
      within = [drawn, 1 - drawn].find((next) => Math.abs(next - within) <= farthest) ?? within
    }
    return { place: from + within * (to - from), from }
  })
}

/**
 * Independent places in each slot, in order; each keeps the gap free after it, or each before it, which is as likely, so that on
 * average the order keeps to its curve.
 */
const placesTogether = ({ slots }: Slots, gap: number, random: SeededRandom): ReadonlyArray<Place> => {
  const lead = random() < 0.5 ? gap : 0
  return slots.flatMap(({ from, to, slices }) => {
    const free = to - from - slices * gap
    return Array.from({ length: slices }, random)
      .toSorted((one, other) => one - other)
      .map((drawn, index) => ({ place: from + lead + index * gap + drawn * free, from }))
  })
}
