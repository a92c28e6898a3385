import { Effect, Layer } from "effect"
import { Broker } from "../Broker.ts"
import { Holds } from "../Holds.ts"

/** Asks, when nothing is left to wait for, whether there is a hold or the slice is withdrawn. Cancels and look-ups are never held. */
export const withHolds: Layer.Layer<Broker, never, Broker | Holds> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const below = yield* Broker
    const holds = yield* Holds
    return Broker.of({ ...below, place: (placement) => holds.unlessHeld(placement.sliceId, below.place(placement)) })
  })
)
