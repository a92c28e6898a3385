import {
  Clock,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  type Fiber,
  Layer,
  Logger,
  Queue,
  References,
  Scheduler,
  Schema
} from "effect"
import { Broker } from "../src/broker/Broker.ts"
import { configuredGuards, configuredRateLimit } from "../src/broker/layers/BrokerLayer.ts"
import { PlacementGate } from "../src/broker/PlacementGate.ts"
import { DatabaseClock } from "../src/clock/DatabaseClock.ts"
import { Configuration } from "../src/config/Configuration.ts"
import { TradingHours } from "../src/config/TradingHours.ts"
import { runWorkers } from "../src/Daemon.ts"
import { Db } from "../src/db/Db.ts"
import { DbError } from "../src/db/DbError.ts"
import { type Topic, Wakeups } from "../src/db/Wakeups.ts"
import { Instance } from "../src/runtime/Instance.ts"
import { DayTotalStore } from "../src/stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../src/stores/account/InstrumentStore.ts"
import { OrderBudget } from "../src/stores/account/OrderBudget.ts"
import { QuoteStore } from "../src/stores/account/QuoteStore.ts"
import { SettlementStore } from "../src/stores/account/SettlementStore.ts"
import { HaltStore } from "../src/stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../src/stores/operations/HeartbeatStore.ts"
import { HistoryStore } from "../src/stores/operations/HistoryStore.ts"
import { LookoutStore } from "../src/stores/operations/LookoutStore.ts"
import { OrderCommands } from "../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../src/stores/orders/OrderStore.ts"
import { ReplanStore } from "../src/stores/orders/ReplanStore.ts"
import { RecoveryStore } from "../src/stores/slices/RecoveryStore.ts"
import { SliceStore } from "../src/stores/slices/SliceStore.ts"
import { LookoutLayer } from "../src/workers/supervision/Lookout.ts"
import { ServerHistoryLayer } from "../src/workers/supervision/ServerHistory.ts"
import { WorkerStatus } from "../src/workers/supervision/WorkerStatus.ts"
import { brokerOf } from "./broker.ts"
import type { Process } from "./Process.ts"
import { budgetOf, databaseTime, storesOf } from "./statements.ts"

/** Decodes a run's settings in the same way as the daemon decodes its environment. */
export const configurationOf = (environment: Readonly<Record<string, string>>): Configuration["Service"] =>
  Effect.runSync(
    Effect.provide(Configuration, Configuration.layer, { local: true }).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(environment))
    )
  )

/** A running daemon; `stop` is a SIGTERM. */
export interface Daemon {
  readonly wake: (topic: string) => void
  readonly stop: () => void
}

/**
 * Starts the real workers in a simulated process. All layers are those of the service, except for what leaves the process:
 * the stores, the broker, notifications and the clocks are simulated.
 */
export const startDaemon = (process: Process, config: Configuration["Service"]): Daemon => {
  const wakeups = wakeupsOf()
  const service = serviceLayer(process, config, wakeups.layer)
  const main = runWorkers.pipe(Effect.provide(service, { local: true }))
  const context = Context.empty().pipe(
    Context.add(Clock.Clock, process.clock),
    Context.add(Scheduler.Scheduler, process.scheduler),
    Context.add(References.MinimumLogLevel, process.run.world.traced === null ? "None" : "Info"),
    Context.add(Logger.CurrentLoggers, new Set([loggerOf(process)]))
  )
  const fiber = Effect.runForkWith(context)(main)
  fiber.addObserver((exit) => {
    if (Exit.isFailure(exit)) process.run.world.traced?.(() => `${process.id} ends: ${String(exit.cause)}`)
    process.end()
  })
  return { wake: wakeups.wake, stop: () => stop(process, fiber) }
}

const stop = (process: Process, fiber: Fiber.Fiber<unknown, unknown>): void => {
  process.isEnding = true
  process.enter(() => fiber.interruptUnsafe())
}

const loggerOf = (process: Process) =>
  Logger.make(({ message }) => {
    process.run.world.traced?.(
      () => `${process.id} says: ${Array.isArray(message) ? message.join(" ") : String(message)}`
    )
  })

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

