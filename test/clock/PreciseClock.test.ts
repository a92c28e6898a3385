import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer } from "effect"
import { clockOver } from "../../src/clock/overrideClock.ts"
import { PreciseClock } from "../../src/clock/PreciseClock.ts"

/** The real clock, which records the requested sleeps. */
const noted = (sleeps: Array<number>) =>
  Layer.effect(
    Clock.Clock,
    Effect.map(Clock.Clock, (clock) =>
      clockOver(clock, {
        sleep: (duration) => {
          sleeps.push(Duration.toMillis(duration))
          return clock.sleep(duration)
        }
      })
    )
  )

/** Lets the event loop run all its phases once. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const sleepingOn = (millis: number) =>
  Effect.gen(function* () {
    const sleeps: Array<number> = []
    const clock = PreciseClock.pipe(Layer.provide(noted(sleeps)), Layer.fresh)
    yield* Effect.gen(function* () {
      const began = yield* Clock.monotonicTimeNanos
      yield* Effect.sleep(millis)
      const sleptNanos = (yield* Clock.monotonicTimeNanos) - began
      assert.isAtLeast(Number(sleptNanos), millis * 1e6)
    }).pipe(Effect.provide(clock))
    return sleeps
  })

describe("PreciseClock", () => {
  it.live("polls during the last millisecond of a fractional sleep, and never ends it early", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sleepingOn(4.3), [3])
      assert.deepStrictEqual(yield* sleepingOn(1.7), [])
      assert.deepStrictEqual(yield* sleepingOn(0.2), [])
    })
  )

  it.live("leaves sleeps of whole milliseconds to the timer", () =>
    Effect.gen(function* () {
      const sleeps: Array<number> = []
      const clock = PreciseClock.pipe(Layer.provide(noted(sleeps)), Layer.fresh)
      yield* Effect.provide(Effect.andThen(Effect.sleep(2), Effect.sleep(0)), clock)
      assert.deepStrictEqual(sleeps, [2, 0])
    })
  )

  it.live("stops polling when it is interrupted", () =>
    Effect.gen(function* () {
      let looks = 0
      const counting = Layer.effect(
        Clock.Clock,
        Effect.map(Clock.Clock, (clock) =>
          clockOver(clock, {
            monotonicTimeNanosUnsafe: () => {
              looks++
              // The sleep never ends by itself.
              return 0n
            }
          })
        )
      )
      const clock = PreciseClock.pipe(Layer.provide(counting), Layer.fresh)
      const fiber = yield* Effect.forkChild(Effect.provide(Effect.sleep(0.5), clock))
      yield* turn.pipe(Effect.repeat({ until: () => looks > 2 }))
      yield* Fiber.interrupt(fiber)
      const looksWhenInterrupted = looks
      yield* turn.pipe(Effect.repeat({ times: 5 }))
      assert.strictEqual(looks, looksWhenInterrupted)
    })
  )
})
