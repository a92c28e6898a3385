import { Metric } from "effect"
import { differenceKindNames } from "../domain/lifecycle/settlement.ts"
import type { NextStage } from "../domain/model/OrderSlice.ts"
import { reasonCodes } from "../domain/model/reason.ts"

/** The description of a metric. The guide, the dashboard and the alert rules are checked against it. */
export interface Definition {
  readonly kind: "counter" | "gauge" | "histogram"
  readonly name: string
  /** In the Unified Code for Units of Measure, with the counted thing in braces. */
  readonly unit: string
  readonly description: string
  /** Its attributes and their possible values; null where these are unknown. A single value is that of every series. */
  readonly attributes: Readonly<Record<string, ReadonlyArray<string> | null>>
}

/** A metric and its series, which at most two attributes distinguish. */
export interface Instrument {
  readonly definition: Definition
  readonly series: (first?: string, second?: string) => Metric.Metric<number, unknown>
}

/** The exporter takes the unit of a metric from an attribute of this name. */
export const unitAttribute = "unit"

const instrument = (
  definition: Definition,
  make: (attributes: Metric.Metric.AttributeSet) => Metric.Metric<number, unknown>
): Instrument => ({
  definition,
  series: (...values) => {
    const attributes = Object.entries(definition.attributes).map(([name, known]) => [
      name,
      (known?.length === 1 ? known[0] : values.shift()) ?? ""
    ])
    return make({ ...Object.fromEntries(attributes), [unitAttribute]: definition.unit })
  }
})

type Words = readonly [name: string, unit: string, description: string]

const counter = ([name, unit, description]: Words, attributes: Definition["attributes"] = {}) =>
  instrument({ kind: "counter", name, unit, description, attributes }, (attributes) =>
    Metric.counter(name, { description, attributes, incremental: true })
  )

const gauge = ([name, unit, description]: Words, attributes: Definition["attributes"] = {}) =>
  instrument({ kind: "gauge", name, unit, description, attributes }, (attributes) =>
    Metric.gauge(name, { description, attributes })
  )

const histogram = (
  [name, unit, description]: Words,
  boundaries: ReadonlyArray<number>,
  attributes: Definition["attributes"] = {}
) =>
  instrument({ kind: "histogram", name, unit, description, attributes }, (attributes) =>
    Metric.histogram(name, { description, attributes, boundaries })
  )

/** Boundaries of lateness: from half a millisecond, the normal case, to minutes, in an outage. */
const seconds = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
]
/** Boundaries for statements and broker calls, which have time limits. */
const callSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** Boundaries for slices in doubt, which may last until a person resolves them. */
const longSeconds = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400]

const splitOutcomes = ["done", "failed", "skipped", "waiting", "not_split"] as const
export type SplitOutcome = (typeof splitOutcomes)[number]

export const outcomes = ["processed", "failed", "skipped", "rescheduled", "unknown"] as const
export type Outcome = (typeof outcomes)[number]

const outcomeWords = {
  Processed: "processed",
  Failed: "failed",
  Skipped: "skipped",
  Rescheduled: "rescheduled",
  Unknown: "unknown"
} as const satisfies Readonly<Record<NextStage["_tag"], Outcome>>

/** The outcome of a slice, in the words of metrics and spans. */
export const outcomeOf = (next: NextStage): Outcome => outcomeWords[next._tag]

const notFiredOutcomes = ["failed", "skipped", "rescheduled"] as const

export const reconciliations = ["processed", "failed", "skipped", "rescheduled", "unprovable", "turned_up"] as const
export type Reconciled = (typeof reconciliations)[number]

const skipReasons = ["window_over", "order_cancelled"] as const
export type SkipReason = (typeof skipReasons)[number]

const brokerCalls = ["place", "cancel", "find_by_tag", "list_all", "quotes"] as const
export type BrokerCall = (typeof brokerCalls)[number]

const answers = ["ok", "refused", "try_later", "credentials_invalid", "not_sent", "unknown"]
const holds = ["halt", "history", "calendar", "clock", "credentials", "limit", "day", "circuit", "stopping"]
const workers = ["splitter", "executor", "monitor"]

