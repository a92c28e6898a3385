import { Duration, Effect, Layer, Ref } from "effect"
import { Broker } from "../../../src/broker/Broker.ts"
import { MockOrderList } from "../../../src/broker/mock/MockOrderList.ts"
import { type ExchangeOptions, simulatedExchange } from "../../../src/broker/mock/SimulatedExchange.ts"
import type { BrokerError } from "../../../src/domain/model/BrokerError.ts"
import { findOrders } from "../BrokerConformance.ts"

/** A simulated exchange on its own order list in memory: fills after half a second, five seconds of quarantine. */
export const exchange = (options: Partial<ExchangeOptions> = {}): Layer.Layer<Broker> =>
  simulatedExchange({
    seed: "test",
    fillDelay: Duration.millis(500),
    quarantine: Duration.seconds(5),
    lotOf: () => 1,
    ...options
  }).pipe(Layer.provide(Layer.fresh(MockOrderList.memory)))

/** The error of a call; undefined when it succeeds. */
export const failureOf = <A, R>(
  call: Effect.Effect<A, BrokerError, R>
): Effect.Effect<BrokerError | undefined, never, R> =>
  Effect.match(call, { onFailure: (error) => error, onSuccess: () => undefined })

/** The first order of the broker with the tag. */
export const orderOf = (tag: string) =>
  Effect.gen(function* () {
    const broker = yield* Broker
    return (yield* findOrders(broker, tag))[0]
  })

/** Counts the calls that reach the broker below. */
export const countingCalls = (
  below: Layer.Layer<Broker>
): { readonly calls: Ref.Ref<number>; readonly layer: Layer.Layer<Broker> } => {
  const calls = Ref.makeUnsafe(0)
  const counted = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.andThen(
      Ref.update(calls, (count) => count + 1),
      call
    )
  return {
    calls,
    layer: Layer.effect(
      Broker,
      Effect.map(Broker, (broker) =>
        Broker.of({
          ...broker,
          place: (placement) => counted(broker.place(placement)),
          findByTag: (tags) => counted(broker.findByTag(tags)),
          cancel: (brokerOrderId) => counted(broker.cancel(brokerOrderId))
        })
      )
    ).pipe(Layer.provide(below))
  }
}
