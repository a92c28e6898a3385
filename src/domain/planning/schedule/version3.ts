/* The random part of version 3 of the algorithm, by which plans of before version 4 are explained. It never changes. */

import { type BaseLots, sum, wholeLots } from "./lots.ts"
import type { SeededRandom } from "./SeededRandom.ts"

/** The maximum deviation of a slice's size from its base, as a share of it. */
const spread = 0.3
/** The same in lots, if that is more. With few lots per slice either value may hide the order better, so both are tried. */
const minSteps = [1.5, 1] as const
/** The maximum deviation of the running total from the curve, in slices; with the slot of the time it is at most 1.5. */
const reach = 0.5
/** The number of slices from which sizes are tested for a pattern. */
const testable = 50
const maxWalks = 64
/** How often the last walks repeat the previous size: with few lots the bounds alone would make sizes alternate. */
const maxRepeats = 0.6
/** Tolerance for rounding errors of doubles. */
const tiny = 1e-9

/**
 * The base plus a bounded random walk of the running total that is 0 at both ends. Each size is uniform over the whole lots that
 * the bounds of the size and of the total allow. Of a long order's walks the first is taken whose sizes vary and neither
 * alternate nor trend, or else the one that comes nearest to that.
 */
export const wanderingLots = (base: BaseLots, maxLots: number, random: SeededRandom): ReadonlyArray<number> => {
  const corridors = minSteps.map((minStep) => corridorOf(base, maxLots, minStep))
  let best: ReadonlyArray<number> = []
  let bestPattern = Infinity
  for (let walks = 0; walks < maxWalks && bestPattern > 0; walks++) {
    const corridor = corridors[walks % corridors.length] ?? []
    const lots = wholeLots(walk(base, corridor, (maxRepeats * walks) / maxWalks, random), maxLots)
    const pattern = patternOf(lots, base.sizes)
    if (pattern < bestPattern) [best, bestPattern] = [lots, pattern]
  }
  return best
}

/** The bounds of each size and running total in whole lots. They always contain the rounded base. */
type Corridor = ReadonlyArray<{
  readonly smallest: number
  readonly largest: number
  readonly from: number
  readonly to: number
}>

const corridorOf = ({ sizes, sums }: BaseLots, maxLots: number, minStep: number): Corridor => {
  const corridor: Array<Corridor[number]> = []
  let [from, to] = [sums.at(-1) ?? 0, sums.at(-1) ?? 0]
  for (let k = sizes.length - 1; k >= 0; k--) {
    const [size, before] = [sizes[k] ?? 1, sizes[k - 1] ?? 1]
    const step = Math.min(Math.max(spread * size, minStep), size - 1, maxLots - size)
    const smallest = Math.min(Math.floor(size + tiny), Math.ceil(size - step - tiny))
    const largest = Math.max(Math.ceil(size - tiny), Math.floor(size + step + tiny))
    corridor.push({ smallest, largest, from, to })
    // Computed backwards, so that the walk can always return to 0 at the end.
    const [sum, bound] = [sums[k] ?? 0, Math.max(0.5, reach * Math.min(before, size)) + tiny]
    from = Math.max(Math.ceil(sum - bound), from - largest)
    to = Math.min(Math.floor(sum + bound), to - smallest)
  }
  return corridor.toReversed()
}

const walk = (
  { sizes, sums }: BaseLots,
  corridor: Corridor,
  repeats: number,
  random: SeededRandom
): ReadonlyArray<number> => {
  const totals = [0]
  let [total, offBefore] = [0, 0]
  for (const [k, { smallest, largest, from, to }] of corridor.entries()) {
    const size = sizes[k] ?? 0
    const [min, max] = [Math.max(smallest, from - total), Math.min(largest, to - total)]
    const again = Math.round(size + offBefore)
    const drawn = min + Math.floor((max - min + 1) * random())
    const lots = k > 0 && random() < repeats && again >= min && again <= max ? again : drawn
    total += lots
    offBefore = lots - size
    totals.push(total)
  }
  return [...totals.slice(0, -1), sums.at(-1) ?? 0]
}

/** How visible the pattern of a long order's sizes is; 0 if they vary, but not too much, and neither alternate nor trend. */
const patternOf = (lots: ReadonlyArray<number>, sizes: ReadonlyArray<number>): number => {
  if (lots.length < testable) return 0
  const relative = lots.map((lot, k) => lot / (sizes[k] ?? 1))
  const mean = sum(relative) / relative.length
  const deviations = relative.map((size) => size - mean)
  const variance = sum(deviations.map((deviation) => deviation * deviation))
  const covariance = sum(deviations.slice(1).map((deviation, k) => deviation * (deviations[k] ?? 0)))
  const variation = Math.sqrt(variance / lots.length) / mean
  const lag1 = variance === 0 ? 0 : Math.abs(covariance) / variance
  return Math.max(0, 0.12 - variation, variation - 0.35) + Math.max(0, lag1 - 0.15)
}

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
