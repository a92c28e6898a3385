import { Duration, Effect, Layer, Option } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { Db } from "../../db/Db.ts"
import type { Broker } from "../Broker.ts"
import { mockLotOf } from "./mockInstruments.ts"
import { MockOrderList } from "./MockOrderList.ts"
import { simulatedExchange } from "./SimulatedExchange.ts"
import { withFaults } from "./withFaults.ts"
import { withLatency } from "./withLatency.ts"
import { withScenarios } from "./withScenarios.ts"
import { withSecondLimit } from "./withSecondLimit.ts"

type Wrapper = Layer.Layer<Broker, never, Broker>

const defaultQuarantine = Duration.seconds(5)

/** The mock's layers as configured, around a simulated exchange on any order list. Tests build it on a list of their own. */
export const mockBrokerOnOrderList: Layer.Layer<Broker, never, Configuration | MockOrderList> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    const seed = config.mockBrokerSeed
    const exchange = simulatedExchange({
      seed,
      fillDelay: config.mockBrokerFillDelay,
      lotOf: config.mockBrokerLots ? mockLotOf : () => 1,
      quarantine: Option.getOrElse(config.reconcileQuarantine, () => defaultQuarantine)
    })

    // From the exchange outwards. The order matters: a lost request uses up no rate limit, a refused one does.
    const wrappers: ReadonlyArray<Wrapper> = [
      ...when(config.mockBrokerRateLimit > 0, () => withSecondLimit(config.mockBrokerRateLimit)),
      ...when(
        config.mockBrokerScenarios.some((scenario) => scenario !== "success"),
        () => withScenarios(config.mockBrokerScenarios, { silence: config.brokerTimeout })
      ),
      ...when(config.mockBrokerFaultRate > 0, () => withFaults({ rate: config.mockBrokerFaultRate, seed })),
      ...when(!Duration.isZero(Duration.sum(config.mockBrokerLatency, config.mockBrokerLatencyJitter)), () =>
        withLatency({ latency: config.mockBrokerLatency, jitter: config.mockBrokerLatencyJitter, seed })
      )
    ]
    return wrappers.reduce((below, wrapper) => wrapper.pipe(Layer.provide(below)), exchange)
  })
)

const when = (isOn: boolean, wrapper: () => Wrapper): ReadonlyArray<Wrapper> => (isOn ? [wrapper()] : [])

/**
 * The mock broker of MOCK_BROKER_*: a simulated exchange, and around it layers that each misbehave in one way, as configured
 * (a limit per second, scenarios, random faults, latency).
 *
 * It keeps the same contract as any Broker: an unknown outcome may have been placed, a late order appears within the
 * quarantine. The seed decides every fault, price and fill, so that a run can be repeated. MOCK_BROKER_BOOK chooses the order
 * list: in memory, or in the database, shared by all replicas. BrokerLayer builds it unless BROKER_TYPE is zerodha.
 */
export const MockBroker: Layer.Layer<Broker, never, Configuration | Db> = mockBrokerOnOrderList.pipe(
  Layer.provide(
    Layer.unwrap(
      Effect.map(Configuration, (config): Layer.Layer<MockOrderList, never, Db> =>
        config.mockBrokerBook === "table" ? MockOrderList.table : MockOrderList.memory
      )
    )
  )
)
