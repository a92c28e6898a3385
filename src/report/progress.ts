import { DateTime } from "effect"
import type { OrderRecord, RecordedSlice } from "../domain/lifecycle/OrderRecord.ts"
import type { TradingTime } from "../domain/market/TradingTime.ts"

/** From this moment on it is so much in all. */
export interface Step {
  readonly at: DateTime.Utc
  readonly quantity: number
}

export type Steps = ReadonlyArray<Step>

/** A stretch in which the market was closed, and nothing happened. */
export interface Closed {
  readonly from: DateTime.Utc
  readonly to: DateTime.Utc
}

/**
 * An order's quantity over time. What later slices took over of a slice counts with them alone, so that what is planned
 * comes to the order's total.
 */
export interface Progress {
  readonly from: DateTime.Utc
  readonly to: DateTime.Utc
  /** What is placed and filled is known up to here. */
  readonly until: DateTime.Utc
  /** Left out of charts. */
  readonly closed: ReadonlyArray<Closed>
  /** As the order was split; null when that is still the plan. */
  readonly firstPlanned: Steps | null
  readonly planned: Steps
  /** What the broker acknowledged. */
  readonly placed: Steps
  /** When the service saw it filled: the broker's fills themselves are not kept. */
  readonly filled: Steps
}

/** Null when there are no slices. */
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

/** When a slice's placement left or, where its sender never said, when it was found in the broker's book. */
export const placedOrFoundAt = ({ placedAt, acknowledgedAt, updatedAt }: RecordedSlice): DateTime.Utc =>
  placedAt ?? acknowledgedAt ?? updatedAt

/** How much of an order a slice stands for by itself. */
export const ownQuantity = ({ quantity, filledQuantity, carriedQuantity }: RecordedSlice): number =>
  Math.max(filledQuantity, quantity - carriedQuantity)

/** One step for each moment, in the order of time, adding up. */
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

/** How much it is at a moment. */
export const quantityAt = (steps: Steps, at: DateTime.Utc): number =>
  steps.findLast((step) => DateTime.isLessThanOrEqualTo(step.at, at))?.quantity ?? 0

/** The shortest night. Less lies between the windows of two plans. */
const minClosedMillis = 4 * 3_600_000

/** The time between two moments without what is closed, as trading time. */
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
    // The last fills of a session are seen after its close.
    const from = Math.max(closesMillis, ...times.filter((millis) => millis < opensMillis))
    if (opensMillis - from < minClosedMillis) return []
    return [{ from: DateTime.makeUnsafe(from), to: DateTime.makeUnsafe(opensMillis) }]
  })
}
