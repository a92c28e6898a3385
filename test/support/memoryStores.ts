import { BigDecimal, Context, DateTime, Effect, Layer } from "effect"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { DbError } from "../../src/db/DbError.ts"
import type { DayTotals } from "../../src/domain/limits/dayLimits.ts"
import { OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { unknownFacts } from "../../src/domain/model/MarketFacts.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import {
  type ClaimedSlice,
  ClaimVersion,
  type NextStage,
  sliceKeyOf,
  stageOf
} from "../../src/domain/model/OrderSlice.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { DayTotalStore } from "../../src/stores/account/DayTotalStore.ts"
import { ParticipationStore } from "../../src/stores/account/ParticipationStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { HistoryStore } from "../../src/stores/operations/HistoryStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import type { BrokerEvent } from "../../src/stores/sql/insertEvents.ts"
import { configuration } from "./database.ts"
import { scriptedBroker } from "./scriptedBroker.ts"
import { measuredClock, noWakeups, quietStatus } from "./service.ts"

/** Slices without a database, because I/O would make a test on TestClock wait for real time. */
export interface Memory {
  readonly scheduled: Array<ClaimedSlice>
  readonly cancelledOrders: Set<OrderId>
  readonly written: Array<{
    readonly id: SliceId
    readonly next: NextStage
    readonly attempts: number
    readonly placedAtMillis: number | null
  }>
  readonly events: Array<BrokerEvent>
  /** The number of slices in each write. */
  readonly groups: Array<number>
  /** The totals of the day's orders. */
  day: DayTotals
  writeFailure: DbError | null
  /** The id of the slice for which writing an outcome is a defect. */
  writeBug: string | null
}

export class MemoryStore extends Context.Service<MemoryStore, Memory>()("test/MemoryStore") {}

/** A slice that is due `dueMillis` after the start. */
export const sliceDueAt = (dueMillis: number, id = `s${dueMillis}`, orderId = "o1"): ClaimedSlice => ({
  id: SliceId.make(id),
  orderId: OrderId.make(orderId),
  tag: Tag.make(id.replaceAll(" ", "")),
  key: sliceKeyOf(1, dueMillis),
  sequenceNumber: 1,
  quantity: 10,
  instrument: Instrument.make("NSE:INFY"),
  side: "BUY",
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  claimVersion: ClaimVersion.make(0),
  attempts: 0,
  scheduledMillis: dueMillis,
  notBeforeMillis: dueMillis,
  notAfterMillis: dueMillis + 600_000,
  leaseExpiresMillis: 0,
  requestId: null,
  traceId: null,
  market: null,
  referencePrice: null,
  ...unknownFacts
})

export const databaseIsDown = new DbError({ operation: "test", message: "down", isTransient: true, sqlState: null })

const stores = Layer.effectContext(
  Effect.sync(() => {
    const memory: Memory = {
      scheduled: [],
      cancelledOrders: new Set(),
      written: [],
      events: [],
      groups: [],
      day: { orders: 0, value: BigDecimal.fromBigInt(0n) },
      writeFailure: null,
      writeBug: null
    }
    const slices = SliceStore.of({
      claimDue: ({ from, horizon, isLatestFirst = false, leaseExpiresAt, limit }) =>
        Effect.sync(() => {
          const due = memory.scheduled
            .filter((slice) => slice.notBeforeMillis <= DateTime.toEpochMillis(horizon))
            .filter((slice) => !from || slice.notBeforeMillis >= DateTime.toEpochMillis(from))
            .toSorted((a, b) => (a.notBeforeMillis - b.notBeforeMillis) * (isLatestFirst ? -1 : 1))
            .slice(0, limit)
          memory.scheduled.splice(
            0,
            memory.scheduled.length,
            ...memory.scheduled.filter((slice) => !due.includes(slice))
          )
          return due.map((slice) => ({
            ...slice,
            claimVersion: ClaimVersion.make(slice.claimVersion + 1),
            leaseExpiresMillis: DateTime.toEpochMillis(leaseExpiresAt)
          }))
        }),
      transition: (transitions, events) =>
        Effect.suspend(() => {
          if (memory.writeFailure !== null) return Effect.fail(memory.writeFailure)
          if (transitions.some(({ slice }) => slice.id === memory.writeBug)) return Effect.die("a bug")
          memory.groups.push(transitions.length)
          memory.events.push(...events)
          memory.written.push(
            ...transitions.map(({ slice, next, attempts, placedAt }) => ({
              id: slice.id,
              next,
              attempts,
              placedAtMillis: placedAt === null ? null : DateTime.toEpochMillis(placedAt)
            }))
          )
          return Effect.succeed(transitions.map(({ slice, next }) => ({ id: slice.id, stage: stageOf(next) })))
        }),
      unresolved: () => Effect.succeed([]),
      open: () => Effect.succeed([]),
      saveBrokerStates: () => Effect.void,
      claimCancels: () => Effect.succeed([]),
      cancelAnswered: () => Effect.void,
      releaseCancels: () => Effect.void,
      stopCancels: () => Effect.succeed([]),
      audit: () => Effect.void
    })
    return Context.make(MemoryStore, memory).pipe(Context.add(SliceStore, slices))
  })
)

const orders = Layer.effect(
  OrderStore,
  Effect.map(MemoryStore, (memory) =>
    OrderStore.of({
      claimPending: () => Effect.succeed([]),
      completeSplits: () => Effect.succeed([]),
      failSplits: () => Effect.void,
      waitForCalendar: () => Effect.void,
      release: () => Effect.void,
      releaseStuck: () => Effect.succeed([]),
      stoppedAmong: (ids) => Effect.sync(() => [...ids].filter((id) => memory.cancelledOrders.has(id))),
      lastRefusals: () => Effect.succeed([]),
      noteDouble: () => Effect.void
    })
  )
)

const days = Layer.effect(
  DayTotalStore,
  Effect.map(MemoryStore, (memory) =>
    DayTotalStore.of({
      totals: () => Effect.sync(() => memory.day),
      referencePrice: () => Effect.succeed(null),
      exclusively: (_, work) => Effect.suspend(() => work(memory.day))
    })
  )
)

/** Everything that the SliceExecutor needs, in memory. */
export const memoryService = (environment: Readonly<Record<string, string>> = {}) =>
  Layer.mergeAll(
    orders,
    days,
    scriptedBroker,
    measuredClock,
    Instance.layer,
    TradingHours.layer.pipe(Layer.provideMerge(configuration(environment))),
    PlacementGate.layer,
    // Called only while the share of the volume is limited.
    Layer.mock(ParticipationStore)({}),
    Layer.mock(ReplanStore)({}),
    Layer.mock(OrderCommands)({}),
    Layer.mock(HaltStore)({ current: Effect.succeedNone }),
    Layer.mock(HistoryStore)({}),
    noWakeups,
    quietStatus
  ).pipe(Layer.provideMerge(stores))