/** Every metric of the service. A test keeps the list in `doc/guides/monitoring.md` the same. */
export const metrics = {
  orderSplits: counter(["pulse.order.splits", "{order}", "Orders that a splitter has dealt with"], {
    outcome: splitOutcomes
  }),
  orderSplitDuration: histogram(
    ["pulse.order.split.duration", "s", "From the claim of an order to the commit of its split"],
    seconds,
    { outcome: splitOutcomes }
  ),
  orderSplitDelay: histogram(
    ["pulse.order.split.delay", "s", "From an order's created_at to the commit of its split"],
    seconds
  ),
  slicesPlanned: counter(["pulse.slices.planned", "{slice}", "Slices that splits have made"]),

  sliceLateness: histogram(
    ["pulse.slice.lateness", "s", "Of an acknowledged slice: when its request began, minus when it was due"],
    seconds
  ),
  slicePlacements: counter(["pulse.slice.placements", "{placement}", "Placements that have ended"], {
    outcome: outcomes
  }),
  slicePlacementDuration: histogram(
    [
      "pulse.slice.placement.duration",
      "s",
      "From the moment of firing to the broker's answer, with the wait for a turn"
    ],
    seconds,
    { outcome: outcomes }
  ),
  slicesNotFired: counter(["pulse.slices.not_fired", "{slice}", "Claimed slices for which the broker was not called"], {
    outcome: notFiredOutcomes
  }),
  slicesSkipped: counter(["pulse.slices.skipped", "{slice}", "Slices that nobody placed in time, or wanted any more"], {
    reason: skipReasons
  }),
  reasons: counter(["pulse.reasons", "{reason}", "Reasons given to orders and slices, by their code"], {
    of: ["order", "slice"],
    reason_code: reasonCodes
  }),
  sliceReconciliations: counter(
    [
      "pulse.slice.reconciliations",
      "{slice}",
      "Slices in doubt that the broker's order list has resolved, or cannot resolve"
    ],
    { outcome: reconciliations }
  ),
  sliceDoubtDuration: histogram(
    [
      "pulse.slice.doubt.duration",
      "s",
      "From the last moment at which a slice may have been sent to its reconciliation"
    ],
    longSeconds
  ),
  doublePlacements: counter(["pulse.slice.double_placements", "{slice}", "Alarms of a double placement"]),

  brokerDifferences: counter(
    [
      "pulse.broker.differences",
      "{difference}",
      "Differences between slices and the broker's order list that people were told of"
    ],
    { kind: differenceKindNames }
  ),

  orders: gauge(["pulse.orders", "{order}", "Orders that are not split yet, of all replicas"], {
    order_queue_status: ["PENDING", "IN_PROGRESS"]
  }),
  ordersWaiting: gauge([
    "pulse.orders.waiting",
    "{order}",
    "PENDING orders that wait for days that the trading calendar does not know, counted up to 100000"
  ]),
  orderPendingAge: gauge(["pulse.order.pending.age", "s", "How long the oldest order has been waiting for a splitter"]),
  slices: gauge(["pulse.slices", "{slice}", "Slices that are not over, of all replicas, counted up to 100000"], {
    state: ["scheduled", "due", "in_progress", "in_doubt", "open"]
  }),
  sliceDueAge: gauge(["pulse.slice.due.age", "s", "How long the oldest SCHEDULED slice has been due"]),
  sliceDoubtAge: gauge(["pulse.slice.doubt.age", "s", "How long the oldest slice in doubt has been that"]),

  brokerCallDuration: histogram(
    ["pulse.broker.call.duration", "s", "Calls of the broker, up to BROKER_TIMEOUT_SECONDS"],
    callSeconds,
    { call: brokerCalls, outcome: answers }
  ),
  brokerTurnWait: histogram(
    ["pulse.broker.rate_limit.wait", "s", "How long an order request waited for its turn"],
    seconds
  ),
  holds: gauge(
    ["pulse.placements.held", "{hold}", "1 while this process places nothing for that reason, 0 otherwise"],
    { hold: holds }
  ),

  workerTicks: counter(["pulse.worker.ticks", "{tick}", "Rounds of a worker"], {
    worker: workers,
    outcome: ["ok", "failed"]
  }),
  workerTickAge: gauge(["pulse.worker.tick.age", "s", "Since when a worker has had no round without a failure"], {
    worker: workers
  }),
  clockOffset: gauge(["pulse.clock.offset", "s", "This host's clock minus the database's"]),

  statementDuration: histogram(
    ["db.client.operation.duration", "s", "Statements and their wait for a connection, by name"],
    callSeconds,
    { "db.system.name": ["postgresql"], "db.operation.name": null, "error.type": null }
  ),
  statementsActive: gauge([
    "pulse.db.statements.active",
    "{statement}",
    "Statements under way, those that wait for a connection included"
  ]),
  connectionsMax: gauge(["db.client.connection.max", "{connection}", "DATABASE_POOL_SIZE"]),

  spansDropped: counter([
    "pulse.telemetry.spans.dropped",
    "{span}",
    "Spans left out because the receiver does not keep up"
  ])
}

export const definitions: ReadonlyArray<Definition> = Object.values(metrics).map(({ definition }) => definition)
