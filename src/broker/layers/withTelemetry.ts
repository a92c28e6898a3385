import { Effect, type Exit, Layer } from "effect"
import type { BrokerError } from "../../domain/model/BrokerError.ts"
import { brokerOutcome } from "../../domain/model/brokerOutcome.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import type { BrokerCall } from "../../telemetry/Metrics.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { Broker } from "../Broker.ts"

/** Measures every call of the broker below and reports how it ended. Without a receiver it returns the broker unchanged. */
export const withTelemetry: Layer.Layer<Broker, never, Broker> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const below = yield* Broker
    const telemetry = yield* Telemetry
    if (!telemetry.isOn) return below

    const measured = <A, E extends BrokerError>(call: BrokerCall, effect: Effect.Effect<A, E>) =>
      Effect.flatMap(nowMillis, (beganMillis) =>
        Effect.onExit(effect, (answer: Exit.Exit<A, E>) =>
          Effect.map(nowMillis, (endedMillis) =>
            telemetry.brokerCalled(call, brokerOutcome(answer), { beganMillis, endedMillis })
          )
        )
      )

    return Broker.of({
      ...below,
      place: (placement) => measured("place", below.place(placement)),
      cancel: (brokerOrderId) => measured("cancel", below.cancel(brokerOrderId)),
      findByTag: (tags) => measured("find_by_tag", below.findByTag(tags)),
      listAll: measured("list_all", below.listAll),
      quotes: (instruments) => measured("quotes", below.quotes(instruments))
    })
  })
)
