import { Clock, DateTime, Effect } from "effect"
import { millisOfNanos } from "./nowMillis.ts"

/** A moment: in milliseconds since 1970, with fractions, and as an instant. */
export interface Moment {
  readonly millis: number
  readonly at: DateTime.Utc
}

/** Makes a plain function that tells the time. What happens in one millisecond shares its instant. */
export const makeReadNow: Effect.Effect<() => Moment> = Effect.map(Clock.Clock, (clock) => {
  let latest: DateTime.Utc = DateTime.makeUnsafe(0)
  return () => {
    const millis = millisOfNanos(clock.currentTimeNanosUnsafe())
    const whole = Math.floor(millis)
    if (DateTime.toEpochMillis(latest) !== whole) latest = DateTime.makeUnsafe(whole)
    return { millis, at: latest }
  }
})
