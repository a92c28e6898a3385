import { type Context, DateTime, Metric } from "effect"
import type { BrokerOutcome } from "../broker/brokerOutcome.ts"
import type { HoldKind } from "../broker/Holds.ts"
import { WorkerName } from "../workers/WorkerStatus.ts"
import {
  brokerCalls,
  type Instrument,
  metrics,
  outcomeOf,
  outcomes,
  reconciliations,
  skipReasons,
  splitOutcomes
} from "./Metrics.ts"
import type { Span, Telemetry } from "./Telemetry.ts"
import type { TraceRecorder } from "./TraceRecorder.ts"

const secondsOf = ({ beganMillis, endedMillis }: Span): number => Math.max(0, endedMillis - beganMillis) / 1000

/** What tells the recorder the time and how many connections there may be. */
export interface RecorderOptions {
  /** Holds the registry of the metrics; each series is looked up in it once. */
  readonly context: Context.Context<never>
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMillis: () => number
  readonly poolSize: number
  readonly traces: TraceRecorder | null
}

/**
 * Telemetry that is kept: counts and distributions in the registry, spans with the trace recorder. Each series is made
 * once, counters at 0, so that a rate is known from their first event on.
 */
export const makeRecorder = ({ context, monotonicMillis, poolSize, traces }: RecorderOptions): Telemetry => {
  const update = (metric: Metric.Metric<number, unknown>, value: number) => metric.updateUnsafe(value, context)
  const one = <State>({ series }: Instrument<State>) => series()
  const each = <K extends string, State>({ series }: Instrument<State>, keys: ReadonlyArray<K>) =>
    new Map(keys.map((key) => [key, series(key)]))
  const counters = <K extends string>(instrument: Instrument<Metric.CounterState<number>>, keys: ReadonlyArray<K>) => {
    const all = each(instrument, keys)
    for (const counter of all.values()) update(counter, 0)
    return all
  }
  const add = <K>(series: ReadonlyMap<K, Metric.Metric<number, unknown>>, key: K, value: number) => {
    const metric = series.get(key)
    if (metric !== undefined) update(metric, value)
  }

  const splits = counters(metrics.orderSplits, splitOutcomes)
  const splitDurations = each(metrics.orderSplitDuration, splitOutcomes)
  const splitDelay = one(metrics.orderSplitDelay)
  const planned = one(metrics.slicesPlanned)
  const lateness = one(metrics.sliceLateness)
  const placements = counters(metrics.slicePlacements, outcomes)
  const placementDurations = each(metrics.slicePlacementDuration, outcomes)
  const notFired = counters(metrics.slicesNotFired, outcomes)
  const skips = counters(metrics.slicesSkipped, skipReasons)
  const reconciled = counters(metrics.sliceReconciliations, reconciliations)
  const doubtDuration = one(metrics.sliceDoubtDuration)
  const doubles = one(metrics.doublePlacements)
  const turnWait = one(metrics.brokerTurnWait)
  const clockOffset = one(metrics.clockOffset)
  const statementsActive = one(metrics.statementsActive)
  const brokerCall = memoized((call: string) =>
    memoized((outcome: BrokerOutcome) => metrics.brokerCallDuration.series(call, outcome))
  )
  const statement = memoized((operation: string) =>
    memoized((errorType: string) => metrics.statementDuration.series("postgresql", operation, errorType))
  )
  const hold = memoized((kind: HoldKind) => metrics.holds.series(kind))
  const ticks = memoized((worker: WorkerName) =>
    counters({ ...metrics.workerTicks, series: (outcome = "") => metrics.workerTicks.series(worker, outcome) }, [
      "ok",
      "failed"
    ])
  )

  for (const counter of [planned, doubles, one(metrics.spansDropped)]) update(counter, 0)
  for (const call of brokerCalls) brokerCall(call)("ok")
  update(one(metrics.connectionsMax), poolSize)
  const lastOkMillis = watchTicks(context, monotonicMillis)
  let active = 0

  return {
    isOn: true,
    split: (order, outcome, slices, span) => {
      add(splits, outcome, 1)
      add(splitDurations, outcome, secondsOf(span))
      if (outcome === "done") {
        update(planned, slices)
        if (order.createdMillis !== null) {
          update(splitDelay, secondsOf({ ...span, beganMillis: order.createdMillis }))
        }
      }
      traces?.split(order, outcome, slices, span)
    },
    placed: (slice, next, span) => {
      const outcome = outcomeOf(next)
      add(placements, outcome, 1)
      add(placementDurations, outcome, secondsOf(span))
      if (outcome === "processed") update(lateness, (span.beganMillis - slice.scheduledMillis) / 1000)
      traces?.placed(slice, next, span)
    },
    notFired: (next) => add(notFired, outcomeOf(next), 1),
    skipped: (reason, slices) => add(skips, reason, slices),
    reconciled: (slice, next, span) => {
      const outcome = outcomeOf(next)
      if (outcome !== "unknown") add(reconciled, outcome, 1)
      update(doubtDuration, secondsOf({ ...span, beganMillis: slice.lastSentMillis }))
      traces?.reconciled(slice, next, span)
    },
    doubted: (what) => add(reconciled, what, 1),
    doublePlacement: () => update(doubles, 1),
    brokerCalled: (call, outcome, span) => update(brokerCall(call)(outcome), secondsOf(span)),
    waitedForTurn: (span) => update(turnWait, secondsOf(span)),
    held: (kind, isHeld) => update(hold(kind), isHeld ? 1 : 0),
    ticked: (worker, isOk) => {
      add(ticks(worker), isOk ? "ok" : "failed", 1)
      if (isOk) lastOkMillis.set(worker, monotonicMillis())
    },
    clockOffset: (millis) => update(clockOffset, millis / 1000),
    statementBegan: () => update(statementsActive, (active += 1)),
    statementEnded: (operation, errorType, span) => {
      update(statementsActive, (active -= 1))
      update(statement(operation)(errorType ?? ""), secondsOf(span))
    },
    backlog: makeBacklog(update)
  }
}

