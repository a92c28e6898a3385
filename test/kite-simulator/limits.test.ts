import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { Kite, simulator } from "./kite.ts"

const statusesOf = (tags: ReadonlyArray<string>) =>
  Effect.flatMap(Kite, (kite) => Effect.forEach(tags, (tag) => Effect.map(kite.place(tag), ({ status }) => status)))

const many = (count: number) => Array.from({ length: count }, (_, index) => `L${index}`)
const times = (count: number, status: number) => Array.from({ length: count }, () => status)

describe("the rate limits", () => {
  it.effect("apply per calendar second, counting refused requests too", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(yield* statusesOf(many(12)), [...times(10, 200), 429, 429])
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(yield* statusesOf(many(1)), [429])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* statusesOf(many(10)), times(10, 200))
      const summary = yield* (yield* KiteSimulator).summary
      assert.deepInclude(summary, { maxInOneSecond: 13, maxInOneMinute: 23, maxInOneDay: 23, overLimit: 3 })
      assert.deepStrictEqual(summary.requests, { accepted: 20, limited: 3 })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("apply per calendar minute", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("58 seconds")
      assert.deepStrictEqual(yield* statusesOf(many(6)), [...times(5, 200), 429])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* statusesOf(many(1)), [429])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* statusesOf(many(1)), [200])
    }).pipe(Effect.provide(simulator({ limits: { perSecond: 10, perMinute: 5, perDay: 100, modifications: 25 } })))
  )

  it.effect("apply per day in India, with another answer", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      assert.deepStrictEqual(yield* statusesOf(many(4)), [200, 200, 200, 400])
      const refused = yield* kite.place("MORE")
      assert.deepInclude(refused.json, { message: "Maximum allowed order requests exceeded" })
      // The test's clock begins at 05:30 in India.
      yield* TestClock.adjust("18 hours")
      assert.strictEqual((yield* kite.place("MORE")).status, 400)
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual((yield* kite.place("MORE")).status, 200)
      assert.strictEqual((yield* (yield* KiteSimulator).summary).overLimit, 3)
    }).pipe(
      Effect.provide(
        simulator({ tokensExpire: false, limits: { perSecond: 10, perMinute: 50, perDay: 3, modifications: 25 } })
      )
    )
  )

  it.effect("use the simulator's clock", () =>
    Effect.gen(function* () {
      yield* statusesOf(many(10))
      yield* (yield* KiteSimulator).advanceClock(Duration.seconds(1))
      assert.deepStrictEqual(yield* statusesOf(many(1)), [200])
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("count requests with an expired token too", () =>
    Effect.gen(function* () {
      const { expireTokens, summary } = yield* KiteSimulator
      yield* expireTokens
      assert.deepStrictEqual(yield* statusesOf(many(11)), [...times(10, 403), 429])
      assert.deepInclude(yield* summary, { maxInOneSecond: 11, overLimit: 1 })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("do not apply to reads", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const looks = yield* Effect.forEach(many(20), () => kite.call("GET", "/orders"))
      assert.deepStrictEqual(
        looks.map(({ status }) => status),
        times(20, 200)
      )
      assert.strictEqual((yield* (yield* KiteSimulator).summary).maxInOneSecond, 0)
    }).pipe(Effect.provide(simulator()))
  )
})
