import type { SeededRandom } from "../SeededRandom.ts"

interface Wanted {
  readonly lots: number
  readonly numSlices: number
  readonly largestLots: number
}

/** What each slice should have, not yet in whole lots, at least 1 and at most the largest, and what all up to it have. */
export interface BaseLots {
  readonly sizes: ReadonlyArray<number>
  /** One more than there are slices: from 0 to all lots. */
  readonly sums: ReadonlyArray<number>
}

/** Cuts all lots along a curve. Needs numSlices ≤ lots ≤ numSlices · largestLots. */
export const baseLots = (share: (elapsed: number) => number, { lots, numSlices, largestLots }: Wanted): BaseLots => {
  const curve = Array.from({ length: numSlices + 1 }, (_, k) => (k === numSlices ? lots : lots * share(k / numSlices)))
  const onCurve = differences(curve)
  const clamped = (scale: number) => onCurve.map((size) => Math.min(Math.max(size * scale, 1), largestLots))
  if (onCurve.every((size) => size >= 1 && size <= largestLots)) return { sizes: onCurve, sums: curve }
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
export const evenLots = (base: BaseLots, largestLots: number): ReadonlyArray<number> =>
  wholeLots(
    base.sums.map((sum) => Math.floor(sum + 0.00001)),
    largestLots
  )

/** A slice's size may be so far off its base, as a share of it. */
const spread = 0.3
/** The running total may be so far off the curve, in slices; with a time within its own slot that makes 1.48 at most. */
const reach = 0.48
/** From so many slices on the sizes of one order are many enough to be tested for a pattern. */
const testable = 50
const maxWalks = 64

/**
 * The base with a bounded walk on the running total, pinned to 0 at both ends: each step is uniform within what the size's
 * and the total's bounds leave. Of a long order's walks the first is taken whose sizes neither alternate nor trend.
 */
export const wanderingLots = (base: BaseLots, largestLots: number, random: SeededRandom): ReadonlyArray<number> => {
  const steps = base.sizes.map((size) => Math.max(0, Math.min(spread * size, size - 1, largestLots - size)))
  const reaches = reachable(base.sizes, steps)
  const walk = () => {
    let at = 0
    return wholeLots(
      base.sums.map((sum, k) => {
        const [step, bound] = [steps[k - 1] ?? 0, reaches[k] ?? 0]
        const [low, high] = [Math.max(at - step, -bound), Math.min(at + step, bound)]
        at = low + (high - low) * random()
        return Math.round(sum + at)
      }),
      largestLots
    )
  }
  let lots = walk()
  for (let walks = 1; walks < maxWalks && hasPattern(lots, base.sizes); walks++) lots = walk()
  return lots
}

/** How far the walk may be from 0 after each slice, so that it can still come back to 0 at the end. */
const reachable = (sizes: ReadonlyArray<number>, steps: ReadonlyArray<number>): ReadonlyArray<number> => {
  const bounds = Array.from({ length: sizes.length + 1 }, () => 0)
  for (let k = sizes.length - 1; k > 0; k--) {
    // Rounding to whole lots takes up to half a lot of what the slices on either side allow.
    const room = Math.max(0, reach * Math.min(sizes[k - 1] ?? 0, sizes[k] ?? 0) - 0.5)
    bounds[k] = Math.min(room, (bounds[k + 1] ?? 0) + (steps[k] ?? 0))
  }
  return bounds
}

const hasPattern = (lots: ReadonlyArray<number>, sizes: ReadonlyArray<number>): boolean => {
  if (lots.length < testable) return false
  const relative = lots.map((lot, k) => lot / (sizes[k] ?? 1))
  const mean = sum(relative) / relative.length
  const deviations = relative.map((size) => size - mean)
  const variance = sum(deviations.map((deviation) => deviation * deviation))
  const covariance = sum(deviations.slice(1).map((deviation, k) => deviation * (deviations[k] ?? 0)))
  const variation = Math.sqrt(variance / lots.length) / mean
  return variation < 0.12 || variation > 0.35 || Math.abs(covariance) > 0.15 * variance
}

/** Differences of running totals, each held to at least one lot and at most the largest, whatever rounding did. */
const wholeLots = (totals: ReadonlyArray<number>, largestLots: number): ReadonlyArray<number> => {
  const [count, all] = [totals.length - 1, totals.at(-1) ?? 0]
  let before = 0
  return totals.slice(1).map((total, index) => {
    const left = count - index - 1
    const least = Math.max(before + 1, all - left * largestLots)
    const most = Math.min(before + largestLots, all - left)
    const size = Math.min(Math.max(total, least), most) - before
    before += size
    return size
  })
}

const differences = (points: ReadonlyArray<number>): ReadonlyArray<number> =>
  points.slice(1).map((point, index) => point - (points[index] ?? 0))

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)
