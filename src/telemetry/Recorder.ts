import { type Context, DateTime, Metric } from "effect"
import { differenceKinds } from "../domain/lifecycle/settlement.ts"
import type { NextStage } from "../domain/model/OrderSlice.ts"
import { WorkerName } from "../domain/model/WorkerName.ts"
import { type Instrument, metrics, outcomeOf } from "./Metrics.ts"
import type { Span, Telemetry } from "./Telemetry.ts"
import type { TraceRecorder } from "./TraceRecorder.ts"

/** Records a value in the series with these attributes. */
type RecordValue = (value: number, first?: string, second?: string) => void

/** Makes the recording functions. Each series is created at its first value, and cached. */
type Records = (instrument: Instrument) => RecordValue

const recordsIn =
  (context: Context.Context<never>): Records =>
  ({ series }) => {
    const made = new Map<string, Map<string, Metric.Metric<number, unknown>>>()
    return (value, first = "", second = "") => {
      let some = made.get(first)
      if (some === undefined) made.set(first, (some = new Map()))
      let metric = some.get(second)
      if (metric === undefined) some.set(second, (metric = series(first, second)))
      metric.updateUnsafe(value, context)
    }
  }

/** Counters start at 0, so that their rate is right from the first event on. */
const countFromZero = (records: Records): void => {
  for (const instrument of Object.values(metrics)) {
    const { kind, attributes } = instrument.definition
    if (kind !== "counter") continue
    const record = records(instrument)
    const [firsts = [""], seconds = [""]] = Object.values(attributes).map((values) => values ?? [])
    for (const first of firsts) for (const second of seconds) record(0, first, second)
  }
}

const secondsOf = ({ beganMillis, endedMillis }: Span): number => Math.max(0, endedMillis - beganMillis) / 1000

export interface RecorderOptions {
  /** Contains the metric registry. */
  readonly context: Context.Context<never>
  /** A monotonic clock, in milliseconds. */
  readonly monotonicMillis: () => number
  readonly poolSize: number
  readonly traces: TraceRecorder | null
}

/** Telemetry that is recorded: counts and distributions in the registry, spans by the trace recorder. */
export const makeRecorder = ({ context, monotonicMillis, poolSize, traces }: RecorderOptions): Telemetry => {
  const records = recordsIn(context)
  countFromZero(records)
  records(metrics.connectionsMax)(poolSize)
  return {
    isOn: true,
    ...ofSlices(records, traces),
    ...ofDoubts(records, traces),
    ...ofBroker(records),
    ...ofWorkers(records, context, monotonicMillis),
    ...ofStatements(records),
    backlog: ofBacklog(records)
  }
}

/** Counts the reason of a slice that was not placed, or whose outcome is unknown. */
const reasonsOf =
  (reasons: ReturnType<Records>) =>
  (next: NextStage): void => {
    if ("code" in next) reasons(1, "slice", next.code)
  }

const ofSlices = (
  records: Records,
  traces: TraceRecorder | null
): Pick<Telemetry, "split" | "placed" | "notFired" | "skipped" | "orderReason" | "sliceReason"> => {
  const splits = records(metrics.orderSplits)
  const splitDuration = records(metrics.orderSplitDuration)
  const splitDelay = records(metrics.orderSplitDelay)
  const planned = records(metrics.slicesPlanned)
  const lateness = records(metrics.sliceLateness)
  const placements = records(metrics.slicePlacements)
  const placementDuration = records(metrics.slicePlacementDuration)
  const notFired = records(metrics.slicesNotFired)
  const skips = records(metrics.slicesSkipped)
  const reasons = records(metrics.reasons)
  const countReason = reasonsOf(reasons)
  return {
    split: (order, outcome, slices, span) => {
      splits(1, outcome)
      splitDuration(secondsOf(span), outcome)
      if (outcome === "done") {
        planned(slices)
        if (order.startsMillis !== null) splitDelay(secondsOf({ ...span, beganMillis: order.startsMillis }))
      }
      traces?.split(order, outcome, slices, span)
    },
    placed: (slice, next, span) => {
      const outcome = outcomeOf(next)
      placements(1, outcome)
      placementDuration(secondsOf(span), outcome)
      countReason(next)
      if (outcome === "processed") lateness((span.beganMillis - slice.scheduledMillis) / 1000)
      traces?.placed(slice, next, span)
    },
    notFired: (next) => {
      notFired(1, outcomeOf(next))
      countReason(next)
    },
    skipped: (reason, slices) => {
      skips(slices, reason)
      reasons(slices, "slice", reason)
    },
    orderReason: (code) => reasons(1, "order", code),
    sliceReason: (code, slices) => reasons(slices, "slice", code)
  }
}

