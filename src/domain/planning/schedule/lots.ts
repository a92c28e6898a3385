import type { SeededRandom } from "./SeededRandom.ts"

interface Wanted {
  readonly lots: number
  readonly numSlices: number
  readonly maxLots: number
}

/** What each slice should have, not yet in whole lots, at least 1 and at most the largest, and what all up to it have. */
export interface BaseLots {
  readonly sizes: ReadonlyArray<number>
  /** One more than there are slices: from 0 to all lots. */
  readonly sums: ReadonlyArray<number>
}

/** Cuts all lots along a curve. Needs numSlices ≤ lots ≤ numSlices · maxLots. */
export const baseLots = (share: (elapsed: number) => number, { lots, numSlices, maxLots }: Wanted): BaseLots => {
  const curve = Array.from({ length: numSlices + 1 }, (_, k) => (k === numSlices ? lots : lots * share(k / numSlices)))
  const onCurve = differences(curve)
  const clamped = (scale: number) => onCurve.map((size) => Math.min(Math.max(size * scale, 1), maxLots))
  if (onCurve.every((size) => size >= 1 && size <= maxLots)) return { sizes: onCurve, sums: curve }
  // Too small and too large slices go to their bounds, and all others scale, until the sum is right.
  let [low, high] = [0, 1]
  while (sum(clamped(high)) < lots && high < 1e12) high *= 2
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2
    if (sum(clamped(middle)) < lots) low = middle
    else high = middle
  }
  const sizes = clamped(high)
  const sums = [0]
  for (const size of sizes.slice(0, -1)) sums.push((sums.at(-1) ?? 0) + size)
  return { sizes, sums: [...sums, lots] }
}

/** The base in whole lots, rounded down, but for what a division that should give a whole number lacks. */
export const evenLots = (base: BaseLots, maxLots: number): ReadonlyArray<number> =>
  wholeLots(
    base.sums.map((sum) => Math.floor(sum + 0.00001)),
    maxLots
  )

/** A slice's size may be so far off its base, as a share of it. */
const spread = 0.3
/** Or so many lots, where that is more: with few lots to a slice, sometimes the one and sometimes the other hides better. */
const minSteps = [1.5, 1] as const
/** The running total may be so far off the curve, in slices; with a time within its own slot that makes 1.5 at most. */
const reach = 0.5
/** From so many slices on the sizes of one order are many enough to be tested for a pattern. */
const testable = 50
const maxWalks = 64
/** The last walks repeat the size before so often, if they may: with few lots the bounds alone make sizes alternate. */
const maxRepeats = 0.6
/** What the rounding of doubles must not decide. */
const tiny = 1e-9

/**
 * The base with a bounded walk on the running total, pinned to 0 at both ends: each size is any whole number of lots, all as
 * likely, within what the size's and the total's bounds leave. Of a long order's walks the first is taken whose sizes vary, and
 * neither alternate nor trend; or the one that comes nearest to that.
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

/** What each slice may have, and all up to it, in whole lots: always also what rounding the base alone would give. */
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
    // So that the walk can still come back to 0 at the end.
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

/** How far a long order's sizes are from hiding it; 0 when they vary enough, not too much, and neither alternate nor trend. */
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

/** Differences of running totals, each held to at least one lot and at most the largest, whatever rounding did. */
const wholeLots = (totals: ReadonlyArray<number>, maxLots: number): ReadonlyArray<number> => {
  const [count, all] = [totals.length - 1, totals.at(-1) ?? 0]
  let before = 0
  return totals.slice(1).map((total, index) => {
    const left = count - index - 1
    const min = Math.max(before + 1, all - left * maxLots)
    const max = Math.min(before + maxLots, all - left)
    const size = Math.min(Math.max(total, min), max) - before
    before += size
    return size
  })
}

const differences = (points: ReadonlyArray<number>): ReadonlyArray<number> =>
  points.slice(1).map((point, index) => point - (points[index] ?? 0))

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)
