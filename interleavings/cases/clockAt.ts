import { Clock, DateTime, Effect } from "effect"
import { clockOver } from "../../src/clock/overrideClock.ts"
import { at } from "./world.ts"

/** Runs an effect at a moment: its clock shows these seconds after the orders' start, and stands still. */
export const clockAt =
  (seconds: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.Clock, (clock) => {
      const millis = DateTime.toEpochMillis(at(seconds))
      const standing = { currentTimeMillisUnsafe: () => millis, currentTimeMillis: Effect.succeed(millis) }
      return Effect.provideService(effect, Clock.Clock, clockOver(clock, standing))
    })
