import { Effect, Layer } from "effect"
import { Broker } from "../Broker.ts"
import { PlacementGate } from "../PlacementGate.ts"

/** Asks the placement gate right before a placement is sent. Cancels and look-ups do not ask it. */
export const withGate: Layer.Layer<Broker, never, Broker | PlacementGate> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const below = yield* Broker
    const gate = yield* PlacementGate
    return Broker.of({ ...below, place: (placement) => gate.unlessClosed(placement.sliceId, below.place(placement)) })
  })
)
