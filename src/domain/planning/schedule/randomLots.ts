import { type BaseLots, sum, wholeLots } from "./lots.ts"
import type { SeededRandom } from "./SeededRandom.ts"

/** The bounds of the running total, in slices: at most `reach` from the curve where the slots' borders are moved by `shift`. */
interface Bounds {
  readonly reach: number
  readonly shift: number
}

/** The maximum deviation of a slice's size from its base, as a share of it, or in lots if that is more. */
const maxSpread = 0.3
const maxSpreadLots = 1.5
/** The number of slices from which sizes are tested for a pattern. */
const testable = 50
const maxWalks = 64
/** Of the coefficient of variation of a long order's sizes. A later walk aims at the least with a margin for chance. */
const [leastVariation, maxVariation, aimedVariation] = [0.12, 0.35, 0.1235]
const maxLag1 = 0.15
/** Sizes that are as narrow as whole lots let them be; from there on, later walks repeat the size before, ever more often. */
const [narrowest, maxRepeats] = [0.1, 0.6]
/** From which statistic on a Ljung–Box test of this many lags, 1 to 10, rejects at 5 %: the quantiles of χ². */
const rejectedFrom = [3.841, 5.991, 7.815, 9.488, 11.07, 12.592, 14.067, 15.507, 16.919, 18.307] as const
/** Tolerance for rounding errors of doubles. */
const tiny = 1e-9

/**
 * Independent deviations from the base, which sum to 0 and are mirrored where the running total would leave its bounds: these
 * alone make sizes depend on one another. The narrower the sizes, the rarer that is. So of a long order's walks the first is taken
 * whose sizes vary enough and show no correlation to a Ljung–Box test, each with sizes a little narrower than the one before as
 * far as they may be; or else the one that comes nearest to that. With few lots a slice, where sizes cannot be narrow, the bounds
 * make them alternate, which repeats make up for.
 */
export const randomLots = (
  base: BaseLots,
  maxLots: number,
  bounds: Bounds,
  random: SeededRandom
): ReadonlyArray<number> => {
  const corridor = corridorOf(base, maxLots, bounds)
  let [spread, repeats] = [maxSpread, 0]
  let best: ReadonlyArray<number> = []
  let bestPattern = Infinity
  for (let walks = 0; walks < maxWalks && bestPattern > 0; walks++) {
    const lots = wholeLots(walk(base, corridor, drawn(base, corridor, spread, random), repeats, random), maxLots)
    if (lots.length < testable) return lots
    const { variation, pattern } = patternOf(lots, base.sizes, bestPattern)
    if (pattern < bestPattern) [best, bestPattern] = [lots, pattern]
    spread = Math.min(maxSpread, spread * (variation > aimedVariation ? 0.95 : 1.05))
    if (spread < narrowest) repeats = Math.min(maxRepeats, repeats + 0.02)
  }
  return best
}

/** The bounds of each size and running total in whole lots. There is always a way between them. */
type Corridor = ReadonlyArray<{
  readonly smallest: number
  readonly largest: number
  readonly from: number
  readonly to: number
}>

const nowhere = { smallest: 0, largest: 0, from: 0, to: 0 }

const corridorOf = ({ sizes, sums }: BaseLots, maxLots: number, { reach, shift }: Bounds): Corridor => {
  const corridor: Array<Corridor[number]> = []
  let [from, to] = [sums.at(-1) ?? 0, sums.at(-1) ?? 0]
  for (let k = sizes.length - 1; k >= 0; k--) {
    const [size, before] = [sizes[k] ?? 1, sizes[k - 1] ?? 1]
    const step = Math.min(Math.max(maxSpread * size, maxSpreadLots), size - 1, maxLots - size)
    const smallest = Math.min(Math.floor(size + tiny), Math.ceil(size - step - tiny))
    const largest = Math.max(Math.ceil(size - tiny), Math.floor(size + step + tiny))
    corridor.push({ smallest, largest, from, to })
    // Computed backwards, so that the walk can always return to 0 at the end. The bounds are moved as the slots are, and widen by
    // the shift at neither end of the window, where the slots end with it.
    const narrower = Math.min(before, size)
    const sum = sums[k] ?? 0
    const low = sum + narrower * (Math.max(shift, k === sizes.length - 1 ? 0 : -1) - reach)
    const high = sum + narrower * (Math.min(shift, k === 1 ? 0 : 1) + reach)
    from = Math.max(Math.ceil(low - tiny), from - largest)
    to = Math.min(Math.floor(high + tiny), to - smallest)
  }
  return corridor.toReversed()
}

