import { DateTime } from "effect"
import type { OrderRecord, RecordedSlice } from "../domain/lifecycle/OrderRecord.ts"
import type { TradingTime } from "../domain/market/TradingTime.ts"

/** The total quantity from this moment on. */
export interface Step {
  readonly at: DateTime.Utc
  readonly quantity: number
}

export type Steps = ReadonlyArray<Step>

/** A stretch in which the market was closed and nothing happened. */
export interface Closed {
  readonly from: DateTime.Utc
  readonly to: DateTime.Utc
}

/**
 * An order's quantity over time. Quantity that was carried into later slices counts with those slices only, so that the
 * planned quantity adds up to the order's total.
 */
export interface Progress {
  readonly from: DateTime.Utc
  readonly to: DateTime.Utc
  /** Placed and filled quantities are known up to here. */
  readonly until: DateTime.Utc
  /** Charts leave these stretches out. */
  readonly closed: ReadonlyArray<Closed>
  /** The first plan; null while it is still the current one. */
  readonly firstPlanned: Steps | null
  readonly planned: Steps
  /** Quantity that the broker acknowledged. */
  readonly placed: Steps
  /** Fills at the time when the service saw them; the broker's fills themselves are not kept. */
  readonly filled: Steps
}

/** The progress of an order; null when it has no slices. */
export const progressOf = (
  { order, plans, slices }: OrderRecord,
  now: DateTime.Utc,
  isOver: boolean
): Progress | null => {
  if (slices.length === 0) return null
  const current = slices.filter(({ replacedBy }) => replacedBy === null)
  const ofFirst = plans[1]?.firstSequence ?? Infinity
  const firstPlanned =
    plans.length < 2
      ? null
      : stepsOf(
          slices
            .filter(({ sequenceNumber }) => sequenceNumber < ofFirst)
            .map((slice) => [slice.scheduledAt, slice.quantity])
        )
  const steps = {
    firstPlanned,
    planned: stepsOf(current.map((slice) => [slice.scheduledAt, ownQuantity(slice)])),
    placed: stepsOf(
      current.flatMap((slice) => (slice.stage === "PROCESSED" ? [[placedOrFoundAt(slice), ownQuantity(slice)]] : []))
    ),
    filled: stepsOf(
      current.flatMap((slice) => (slice.filledQuantity > 0 ? [[slice.updatedAt, slice.filledQuantity]] : []))
    )
  }
  const moments = [...(firstPlanned ?? []), ...steps.planned, ...steps.placed, ...steps.filled].map(({ at }) => at)
  const starts = [plans[0]?.startsAt ?? order.createdAt, ...moments]
  const ends = [...starts, ...(isOver ? [] : [now])]
  const to = ends.reduce((one, other) => DateTime.max(one, other))
  return {
    from: starts.reduce((one, other) => DateTime.min(one, other)),
    to,
    until: isOver ? to : now,
    closed: closedBetween(
      plans.flatMap(({ sessions }) => sessions ?? []),
      moments
    ),
    ...steps
  }
}

/** When a slice was sent or, if its sender never reported that, when it was found in the broker's order list. */
export const placedOrFoundAt = ({ placedAt, acknowledgedAt, updatedAt }: RecordedSlice): DateTime.Utc =>
  placedAt ?? acknowledgedAt ?? updatedAt

/** The quantity of a slice without what later slices took over. */
const ownQuantity = ({ quantity, filledQuantity, carriedQuantity }: RecordedSlice): number =>
  Math.max(filledQuantity, quantity - carriedQuantity)

/** Running totals: one step for each moment, in the order of time. */
const stepsOf = (parts: ReadonlyArray<readonly [at: DateTime.Utc, quantity: number]>): Steps => {
  let total = 0
  const steps: Array<Step> = []
  for (const [at, quantity] of parts.toSorted(([a], [b]) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b))) {
    total += quantity
    const last = steps.at(-1)
    if (last !== undefined && DateTime.toEpochMillis(last.at) === DateTime.toEpochMillis(at)) steps.pop()
    steps.push({ at, quantity: total })
  }
  return steps
}

/** The quantity at a moment. */
export const quantityAt = (steps: Steps, at: DateTime.Utc): number =>
  steps.findLast((step) => DateTime.isLessThanOrEqualTo(step.at, at))?.quantity ?? 0

/** Shorter gaps are not nights: they lie between the windows of two plans. */
const minClosedMillis = 4 * 3_600_000

/** The time between two moments without closed stretches, as trading time. */
export const openTime = ({ from, to, closed }: Pick<Progress, "from" | "to" | "closed">): TradingTime => {
  if (closed.length === 0) return null
  const opens = [from, ...closed.map((gap) => gap.to)].map(DateTime.toEpochMillis)
  const closes = [...closed.map((gap) => DateTime.toEpochMillis(gap.from)), DateTime.toEpochMillis(to) + 1]
  return opens.flatMap((opensMillis, index) => {
    const closesMillis = closes[index] ?? opensMillis
    return closesMillis > opensMillis ? [{ opensMillis, closesMillis }] : []
  })
}

const closedBetween = (
  sessions: ReadonlyArray<{ readonly opensMillis: number; readonly closesMillis: number }>,
  moments: ReadonlyArray<DateTime.Utc>
): ReadonlyArray<Closed> => {
  const inOrder = sessions.toSorted((a, b) => a.opensMillis - b.opensMillis)
  const times = moments.map(DateTime.toEpochMillis)
  return inOrder.flatMap(({ opensMillis }, index) => {
    const closesMillis = Math.max(0, ...inOrder.slice(0, index).map((session) => session.closesMillis))
    if (index === 0 || closesMillis >= opensMillis) return []
    // The last fills of a session may be seen after its close, so the gap begins after them.
    const from = Math.max(closesMillis, ...times.filter((millis) => millis < opensMillis))
    if (opensMillis - from < minClosedMillis) return []
    return [{ from: DateTime.makeUnsafe(from), to: DateTime.makeUnsafe(opensMillis) }]
  })
}
