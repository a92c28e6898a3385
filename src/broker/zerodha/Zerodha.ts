import { Layer } from "effect"
import type { DatabaseClock } from "../../clock/DatabaseClock.ts"
import type { Configuration } from "../../config/Configuration.ts"
import type { Wakeups } from "../../db/Wakeups.ts"
import type { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import type { CredentialStore } from "../../stores/account/CredentialStore.ts"
import type { Broker } from "../Broker.ts"
import type { PlacementGate } from "../PlacementGate.ts"
import { KiteClient } from "./KiteClient.ts"
import { KiteSession } from "./KiteSession.ts"
import { OrderFeed } from "./OrderFeed.ts"
import { ZerodhaBroker } from "./ZerodhaBroker.ts"

/** The Zerodha broker of ZERODHA_* with its HTTP client, session and order feed. */
export const Zerodha: Layer.Layer<
  Broker,
  never,
  BrokerInUseStore | Configuration | CredentialStore | DatabaseClock | PlacementGate | Wakeups
> = ZerodhaBroker.pipe(
  Layer.provide(OrderFeed.layer),
  Layer.provide(KiteSession.layer),
  Layer.provide(KiteClient.layer)
)