/** Series that are looked up by name at every event are made at the first. */
const memoized = <K, A>(make: (key: K) => A): ((key: K) => A) => {
  const made = new Map<K, A>()
  return (key) => {
    const known = made.get(key)
    if (known !== undefined) return known
    const fresh = make(key)
    made.set(key, fresh)
    return fresh
  }
}

/** An age is reckoned when it is read: it must grow while nothing happens. */
const watchTicks = (context: Context.Context<never>, monotonicMillis: () => number): Map<WorkerName, number> => {
  const lastOkMillis = new Map(WorkerName.literals.map((worker) => [worker, monotonicMillis()]))
  for (const worker of WorkerName.literals) {
    Metric.registerUnsafe(metrics.workerTickAge.series(worker), context, {
      get: () => ({ value: (monotonicMillis() - (lastOkMillis.get(worker) ?? 0)) / 1000 }),
      update: () => undefined,
      modify: () => undefined
    })
  }
  return lastOkMillis
}

/** Ages of what there is none of are 0. */
const makeBacklog = (update: (metric: Metric.Metric<number, unknown>, value: number) => void): Telemetry["backlog"] => {
  const pending = metrics.orders.series("PENDING")
  const splitting = metrics.orders.series("IN_PROGRESS")
  const pendingAge = metrics.orderPendingAge.series()
  const dueAge = metrics.sliceDueAge.series()
  const doubtAge = metrics.sliceDoubtAge.series()
  const scheduled = metrics.slices.series("scheduled")
  const due = metrics.slices.series("due")
  const inProgress = metrics.slices.series("in_progress")
  const inDoubt = metrics.slices.series("in_doubt")
  const open = metrics.slices.series("open")

  return (backlog, now) => {
    const ageOf = (since: DateTime.Utc | null) =>
      since === null
        ? 0
        : secondsOf({ beganMillis: DateTime.toEpochMillis(since), endedMillis: DateTime.toEpochMillis(now) })
    update(pending, backlog.ordersPending)
    update(splitting, backlog.ordersInProgress)
    update(pendingAge, ageOf(backlog.pendingSince))
    update(dueAge, ageOf(backlog.dueSince))
    update(doubtAge, ageOf(backlog.inDoubtSince))
    update(scheduled, backlog.scheduled)
    update(due, backlog.due)
    update(inProgress, backlog.inProgress)
    update(inDoubt, backlog.inDoubt)
    update(open, backlog.open)
  }
}
