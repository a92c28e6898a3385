/**
 * The quantile of sorted values by nearest rank: the smallest value that at least `share` of the values, 0 to 1, do not
 * exceed. So p99 of 100 values is the 99th, not the maximum; 0 gives the minimum, 1 the maximum. Null for no values.
 */
export const quantile = (sorted: ReadonlyArray<number>, share: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
