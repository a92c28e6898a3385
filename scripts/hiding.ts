import { Result } from "effect"
/** Measures what randomized schedules show of themselves: `npm run hiding -- --seeds 1000`. The figures of doc/guides/schedules.md. */
import { parseArgs } from "node:util"
import { planSchedule, type ScheduleInput, scheduleTimes } from "../src/domain/planning/schedule/Schedule.ts"
import { seededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"
import type { Hiding } from "../src/domain/planning/schedule/slots.ts"

const { values } = parseArgs({ options: { seeds: { type: "string", default: "400" } } })
const seeds = Number(values.seeds)
const hour = 3_600_000

const inputOf = (seed: number, numSlices: number, lotsEach: number, hiding: Hiding): ScheduleInput => ({
  seed: `hiding ${seed}`,
  totalQuantity: numSlices * lotsEach,
  lotSize: 1,
  numSlices,
  windowMillis: hour,
  randomize: true,
  curve: { _tag: "Even" },
  leastGapMillis: 0,
  largestSlice: null,
  hiding
})

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

/** Deviations from the mean in relation to it, and their mean square. */
const deviationsOf = (numbers: ReadonlyArray<number>) => {
  const mean = sum(numbers) / numbers.length
  const off = numbers.map((number) => number / mean - 1)
  return { off, variance: sum(off.map((one) => one * one)) / off.length }
}

const variationOf = (numbers: ReadonlyArray<number>): number => Math.sqrt(deviationsOf(numbers).variance)

/** From which statistic on a Ljung–Box test with this many lags rejects at 5 %. */
const rejectedFrom = { 5: 11.07, 10: 18.307, 20: 31.41 } as const

const ljungBox = (numbers: ReadonlyArray<number>, lags: number): number => {
  const { off, variance } = deviationsOf(numbers)
  const n = off.length
  const terms = Array.from({ length: lags }, (_, index) => {
    const covariance = sum(off.slice(index + 1).map((one, k) => one * (off[k] ?? 0)))
    return (covariance / n / variance) ** 2 / (n - index - 1)
  })
  return variance === 0 ? 0 : n * (n + 2) * sum(terms)
}

/** The farthest distance of a running total from the straight line, in slices. */
const farthest = (quantities: ReadonlyArray<number>, times: ReadonlyArray<number>): number => {
  const average = sum(quantities) / quantities.length
  let [done, most] = [0, 0]
  for (const [index, time] of times.entries()) {
    const line = (time / hour) * times.length
    const after = done + (quantities[index] ?? 0) / average
    most = Math.max(most, Math.abs(done - line), Math.abs(after - line))
    done = after
  }
  return most
}

const gapsOf = (times: ReadonlyArray<number>) => times.slice(1).map((time, index) => time - (times[index] ?? 0))

/** The variation of gaps below which 5 % of orders with independent times are. */
const evenBelow = (numSlices: number): number => {
  const random = seededRandom("independent")
  const all = Array.from({ length: 4000 }, () =>
    variationOf(gapsOf(Array.from({ length: numSlices }, () => random() * hour).toSorted((one, other) => one - other)))
  )
  return all.toSorted((one, other) => one - other)[200] ?? 0
}

/** How far apart the running totals of the sizes' deviations are, in relation to what independent sizes would give. */
const rangeOf = (sizes: ReadonlyArray<number>): number => {
  const { off, variance } = deviationsOf(sizes)
  let [total, low, high] = [0, 0, 0]
  for (const one of off) {
    total += one
    low = Math.min(low, total)
    high = Math.max(high, total)
  }
  return (high - low) / Math.sqrt(variance * off.length)
}

/** The range below which 5 % of orders with independent sizes are. */
const rangeBelow = (numSlices: number): number => {
  const random = seededRandom("independent")
  const all = Array.from({ length: 4000 }, () => rangeOf(Array.from({ length: numSlices }, () => 0.7 + 0.6 * random())))
  return all.toSorted((one, other) => one - other)[200] ?? 0
}

const percent = (count: number): string => `${Math.round((100 * count) / seeds)} %`

console.log(`${seeds} seeds each\n`)
console.log("hiding  slices  gaps' variation  evenness seen  distance: median   99 %  largest")
for (const numSlices of [12, 50, 100, 500]) {
  const below = evenBelow(numSlices)
  for (const hiding of ["tight", "loose"] as const) {
    const plans = Array.from({ length: seeds }, (_, seed) => {
      const input = inputOf(seed, numSlices, 1000, hiding)
      const quantities = Result.getOrThrow(planSchedule(input)).map(({ quantity }) => quantity)
      const times = Result.getOrThrow(scheduleTimes(input))
      return { variation: variationOf(gapsOf(times)), distance: farthest(quantities, times) }
    })
    const distances = plans.map(({ distance }) => distance).toSorted((one, other) => one - other)
    const shown = [0.5, 0.99, 1].map((share) => (distances[Math.ceil(share * seeds) - 1] ?? 0).toFixed(2).padStart(8))
    const seen = percent(plans.filter(({ variation }) => variation < below).length)
    const mean = (sum(plans.map(({ variation }) => variation)) / seeds).toFixed(2)
    console.log(hiding, String(numSlices).padStart(8), mean.padStart(16), seen.padStart(14), "        ", ...shown)
  }
}

console.log("\nhiding  lots each  slices  variation  seen by correlation over 5, 10, 20 lags, by running totals")
for (const hiding of ["tight", "loose"] as const) {
  for (const lotsEach of [1000, 10, 3, 2.5, 2]) {
    for (const numSlices of [50, 100, 200, 500, 1000]) {
      const sizes = Array.from({ length: seeds }, (_, seed) =>
        Result.getOrThrow(planSchedule(inputOf(seed, numSlices, lotsEach, hiding))).map(({ quantity }) => quantity)
      )
      const seen = ([5, 10, 20] as const).map((lags) =>
        percent(sizes.filter((one) => ljungBox(one, lags) > rejectedFrom[lags]).length).padStart(6)
      )
      const below = rangeBelow(numSlices)
      const tracked = percent(sizes.filter((one) => rangeOf(one) < below).length).padStart(6)
      const mean = (sum(sizes.map(variationOf)) / seeds).toFixed(3)
      console.log(
        hiding,
        String(lotsEach).padStart(10),
        String(numSlices).padStart(8),
        mean.padStart(10),
        ...seen,
        tracked
      )
    }
  }
}