/** Sizes in whole lots, independent but for their sum: what is too much or too little is spread over slices at random. */
const drawn = (
  { sizes, sums }: BaseLots,
  corridor: Corridor,
  spread: number,
  random: SeededRandom
): ReadonlyArray<number> => {
  const lots = sizes.map((size) => Math.floor(size + spread * size * (2 * random() - 1) + random()))
  let missing = (sums.at(-1) ?? 0) - sum(lots)
  for (let tries = 0; missing !== 0 && tries < 4 * lots.length; tries++) {
    const k = Math.floor(lots.length * random())
    const step = Math.sign(missing) * Math.max(1, Math.floor(Math.abs(missing) / lots.length))
    const [{ smallest, largest } = { smallest: 0, largest: 0 }, size] = [corridor[k], (lots[k] ?? 0) + step]
    if (size < smallest || size > largest) continue
    lots[k] = size
    missing -= step
  }
  return lots
}

/** The running totals of sizes, of which those that would leave the corridor are mirrored at their base, or else cut to it. */
const walk = (
  { sizes, sums }: BaseLots,
  corridor: Corridor,
  wanted: ReadonlyArray<number>,
  repeats: number,
  random: SeededRandom
): ReadonlyArray<number> => {
  const totals = [0]
  let [total, offBefore] = [0, 0]
  let [min, max] = [0, 0]
  const isWithin = (one: number) => one >= min && one <= max
  for (let k = 0; k < corridor.length; k++) {
    const { smallest, largest, from, to } = corridor[k] ?? nowhere
    min = Math.max(smallest, from - total)
    max = Math.min(largest, to - total)
    const size = sizes[k] ?? 0
    const again = Math.round(size + offBefore)
    const lots = k > 0 && repeats > 0 && random() < repeats && isWithin(again) ? again : (wanted[k] ?? 0)
    const mirrored = isWithin(lots) ? lots : Math.floor(2 * size - lots + random())
    const taken = isWithin(mirrored) ? mirrored : Math.min(Math.max(lots, min), max)
    total += taken
    offBefore = taken - size
    totals.push(total)
  }
  return [...totals.slice(0, -1), sums.at(-1) ?? 0]
}

/**
 * How visible the pattern of a long order's sizes is: 0 if they vary, but not too much, and show no correlation. It is not computed
 * further than to `enough`.
 */
const patternOf = (lots: ReadonlyArray<number>, sizes: ReadonlyArray<number>, enough: number) => {
  const relative = lots.map((lot, k) => lot / (sizes[k] ?? 1))
  const mean = sum(relative) / relative.length
  const off = relative.map((size) => size - mean)
  const variance = sum(off.map((one) => one * one))
  const variation = Math.sqrt(variance / lots.length) / mean
  let [statistic, excess, lag1] = [0, 0, 0]
  for (let lag = 1; lag <= rejectedFrom.length && excess < enough; lag++) {
    let covariance = 0
    for (let k = lag; k < off.length; k++) covariance += (off[k] ?? 0) * (off[k - lag] ?? 0)
    const correlation = variance === 0 ? 0 : covariance / variance
    if (lag === 1) lag1 = Math.abs(correlation)
    statistic += (off.length * (off.length + 2) * correlation * correlation) / (off.length - lag)
    excess = Math.max(excess, statistic - (rejectedFrom[lag - 1] ?? 0))
  }
  const broken = Math.max(0, leastVariation - variation, variation - maxVariation) + Math.max(0, lag1 - maxLag1)
  // The bounds of the variation come first.
  return { variation, pattern: 1_000_000 * broken + excess }
}
