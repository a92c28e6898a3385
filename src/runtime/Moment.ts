import { Clock, DateTime, Effect } from "effect"
import { millisOfNanos } from "./nowMillis.ts"

/**
 * A moment: in milliseconds since 1970, with fractions, and as an instant, which has whole ones and is rounded up, so that no record
 * shows a slice as sent before its time.
 */
export interface Moment {
  readonly millis: number
  readonly at: DateTime.Utc
}

/** Makes a plain function that tells the time. What happens in one millisecond shares its instant. */
export const makeReadNow: Effect.Effect<() => Moment> = Effect.map(Clock.Clock, (clock) => {
  let latest: DateTime.Utc = DateTime.makeUnsafe(0)
  return () => {
    const millis = millisOfNanos(clock.currentTimeNanosUnsafe())
    const whole = Math.ceil(millis)
    if (DateTime.toEpochMillis(latest) !== whole) latest = DateTime.makeUnsafe(whole)
    return { millis, at: latest }
  }
})
