import { DateTime, Duration, Effect, Layer } from "effect"
import { Broker } from "./broker/Broker.ts"
import { brokerIdentity } from "./broker/brokerIdentity.ts"
import { BrokerLayer } from "./broker/layers/BrokerLayer.ts"
import { PlacementGate } from "./broker/PlacementGate.ts"
import { DatabaseClock } from "./clock/DatabaseClock.ts"
import { PreciseClock } from "./clock/PreciseClock.ts"
import { Configuration } from "./config/Configuration.ts"
import { TradingHours } from "./config/TradingHours.ts"
import { migrate } from "./db/Migrations.ts"
import { Wakeups } from "./db/Wakeups.ts"
import { secretFileCheck } from "./doctor/secretFileCheck.ts"
import { NotifierLayer } from "./notify/Notifier.ts"
import { Instance } from "./runtime/Instance.ts"
import { BrokerInUseStore } from "./stores/account/BrokerInUseStore.ts"
import { StoresLayer } from "./stores/StoresLayer.ts"
import { warmUp } from "./workers/executor/warmUp.ts"
import { OrderSplitter } from "./workers/OrderSplitter.ts"
import { SliceExecutor } from "./workers/SliceExecutor.ts"
import { AuditSealer } from "./workers/supervision/auditSealer.ts"
import { BacklogTelemetry } from "./workers/supervision/backlogGauges.ts"
import { FollowCalendar } from "./workers/supervision/followCalendar.ts"
import { LookoutLayer } from "./workers/supervision/Lookout.ts"
import { ServerHistoryLayer } from "./workers/supervision/ServerHistory.ts"
import { supervise } from "./workers/supervision/supervision.ts"
import { WorkerStatus } from "./workers/supervision/WorkerStatus.ts"
import { TimeoutMonitor } from "./workers/TimeoutMonitor.ts"

const migrateAndLog = Effect.flatMap(migrate, (applied) =>
  applied.length === 0
    ? Effect.logDebug("The database is up to date")
    : Effect.logInfo(`Applied ${applied.length} migrations: ${applied.map(({ name }) => name).join(", ")}`)
)

const takeBroker = Effect.gen(function* () {
  const store = yield* BrokerInUseStore
  yield* store.take(brokerIdentity(yield* Configuration), yield* Instance, yield* DateTime.now)
})

/**
 * The layers of the service, from the bottom up: identity and trading hours, the migrated database and its clock, the
 * stores, the claim on the broker, the placement gate and wake-ups, the lookout, and on top the broker, the notifier, the
 * gauges and the sealer of the audit. The order matters: no worker starts before the schema fits and the database's orders belong to this broker.
 * Layers close in the opposite order, so that a claim can still be given back while the workers stop.
 */
const serviceWith = (broker: typeof BrokerLayer) =>
  Layer.mergeAll(broker, NotifierLayer, BacklogTelemetry, AuditSealer).pipe(
    Layer.provideMerge(
      LookoutLayer.pipe(
        Layer.provideMerge(Layer.merge(ServerHistoryLayer, FollowCalendar)),
        Layer.provideMerge(WorkerStatus.layer)
      )
    ),
    Layer.provideMerge(Layer.mergeAll(Wakeups.layer, PlacementGate.layer)),
    Layer.provideMerge(Layer.effectDiscard(takeBroker)),
    Layer.provideMerge(StoresLayer),
    Layer.provideMerge(DatabaseClock.layer.pipe(Layer.provide(PreciseClock))),
    Layer.provideMerge(Layer.effectDiscard(migrateAndLog)),
    Layer.provideMerge(Layer.mergeAll(Instance.layer, TradingHours.layer))
  )

/** Runs the three workers, each supervised, until one keeps dying or the process is told to stop. */
export const runWorkers = Effect.gen(function* () {
  const instance = yield* Instance
  const broker = yield* Broker
  const config = yield* Configuration
  yield* Effect.logInfo(
    `pulse-background ${instance.version} is running as ${instance.id} with the ${broker.name} broker, ` +
      `${config.dryRun ? "in a DRY RUN (nothing is sent), " : ""}splitting every ${Duration.format(config.orderSplitterPollInterval)}, placing up to ${config.sliceExecutorConcurrency} slices at once`
  )
  if (config.readableSecretFiles.length > 0) {
    yield* Effect.logWarning(secretFileCheck(config.readableSecretFiles).found)
  }
  return yield* Effect.raceAllFirst([
    supervise("splitter", OrderSplitter),
    supervise("executor", SliceExecutor),
    supervise("monitor", TimeoutMonitor)
  ])
})

/** The service with the given broker. It needs a database, and stops in the order workers, pool, server. */
export const daemonWith = (broker: typeof BrokerLayer) =>
  Effect.andThen(warmUp, runWorkers).pipe(
    Effect.onInterrupt(() => Effect.logInfo("Stopped in order")),
    Effect.provide(serviceWith(broker))
  )

/** The service with the configured broker. */
export const daemon = daemonWith(BrokerLayer)
