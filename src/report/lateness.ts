import { DateTime } from "effect"
import type { RecordedPlan, RecordedSlice } from "../domain/lifecycle/OrderRecord.ts"
import { quantile } from "../domain/numbers/quantile.ts"

/** The number of slices that were late by `fromMillis` or more and by less than `toMillis`; null for no end. */
export interface LatenessBand {
  readonly fromMillis: number
  readonly toMillis: number | null
  readonly count: number
}

/** The lateness of an order's slices: from the due time to the last request that was sent. */
export interface Lateness {
  readonly count: number
  readonly medianMillis: number
  readonly p90Millis: number
  readonly p99Millis: number
  readonly maxMillis: number
  /** Slices that were sent before they were due. Must be 0. */
  readonly early: number
  /** Slices that were due before their plan was made, and so were late from the start. */
  readonly dueBeforePlanned: number
  /** From the first to the last band that is not empty. */
  readonly bands: ReadonlyArray<LatenessBand>
}

const edges = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000, 600_000]

/** The lateness of an order; null when no slice is known to have been sent. */
export const latenessOf = (
  slices: ReadonlyArray<RecordedSlice>,
  plans: ReadonlyArray<RecordedPlan>
): Lateness | null => {
  const sent = slices.flatMap((slice) => (slice.latenessMillis === null ? [] : [{ slice, late: slice.latenessMillis }]))
  const sorted = sent.map(({ late }) => late).toSorted((a, b) => a - b)
  const max = sorted.at(-1)
  if (max === undefined) return null
  const isDueBeforePlanned = ({ slice }: (typeof sent)[number]) => {
    const plan = plans.findLast(({ firstSequence }) => firstSequence <= slice.sequenceNumber)
    return plan !== undefined && DateTime.isLessThan(slice.scheduledAt, plan.createdAt)
  }
  return {
    count: sorted.length,
    medianMillis: quantile(sorted, 0.5) ?? max,
    p90Millis: quantile(sorted, 0.9) ?? max,
    p99Millis: quantile(sorted, 0.99) ?? max,
    maxMillis: max,
    early: sorted.filter((late) => late < 0).length,
    dueBeforePlanned: sent.filter(isDueBeforePlanned).length,
    bands: bandsOf(sorted.filter((late) => late >= 0))
  }
}

const bandsOf = (lateness: ReadonlyArray<number>): ReadonlyArray<LatenessBand> => {
  const bands = edges.map((fromMillis, index) => {
    const toMillis = edges[index + 1] ?? null
    const count = lateness.filter((late) => late >= fromMillis && (toMillis === null || late < toMillis)).length
    return { fromMillis, toMillis, count }
  })
  const first = bands.findIndex(({ count }) => count > 0)
  return first === -1 ? [] : bands.slice(first, bands.findLastIndex(({ count }) => count > 0) + 1)
}
