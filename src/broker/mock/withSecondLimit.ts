import { Clock, DateTime, Effect, Layer, Ref } from "effect"
import { BrokerTryLater } from "../../domain/model/BrokerError.ts"
import { Broker } from "../Broker.ts"

/**
 * Lets at most `perSecond` order requests (placements and cancels, including refused ones) through in each calendar second, as
 * Kite does. Further requests fail with BrokerTryLater until the next second. Look-ups are not counted, and every daemon
 * counts for itself.
 */
export const withSecondLimit = (perSecond: number): Layer.Layer<Broker, never, Broker> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const used = yield* Ref.make({ second: 0, requests: 0 })

      const limited = <A, E>(call: Effect.Effect<A, E>) =>
        Effect.gen(function* () {
          const second = Math.floor((yield* Clock.currentTimeMillis) / 1000)
          const requests = yield* Ref.modify(used, (before) => {
            const requests = before.second === second ? before.requests + 1 : 1
            return [requests, { second, requests }]
          })
          return yield* requests > perSecond ? Effect.fail(tooManyRequests(second)) : call
        })

      return Broker.of({
        ...below,
        place: (placement) => limited(below.place(placement)),
        cancel: (brokerOrderId) => limited(below.cancel(brokerOrderId))
      })
    })
  )

/** The refusal of a request beyond the limit of a second, which is given in seconds since 1970. */
export const tooManyRequests = (second: number): BrokerTryLater =>
  new BrokerTryLater({
    code: "429",
    message: "Too many requests",
    retryAt: DateTime.makeUnsafe((second + 1) * 1000)
  })
