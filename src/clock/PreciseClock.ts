import { Clock, Duration, Effect, Layer } from "effect"
import { clockOver } from "./overrideClock.ts"

/** A timer may fire a millisecond early or late. */
const timerMillis = 1

/** Ends when the monotonic clock reaches a moment. Other work of the process goes on meanwhile. */
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
 * Makes sleeps exact that end at a fraction of a millisecond, as sleeps until a due time do. Timers know only whole
 * milliseconds, so the last one is waited for actively, which costs a core for a millisecond or two. Everything else is the
 * clock below. Provided by the program, under the DatabaseClock.
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
