import { Context, Effect, Layer, Queue } from "effect"
import type { SubmittedOrder } from "../../simulation/store/Database.ts"
import { Memory } from "../../simulation/store/Memory.ts"
import { memoryDatabase } from "../../simulation/store/memoryDatabase.ts"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { runWorkers } from "../../src/Daemon.ts"
import { type Topic, Wakeups } from "../../src/db/Wakeups.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { DayTotalStore } from "../../src/stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import { OrderBudget } from "../../src/stores/account/OrderBudget.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { SettlementStore } from "../../src/stores/account/SettlementStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../src/stores/operations/HeartbeatStore.ts"
import { HistoryStore } from "../../src/stores/operations/HistoryStore.ts"
import { LookoutStore } from "../../src/stores/operations/LookoutStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { LookoutLayer } from "../../src/workers/supervision/Lookout.ts"
import { WorkerStatus } from "../../src/workers/supervision/WorkerStatus.ts"
import { configuration } from "./database.ts"
import { databaseIsDown } from "./memoryStores.ts"
import { anOrder } from "./orders.ts"
import { scriptedBroker } from "./scriptedBroker.ts"
import { measuredClock } from "./service.ts"

const topics: ReadonlyArray<Topic> = [
  "orders",
  "slices",
  "cancels",
  "halts",
  "credentials",
  "placed",
  "audit",
  "calendar"
]

/** The database of a daemon that a test runs, and what the daemon has asked of it. */
interface Watched {
  readonly memory: Memory
  /** How often each statement was sent. */
  readonly sent: Map<string, number>
  /** Statements that fail. */
  readonly failing: Set<string>
  /** Statements that are never answered. */
  readonly hanging: Set<string>
  isListening: boolean
  /** Commits a PENDING order of one slice of 10, which is due at its creation. */
  readonly insertOrder: (id: string, createdAt: number) => void
  /** Delivers a notification. */
  readonly notify: (topic: Topic) => void
}

export class Watch extends Context.Service<Watch, Watched>()("test/Watch") {}

/** A store whose statements are counted, and fail or hang as the test wants. */
const watched = <Store extends object>(watch: Watched, name: string, store: Store): Store => {
  const sent = (method: string) => {
    const operation = `${name}.${method}`
    watch.sent.set(operation, (watch.sent.get(operation) ?? 0) + 1)
    if (watch.hanging.has(operation)) return Effect.never
    return watch.failing.has(operation) ? Effect.fail(databaseIsDown) : Effect.void
  }
  return new Proxy(store, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key)
      const after = (statement: unknown) =>
        Effect.isEffect(statement)
          ? Effect.andThen(
              Effect.suspend(() => sent(String(key))),
              statement
            )
          : statement
      return typeof member === "function"
        ? (...given: ReadonlyArray<unknown>) => after(Reflect.apply(member, target, given))
        : after(member)
    }
  })
}

const watchLayer = Layer.effectContext(
  Effect.gen(function* () {
    const { stores, tables, insertOrder } = memoryDatabase()
    const memory = tables()
    if (!(memory instanceof Memory)) return yield* Effect.die("the tables are not in memory")
    const queues = new Map<string, Queue.Queue<void>>()
    for (const topic of topics) queues.set(topic, yield* Queue.sliding<void>(1))
    const queueOf = (topic: string) => Effect.fromNullishOr(queues.get(topic))
    const wake = (topic: string) =>
      Effect.ignore(Effect.flatMap(queueOf(topic), (queue) => Queue.offer(queue, undefined)))
    const watch: Watched = {
      memory,
      sent: new Map(),
      failing: new Set(),
      hanging: new Set(),
      isListening: true,
      insertOrder: (id, createdAt) => Effect.runSync(Effect.orDie(insertOrder(orderDueAt(id, createdAt)))),
      notify: (topic) => Effect.runSync(wake(topic))
    }
    const wakeups = Wakeups.of({
      next: (topic) => Effect.orDie(Effect.flatMap(queueOf(topic), Queue.take)),
      wake,
      isListening: Effect.sync(() => watch.isListening)
    })
    return Context.make(Watch, watch).pipe(
      Context.add(Wakeups, wakeups),
      Context.add(OrderStore, watched(watch, "OrderStore", stores.orders)),
      Context.add(SliceStore, watched(watch, "SliceStore", stores.slices)),
      Context.add(RecoveryStore, watched(watch, "RecoveryStore", stores.recovery)),
      Context.add(SettlementStore, watched(watch, "SettlementStore", stores.settlement)),
      Context.add(ReplanStore, watched(watch, "ReplanStore", stores.replans)),
      Context.add(HaltStore, watched(watch, "HaltStore", stores.halts)),
      Context.add(HistoryStore, watched(watch, "HistoryStore", stores.history)),
      Context.add(LookoutStore, watched(watch, "LookoutStore", stores.lookout)),
      Context.merge(
        yield* Layer.build(
          Layer.mergeAll(
            Layer.mock(HeartbeatStore)(watched(watch, "HeartbeatStore", stores.heartbeats)),
            Layer.mock(OrderCommands)(watched(watch, "OrderCommands", stores.commands)),
            Layer.mock(InstrumentStore)(watched(watch, "InstrumentStore", stores.instruments)),
            Layer.mock(QuoteStore)(watched(watch, "QuoteStore", stores.quotes)),
            Layer.mock(DayTotalStore)({}),
            Layer.mock(OrderBudget)({})
          )
        )
      )
    )
  })
)

/** All that {@link runWorkers} needs, on TestClock: the stores in memory, a scripted broker, and the lookout. */
export const memoryDaemon = (environment: Readonly<Record<string, string>> = {}) =>
  LookoutLayer.pipe(
    Layer.provideMerge(WorkerStatus.layer),
    Layer.provideMerge(Layer.mergeAll(PlacementGate.layer, scriptedBroker, measuredClock, Instance.layer)),
    Layer.provideMerge(watchLayer),
    Layer.provideMerge(TradingHours.layer.pipe(Layer.provideMerge(configuration(environment))))
  )

export const startDaemon = Effect.forkScoped(runWorkers, { startImmediately: true })

const orderDueAt = (id: string, createdAt: number): SubmittedOrder => ({
  ...anOrder({ totalQuantity: 10, numSplits: 1, durationMinutes: 0, randomize: false }),
  id,
  instrument: "NSE:INFY",
  createdAt
})
