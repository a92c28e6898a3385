interface Wanted {
  readonly lots: number
  readonly numSlices: number
  readonly maxLots: number
}

/** The target size of each slice in fractional lots, from 1 to the maximum, and the running totals. */
export interface BaseLots {
  readonly sizes: ReadonlyArray<number>
  /** One more entry than slices, from 0 to all lots. */
  readonly sums: ReadonlyArray<number>
}

/** Distributes all lots along a curve. Requires numSlices ≤ lots ≤ numSlices · maxLots. */
export const baseLots = (share: (elapsed: number) => number, { lots, numSlices, maxLots }: Wanted): BaseLots => {
  const curve = Array.from({ length: numSlices + 1 }, (_, k) => (k === numSlices ? lots : lots * share(k / numSlices)))
  const onCurve = differences(curve)
  const clamped = (scale: number) => onCurve.map((size) => Math.min(Math.max(size * scale, 1), maxLots))
  if (onCurve.every((size) => size >= 1 && size <= maxLots)) return { sizes: onCurve, sums: curve }
  // Sizes beyond a bound are clamped to it, and a scale for the others is found by bisection, until the sum is right.
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

/** The base rounded down to whole lots, with a tolerance for rounding errors of doubles. */
export const evenLots = (base: BaseLots, maxLots: number): ReadonlyArray<number> =>
  wholeLots(
    base.sums.map((sum) => Math.floor(sum + 0.00001)),
    maxLots
  )

/** Differences of running totals, each clamped to at least one lot and at most the maximum. */
export const wholeLots = (totals: ReadonlyArray<number>, maxLots: number): ReadonlyArray<number> => {
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

export const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)