/** Wake-ups as LISTEN delivers them: several of one topic count as one. */
const wakeupsOf = () => {
  const queues = new Map<string, Queue.Queue<void>>()
  // The queues are created inside the process: a queue wakes its takers on the scheduler that it was created on.
  const layer = Layer.effect(
    Wakeups,
    Effect.gen(function* () {
      for (const topic of topics) queues.set(topic, yield* Queue.sliding<void>(1))
      return Wakeups.of({
        next: (topic) => {
          const queue = queues.get(topic)
          return queue === undefined ? Effect.never : Queue.take(queue)
        },
        wake: (topic) => Effect.sync(() => wake(topic)),
        isListening: Effect.succeed(true)
      })
    })
  )
  const wake = (topic: string): void => {
    const queue = queues.get(topic)
    if (queue !== undefined) Queue.offerUnsafe(queue, undefined)
  }
  return { layer, wake }
}

const serviceLayer = (process: Process, config: Configuration["Service"], wakeups: Layer.Layer<Wakeups>) => {
  const stores = storesOf(process)
  const storeLayers = Layer.mergeAll(
    Layer.succeed(OrderStore, OrderStore.of(stores.orders)),
    Layer.succeed(SliceStore, SliceStore.of(stores.slices)),
    Layer.succeed(RecoveryStore, RecoveryStore.of(stores.recovery)),
    Layer.succeed(SettlementStore, SettlementStore.of(stores.settlement)),
    Layer.succeed(ReplanStore, ReplanStore.of(stores.replans)),
    Layer.succeed(HaltStore, HaltStore.of(stores.halts)),
    Layer.mock(HeartbeatStore)(stores.heartbeats),
    Layer.succeed(LookoutStore, LookoutStore.of(stores.lookout)),
    Layer.succeed(HistoryStore, HistoryStore.of(stores.history)),
    Layer.mock(OrderCommands)(stores.commands),
    Layer.mock(InstrumentStore)(stores.instruments),
    Layer.mock(QuoteStore)(stores.quotes),
    Layer.mock(OrderBudget)(budgetOf(process)),
    // Never called: no limit of the day is set.
    Layer.mock(DayTotalStore)({})
  )
  const guards: ReadonlyArray<Layer.Layer<Broker, never, Broker | DatabaseClock | PlacementGate | OrderBudget>> = [
    ...configuredGuards(config),
    // Not every broker has a rate limit; without it a placement does not wait for its turn.
    ...(process.run.scenario.faults.waitForTurn > 0 ? [configuredRateLimit(config)] : [])
  ]
  const broker = guards.reduce(
    (below: Layer.Layer<Broker, never, DatabaseClock | PlacementGate | OrderBudget>, guard) =>
      guard.pipe(Layer.provide(below)),
    Layer.succeed(Broker, Broker.of(brokerOf(process)))
  )
  return broker.pipe(
    Layer.provideMerge(
      LookoutLayer.pipe(Layer.provideMerge(ServerHistoryLayer), Layer.provideMerge(WorkerStatus.layer))
    ),
    Layer.provideMerge(Layer.mergeAll(PlacementGate.layer, wakeups)),
    Layer.provideMerge(storeLayers),
    Layer.provideMerge(DatabaseClock.layer.pipe(Layer.provide(clockDb(process)))),
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.succeed(
          Instance,
          Instance.of({ id: process.id, hostname: "simulation", pid: process.generation, version: "simulated" })
        ),
        Layer.succeed(TradingHours, TradingHours.fixed(null)),
        Layer.succeed(Configuration, Configuration.of(config))
      )
    )
  )
}

/** A Db that answers only the one query of the DatabaseClock. */
const clockDb = (process: Process): Layer.Layer<Db> =>
  Layer.mock(Db)({
    query: (operation, row) =>
      Effect.flatMap(databaseTime(process), (micros) =>
        Schema.decodeUnknownEffect(Schema.Array(row))([{ micros, bootId: null }]).pipe(
          Effect.mapError(({ message }) => new DbError({ operation, message, isTransient: false, sqlState: null }))
        )
      )
  })
