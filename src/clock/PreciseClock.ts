import { Clock, Duration, Effect, Layer } from "effect"
import { clockOver } from "./overrideClock.ts"

/** A timer fires up to a millisecond early or late. */
const timerMillis = 1

/** Ends when the monotonic clock has come so far; meanwhile the process does whatever else there is to do. */
const untilReached = (clock: Clock.Clock, monotonicNanos: bigint): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let next: NodeJS.Immediate
    const look = () => {
      if (clock.monotonicTimeNanosUnsafe() >= monotonicNanos) resume(Effect.void)
      else next = setImmediate(look)
    }
    look()
    return Effect.sync(() => clearImmediate(next))
  })

/**
 * The clock as it is, but for sleeps that end at a fraction of a millisecond, as those until a due time do: timers know whole
 * milliseconds only, so the last of them is waited for awake. It costs a core for a millisecond or two each.
 */
export const PreciseClock: Layer.Layer<never> = Layer.effect(
  Clock.Clock,
  Effect.map(Clock.Clock, (clock) =>
    clockOver(clock, {
      sleep: (duration) => {
        const millis = Duration.toMillis(duration)
        const wholeMillis = Math.floor(millis)
        if (millis <= 0 || millis === wholeMillis || !Number.isFinite(millis)) return clock.sleep(duration)
        return Effect.suspend(() => {
          const until = clock.monotonicTimeNanosUnsafe() + BigInt(Math.ceil(millis * 1e6))
          const awake = untilReached(clock, until)
          return wholeMillis > timerMillis
            ? Effect.andThen(clock.sleep(Duration.millis(wholeMillis - timerMillis)), awake)
            : awake
        })
      }
    })
  )
)
