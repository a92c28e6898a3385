import { DateTime, Duration, Effect, Fiber, Layer, Option } from "effect"
import { BrokerOutcomeUnknown, BrokerTryLater } from "../../domain/model/BrokerError.ts"
import { Broker } from "../Broker.ts"

/**
 * Ends every call by the timeout, whatever the broker below does: an order request with BrokerOutcomeUnknown, a look-up with
 * BrokerTryLater. The call below is interrupted but not awaited: closing a connection can take long, and a slice's lease
 * relies on the timeout.
 */
export const withTimeout = (timeout: Duration.Duration): Layer.Layer<Broker, never, Broker> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      // Calls that are still cleaning up when the service stops end before the layers below close.
      const scope = yield* Effect.scope
      const message = `The broker did not answer within ${Duration.format(timeout)}.`

      const limited = <A, E, E2>(call: Effect.Effect<A, E>, onTimeout: Effect.Effect<never, E2>) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            Effect.forkIn(restore(call), scope, { startImmediately: true }),
            (fiber): Effect.Effect<A, E | E2> =>
              fiber.pollUnsafe() ??
              restore(Effect.timeoutOption(Fiber.join(fiber), timeout)).pipe(
                Effect.onInterrupt(() => Fiber.interrupt(fiber)),
                Effect.flatMap((answer): Effect.Effect<A, E2> => {
                  if (Option.isSome(answer)) return Effect.succeed(answer.value)
                  fiber.interruptUnsafe()
                  return onTimeout
                })
              )
          )
        )

      const unknown = Effect.fail(new BrokerOutcomeUnknown({ code: "timeout", message }))
      const tryLater = Effect.flatMap(DateTime.now, (now) =>
        Effect.fail(new BrokerTryLater({ code: "timeout", message, retryAt: now }))
      )

      return Broker.of({
        ...below,
        place: (placement) => limited(below.place(placement), unknown),
        findByTag: (tags) => limited(below.findByTag(tags), tryLater),
        listAll: limited(below.listAll, tryLater),
        quotes: (instruments) => limited(below.quotes(instruments), tryLater),
        cancel: (brokerOrderId) => limited(below.cancel(brokerOrderId), unknown)
      })
    })
  )
