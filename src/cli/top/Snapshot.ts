import { DateTime, Effect, Layer, Option } from "effect"
import { brokerIdentity } from "../../broker/brokerIdentity.ts"
import { zerodha } from "../../broker/zerodha/kiteTokens.ts"
import { Configuration } from "../../config/Configuration.ts"
import { judge } from "../../domain/operations/workerHealth.ts"
import { decimalText } from "../../domain/text/decimals.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { type Halt, HaltStore } from "../../stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import {
  type MovingSlice,
  type OverviewOrder,
  TopStore,
  type RateUse,
  type SliceCounts
} from "../../stores/operations/TopStore.ts"
import { CommandLayer } from "../shared/environment.ts"
import type { WorkerHealth } from "../terminal/renderWorkers.ts"

/** Everything that `top` shows, as of one moment. */
export interface Snapshot {
  readonly at: DateTime.Utc
  readonly orders: ReadonlyArray<OverviewOrder>
  readonly slices: ReadonlyArray<MovingSlice>
  readonly counts: SliceCounts
  readonly workers: ReadonlyArray<WorkerHealth>
  /** The halt in force; null when placements are not halted. */
  readonly halt: Halt | null
  /** The brokers that live daemons place with; without a live daemon, the broker of this command's settings. */
  readonly broker: string
  readonly limits: Limits
}

/** The day's usage of each limit. A limit is null where none is set; values are decimal strings. */
export interface Limits {
  readonly orders: number
  readonly ordersPerDay: number | null
  readonly value: string
  readonly valuePerDay: string | null
  /** The account's request rates; null for a broker without them. */
  readonly requests:
    | (RateUse & { readonly perSecond: number; readonly perMinute: number; readonly perDay: number })
    | null
}

export const SnapshotLayer = TopStore.layer.pipe(Layer.provideMerge(CommandLayer))

/** Orders, and slices of each kind, that one snapshot reads at most. */
const maxListed = 50

/** Reads a snapshot in seven small statements, one after the other on one connection. */
export const takeSnapshot = Effect.gen(function* () {
  const overview = yield* TopStore
  const at = yield* DateTime.now
  const orders = yield* overview.orders(maxListed)
  const slices = yield* overview.slices(
    orders.map(({ orderId }) => orderId),
    maxListed,
    at
  )
  const counts = yield* overview.counts(at)
  const { workers } = judge(yield* (yield* HeartbeatStore).workers, at)
  const inUse = [...new Set(workers.flatMap(({ broker, isStale }) => (isStale ? [] : [broker])))]
  const broker = inUse.length === 0 ? brokerIdentity(yield* Configuration) : inUse.join(", ")
  const halt = Option.filter(yield* (yield* HaltStore).current, ({ isHalted }) => isHalted)
  const snapshot: Snapshot = {
    at,
    orders,
    slices,
    counts,
    workers,
    halt: Option.getOrNull(halt),
    broker,
    limits: yield* limitsAt(at, broker)
  }
  return snapshot
})

const limitsAt = Effect.fnUntraced(function* (now: DateTime.Utc, broker: string) {
  const config = yield* Configuration
  const totals = yield* (yield* DayTotalStore).totals(now)
  const requests = broker.startsWith(zerodha)
    ? {
        ...(yield* (yield* TopStore).rateUse(zerodha, now)),
        perSecond: config.zerodhaOrdersPerSecond,
        perMinute: config.zerodhaOrdersPerMinute,
        perDay: config.zerodhaOrdersPerDay
      }
    : null
  const limits: Limits = {
    orders: totals.orders,
    ordersPerDay: Option.getOrNull(config.limits.ordersPerDay),
    value: decimalText(totals.value),
    valuePerDay: Option.getOrNull(Option.map(config.limits.valuePerDay, decimalText)),
    requests
  }
  return limits
})
