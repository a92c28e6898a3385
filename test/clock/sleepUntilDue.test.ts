import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Latch, Scope } from "effect"
import { TestClock } from "effect/testing"
import { makeSleepUntil } from "../../src/clock/sleepUntilDue.ts"

/** A clock that is behind TestClock until it is asked, and records when it was. */
const clockThatIs = (state: { behindMillis: number; latestMillis: number; answers: Effect.Effect<void> }) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const scope = yield* Scope.Scope
    const corrected = yield* Latch.make()
    const probes: Array<number> = []
    const now = () => clock.currentTimeMillisUnsafe()
    const sleepUntil = makeSleepUntil({
      earliestMillis: () => now() - state.behindMillis,
      latestMillis: () => now() + state.latestMillis,
      monotonicMillis: now,
      probe: Effect.suspend(() => {
        probes.push(now())
        return Effect.andThen(
          state.answers,
          Effect.suspend(() => {
            state.behindMillis = 0
            state.latestMillis = 0
            return corrected.release
          })
        )
      }),
      wantsProbes: () => true,
      corrected,
      fork: (probe) => Effect.forkIn(probe, scope)
    })
    return { sleepUntil, probes }
  })

/** Moves the time on by single milliseconds, as real time does. */
const pass = (millis: number) => Effect.repeat(TestClock.adjust("1 millis"), { times: millis - 1 })

describe("sleepUntil", () => {
  it.effect("asks four times in the last 20 ms, and not before", () =>
    Effect.gen(function* () {
      const { sleepUntil, probes } = yield* clockThatIs({ behindMillis: 0, latestMillis: 0, answers: Effect.void })
      const sleeping = yield* Effect.forkChild(sleepUntil(1000), { startImmediately: true })
      yield* pass(979)
      assert.deepStrictEqual(probes, [])
      yield* pass(20)
      assert.isUndefined(sleeping.pollUnsafe())
      yield* pass(1)
      yield* Fiber.join(sleeping)
      assert.deepStrictEqual(probes, [980, 985, 990, 995])
    })
  )

  it.effect("wakes at the due time although its bound was behind, even by more than the lead", () =>
    Effect.gen(function* () {
      const { sleepUntil, probes } = yield* clockThatIs({ behindMillis: 300, latestMillis: 300, answers: Effect.void })
      const sleeping = yield* Effect.forkChild(sleepUntil(1000), { startImmediately: true })
      yield* pass(1000)
      yield* Fiber.join(sleeping)
      assert.deepStrictEqual(probes, [680, 980, 985, 990, 995])
    })
  )

  it.effect("waits for no answer: without one it is late by what the bound is behind", () =>
    Effect.gen(function* () {
      const { sleepUntil, probes } = yield* clockThatIs({ behindMillis: 30, latestMillis: 0, answers: Effect.never })
      const sleeping = yield* Effect.forkChild(sleepUntil(1000), { startImmediately: true })
      yield* pass(1029)
      assert.isUndefined(sleeping.pollUnsafe())
      yield* pass(1)
      yield* Fiber.join(sleeping)
      assert.deepStrictEqual(probes, [980])
    })
  )

  it.effect("shares its probes: a burst asks four times, and what is due all the time asks 80 times a second", () =>
    Effect.gen(function* () {
      const { sleepUntil, probes } = yield* clockThatIs({ behindMillis: 0, latestMillis: 0, answers: Effect.void })
      const burst = Array.from({ length: 1000 }, () => sleepUntil(100))
      const bursting = yield* Effect.forkChild(Effect.all(burst, { concurrency: "unbounded" }), {
        startImmediately: true
      })
      yield* pass(100)
      yield* Fiber.join(bursting)
      assert.lengthOf(probes, 4)

      const steady = Effect.forEach(
        Array.from({ length: 200 }, (_, n) => 1000 + n * 5),
        sleepUntil
      )
      const sleeping = yield* Effect.forkChild(steady, { startImmediately: true })
      yield* pass(1900)
      yield* Fiber.join(sleeping)
      assert.approximately(probes.length, 4 + 80, 6)
    })
  )

  it.effect("does not sleep for what is due, and asks nothing", () =>
    Effect.gen(function* () {
      const { sleepUntil, probes } = yield* clockThatIs({ behindMillis: 0, latestMillis: 0, answers: Effect.void })
      yield* Effect.all([sleepUntil(0), sleepUntil(-1)])
      assert.deepStrictEqual(probes, [])
    })
  )
})