const ofDoubts = (
  records: Records,
  traces: TraceRecorder | null
): Pick<Telemetry, "reconciled" | "doubted" | "doublePlacement" | "differed"> => {
  const reconciliations = records(metrics.sliceReconciliations)
  const duration = records(metrics.sliceDoubtDuration)
  const reasons = records(metrics.reasons)
  const countReason = reasonsOf(reasons)
  const doubles = records(metrics.doublePlacements)
  const differences = records(metrics.brokerDifferences)
  return {
    reconciled: (slice, next, span) => {
      reconciliations(1, outcomeOf(next))
      countReason(next)
      duration(secondsOf({ ...span, beganMillis: slice.lastSentMillis }))
      traces?.reconciled(slice, next, span)
    },
    doubted: (what) => reconciliations(1, what),
    doublePlacement: () => {
      doubles(1)
      reasons(1, "order", "double_placement")
    },
    differed: (kind) => {
      differences(1, kind)
      if (differenceKinds[kind].isHeld) reasons(1, "order", "broker_differs")
    }
  }
}

const ofBroker = (records: Records): Pick<Telemetry, "brokerCalled" | "waitedForTurn" | "held"> => {
  const duration = records(metrics.brokerCallDuration)
  const wait = records(metrics.brokerTurnWait)
  const holds = records(metrics.holds)
  return {
    brokerCalled: (call, outcome, span) => duration(secondsOf(span), call, outcome),
    waitedForTurn: (span) => wait(secondsOf(span)),
    held: (kind, isHeld) => holds(isHeld ? 1 : 0, kind)
  }
}

const ofWorkers = (
  records: Records,
  context: Context.Context<never>,
  monotonicMillis: () => number
): Pick<Telemetry, "ticked" | "clockOffset"> => {
  const ticks = records(metrics.workerTicks)
  const clockOffset = records(metrics.clockOffset)
  const lastOkMillis = new Map(WorkerName.literals.map((worker) => [worker, monotonicMillis()]))
  for (const worker of WorkerName.literals) {
    // Computed when it is read, because it must grow while nothing happens.
    Metric.registerUnsafe(metrics.workerTickAge.series(worker), context, {
      get: () => ({ value: (monotonicMillis() - (lastOkMillis.get(worker) ?? 0)) / 1000 }),
      update: () => undefined,
      modify: () => undefined
    })
  }
  return {
    ticked: (worker, isOk) => {
      ticks(1, worker, isOk ? "ok" : "failed")
      if (isOk) lastOkMillis.set(worker, monotonicMillis())
    },
    clockOffset: (millis) => clockOffset(millis / 1000)
  }
}

const ofStatements = (records: Records): Pick<Telemetry, "statementBegan" | "statementEnded"> => {
  const duration = records(metrics.statementDuration)
  const active = records(metrics.statementsActive)
  let count = 0
  return {
    statementBegan: () => active((count += 1)),
    statementEnded: (operation, errorType, span) => {
      active((count -= 1))
      duration(secondsOf(span), operation, errorType ?? "")
    }
  }
}

/** The age of an empty backlog is 0. */
const ofBacklog = (records: Records): Telemetry["backlog"] => {
  const orders = records(metrics.orders)
  const slices = records(metrics.slices)
  const waiting = records(metrics.ordersWaiting)
  const pendingAge = records(metrics.orderPendingAge)
  const dueAge = records(metrics.sliceDueAge)
  const doubtAge = records(metrics.sliceDoubtAge)
  return (backlog, now) => {
    const endedMillis = DateTime.toEpochMillis(now)
    const ageOf = (since: DateTime.Utc | null) =>
      since === null ? 0 : secondsOf({ beganMillis: DateTime.toEpochMillis(since), endedMillis })
    orders(backlog.ordersPending, "PENDING")
    orders(backlog.ordersInProgress, "IN_PROGRESS")
    waiting(backlog.ordersWaiting)
    pendingAge(ageOf(backlog.pendingSince))
    slices(backlog.scheduled, "scheduled")
    slices(backlog.due, "due")
    dueAge(ageOf(backlog.dueSince))
    slices(backlog.inProgress, "in_progress")
    slices(backlog.inDoubt, "in_doubt")
    doubtAge(ageOf(backlog.inDoubtSince))
    slices(backlog.open, "open")
  }
}
