import { Duration, Effect, Layer, Option } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { Db } from "../../db/Db.ts"
import type { Broker } from "../Broker.ts"
import { MockOrderList } from "./MockOrderList.ts"
import { simulatedExchange } from "./SimulatedExchange.ts"
import { withFaults } from "./withFaults.ts"
import { withLatency } from "./withLatency.ts"
import { withScenarios } from "./withScenarios.ts"
import { withSecondLimit } from "./withSecondLimit.ts"

type Wrapper = Layer.Layer<Broker, never, Broker>

const defaultQuarantine = Duration.seconds(5)

/** The layers that the configuration asks for, around a simulated exchange on whatever book there is. */
export const mockBrokerOnOrderList: Layer.Layer<Broker, never, Configuration | MockOrderList> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    const seed = config.mockBrokerSeed
    const exchange = simulatedExchange({
      seed,
      fillDelay: config.mockBrokerFillDelay,
      quarantine: Option.getOrElse(config.reconcileQuarantine, () => defaultQuarantine)
    })

    // From the exchange outwards. The order counts: a lost request uses up no rate limit, a refused one does.
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

/** The mock broker of MOCK_BROKER_*: a Broker like any other, on the book that MOCK_BROKER_BOOK names. */
export const MockBroker: Layer.Layer<Broker, never, Configuration | Db> = mockBrokerOnOrderList.pipe(
  Layer.provide(
    Layer.unwrap(
      Effect.map(Configuration, (config): Layer.Layer<MockOrderList, never, Db> =>
        config.mockBrokerBook === "table" ? MockOrderList.table : MockOrderList.memory
      )
    )
  )
)
