import { Effect, Layer } from "effect"
import { Configuration } from "../Configuration.ts"
import type { Db } from "../db/Db.ts"
import type { Broker } from "./Broker.ts"
import { withTimeout } from "./BrokerTimeout.ts"
import { MockBroker } from "./mock/MockBroker.ts"

/** The broker that BROKER_TYPE chooses, none of whose calls outlasts BROKER_TIMEOUT_SECONDS. */
export const BrokerLayer: Layer.Layer<Broker, never, Configuration | Db> = Layer.unwrap(
  Effect.map(Configuration, (config) => withTimeout(config.brokerTimeout))
).pipe(Layer.provide(MockBroker))
