import { Effect, Layer } from "effect"
import { Broker } from "../Broker.ts"
import { PlacementGate } from "../PlacementGate.ts"

/** Asks, when nothing is left to wait for, whether there is a hold or the slice is withdrawn. Cancels and look-ups are never held. */
export const withGate: Layer.Layer<Broker, never, Broker | PlacementGate> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const below = yield* Broker
    const gate = yield* PlacementGate
    return Broker.of({ ...below, place: (placement) => gate.unlessClosed(placement.sliceId, below.place(placement)) })
  })
)
