import { Effect, Layer } from "effect"
import { annotateSlice } from "../../runtime/annotate.ts"
import { Broker } from "../Broker.ts"

/** Names the slice and its order in each log line that a placement causes below. */
export const withLogIds: Layer.Layer<Broker, never, Broker> = Layer.effect(
  Broker,
  Effect.map(Broker, (below) =>
    Broker.of({
      ...below,
      place: (placement) => annotateSlice({ ...placement, id: placement.sliceId })(below.place(placement))
    })
  )
)
