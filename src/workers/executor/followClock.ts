import { Effect, Stream } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"

/** Closes the placement gate while the database's clock has jumped and nothing confirms the jump, and opens it afterwards. */
export const makeFollowClock = Effect.gen(function* () {
  const gate = yield* PlacementGate
  const clock = yield* DatabaseClock
  return clock.doubts.pipe(
    Stream.runForEach((doubt) => (doubt === null ? gate.open("clock") : gate.close("clock", doubt))),
    Effect.andThen(Effect.never)
  )
})
