import { Effect, Layer } from "effect"
import type { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import type { Db } from "../../db/Db.ts"
import type { Wakeups } from "../../db/Wakeups.ts"
import { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { OrderBudget } from "../../stores/account/OrderBudget.ts"
import type { Broker } from "../Broker.ts"
import { MockBroker } from "../mock/MockBroker.ts"
import type { PlacementGate } from "../PlacementGate.ts"
import { Zerodha } from "../zerodha/Zerodha.ts"
import { withCircuit } from "./withCircuit.ts"
import { withDryRun } from "./withDryRun.ts"
import { withGate } from "./withGate.ts"
import { withLogIds } from "./withLogIds.ts"
import { withRateLimit } from "./withRateLimit.ts"
import { withTelemetry } from "./withTelemetry.ts"
import { withTimeout } from "./withTimeout.ts"
import { withWaits } from "./withWaits.ts"

type Wrapper = Layer.Layer<Broker, never, Broker | Db | PlacementGate>

/** The account's rate limit as configured, the outermost layer that a placement passes. */
export const configuredRateLimit = (config: Configuration["Service"]) =>
  withRateLimit({
    perSecond: config.zerodhaOrdersPerSecond,
    perMinute: config.zerodhaOrdersPerMinute,
    perDay: config.zerodhaOrdersPerDay,
    margin: config.zerodhaRateLimitMargin,
    dailyLimitPolicy: config.zerodhaDailyLimitPolicy,
    maxWait: config.brokerTimeout
  })

/** The guards around every broker as configured, from the inside out. */
export const configuredGuards = (config: Configuration["Service"]) => [
  withTimeout(config.brokerTimeout),
  // Inside the gate and the rate limit: waiting for them is not part of a broker call.
  withTelemetry,
  withCircuit({ failures: config.brokerCircuitFailures, pause: config.brokerCircuitPause }),
  // Around the circuit: the closure that a probe causes must not stop the probe itself.
  withGate
]

/**
 * The broker that BROKER_TYPE chooses, and around it the guards that every placement passes, from the outside in: the names in log lines, the
 * waits of orders that the broker does not take for now, the account's rate limit, the placement gate, the circuit breaker,
 * telemetry, the timeout, and in a dry run the layer that sends nothing.
 *
 * The order is what makes the guards right: the gate is asked after the wait for a turn, when nothing is left to wait for,
 * and the timeout counts only the call itself, which a slice's lease relies on. Cancels pass the rate limit, too; look-ups
 * pass only telemetry and the timeout. The daemon and the command `settle` build it.
 */
export const BrokerLayer: Layer.Layer<Broker, never, Configuration | DatabaseClock | Db | PlacementGate | Wakeups> =
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* Configuration
      const isReal = config.brokerType === "zerodha"
      const rateLimit = configuredRateLimit(config).pipe(Layer.provide(OrderBudget.layer))

      const wrappers: ReadonlyArray<Wrapper> = [
        ...(config.dryRun ? [withDryRun] : []),
        ...configuredGuards(config),
        // A dry run sends nothing that could count.
        ...(isReal && !config.dryRun ? [rateLimit] : []),
        withWaits,
        withLogIds
      ]
      const broker = isReal ? Zerodha.pipe(Layer.provide([CredentialStore.layer, BrokerInUseStore.layer])) : MockBroker
      return wrappers.reduce(
        (below: Layer.Layer<Broker, never, Configuration | DatabaseClock | Db | PlacementGate | Wakeups>, wrapper) =>
          wrapper.pipe(Layer.provide(below)),
        broker
      )
    })
  )
