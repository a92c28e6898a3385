import { DateTime, Effect, Layer, Option, Redacted, Result } from "effect"
import type { Broker } from "../../../src/broker/Broker.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { tokenEnd } from "../../../src/broker/zerodha/kiteTokens.ts"
import { Zerodha } from "../../../src/broker/zerodha/Zerodha.ts"
import { Wakeups } from "../../../src/db/Wakeups.ts"
import { KiteSimulator, type SimulatorOptions } from "../../../src/kite-simulator/KiteSimulator.ts"
import { BrokerInUseStore } from "../../../src/stores/account/BrokerInUseStore.ts"
import { CredentialStore, type StoredToken } from "../../../src/stores/account/CredentialStore.ts"
import { configuration } from "../../support/database.ts"
import { measuredClock } from "../../support/service.ts"

/** No account is recorded yet: the tests of a broker use only one. */
export const anyAccount = Layer.mock(BrokerInUseStore)({
  account: Effect.succeed(null),
  claimAccount: (account) => Effect.succeed(account)
})

/** Stores a new token after each expiry, as an operator does who logs in every morning. */
const dutifulOperator = Layer.effect(
  CredentialStore,
  Effect.gen(function* () {
    const { issueToken } = yield* KiteSimulator
    const issue = Effect.gen(function* () {
      return {
        accessToken: Result.succeed(Redacted.make(yield* issueToken)),
        setAt: yield* DateTime.now,
        setBy: "me",
        userId: "SIM001",
        refusedReason: null
      }
    })
    let token: StoredToken = yield* issue
    return CredentialStore.of({
      token: () =>
        Effect.gen(function* () {
          if (DateTime.isGreaterThanOrEqualTo(yield* DateTime.now, tokenEnd(token.setAt))) token = yield* issue
          return Option.some(token)
        }),
      set: () => Effect.void,
      refuse: () => Effect.void
    })
  })
)

/** The Zerodha broker, on a Kite simulator of its own, over real HTTP. */
export const zerodhaOverSimulator = (
  options: Partial<SimulatorOptions> = {},
  environment: Readonly<Record<string, string>> = {}
): Layer.Layer<Broker | PlacementGate | KiteSimulator> =>
  Layer.unwrap(
    Effect.map(KiteSimulator, ({ url, feedUrl }) =>
      Zerodha.pipe(
        Layer.provideMerge(PlacementGate.layer),
        Layer.provide([
          dutifulOperator,
          anyAccount,
          measuredClock,
          Layer.mock(Wakeups)({ next: () => Effect.never }),
          configuration({
            BROKER_TYPE: "zerodha",
            ZERODHA_API_KEY: "simulator-key",
            ZERODHA_URL: url,
            ZERODHA_ORDER_FEED_URL: feedUrl,
            ...environment
          })
        ])
      )
    )
  ).pipe(Layer.provideMerge(Layer.orDie(KiteSimulator.layer({ lookupsPerSecond: 1000, ...options }))))
