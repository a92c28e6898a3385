import { Clock, DateTime, Effect, Exit, Layer } from "effect"
import { OrderWaits } from "../../domain/lifecycle/OrderWaits.ts"
import { brokerErrorOf } from "../../domain/lifecycle/placement.ts"
import { type BrokerError, BrokerNotSent, BrokerTryLater, notNowCode } from "../../domain/model/BrokerError.ts"
import { Broker } from "../Broker.ts"

/**
 * Lets the slices of an order wait that the broker does not take for now ({@link OrderWaits}). It is the outermost guard: what waits
 * uses up none of the account's requests.
 */
export const withWaits: Layer.Layer<Broker, never, Broker> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const below = yield* Broker
    const clock = yield* Clock.Clock
    const waits = new OrderWaits()

    return Broker.of({
      ...below,
      place: (placement) =>
        Effect.suspend(() => {
          const { orderId } = placement
          const sentMillis = clock.currentTimeMillisUnsafe()
          const wait = waits.admit(orderId, sentMillis)
          if (wait !== null) {
            const message = `Not sent: the broker does not take its order for now: ${wait.words}`
            const retryAt = DateTime.makeUnsafe(Math.ceil(wait.untilMillis))
            return Effect.fail<BrokerError>(new BrokerNotSent({ code: "order_waits", message, retryAt }))
          }
          const placed = Effect.onExit(below.place(placement), (answer) =>
            Effect.sync(() => {
              const tag = Exit.isSuccess(answer) ? null : brokerErrorOf(answer)?._tag
              if (tag === null || tag === "BrokerRefused") waits.ended(orderId)
              else waits.unclear(orderId)
            })
          )
          return Effect.mapError(placed, (error) => {
            if (error._tag !== "BrokerTryLater" || error.code !== notNowCode) return error
            const { code, message } = error
            const untilMillis = waits.refused(orderId, message, sentMillis, clock.currentTimeMillisUnsafe())
            return new BrokerTryLater({ code, message, retryAt: DateTime.makeUnsafe(Math.ceil(untilMillis)) })
          })
        })
    })
  })
)
