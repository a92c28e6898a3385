import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker, BrokerTryLater, type Placement } from "../../src/broker/Broker.ts"
import { Holds } from "../../src/broker/Holds.ts"
import { dailyLimitCode, type RateLimitOptions, tooFastCode, withRateLimit } from "../../src/broker/RateLimit.ts"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/Ids.ts"
import { OrderBudget } from "../../src/stores/OrderBudget.ts"
import { testDatabase } from "../support/database.ts"
import { placementOf } from "./BrokerConformance.ts"
import { failureOf } from "./exchange.ts"

const limits: RateLimitOptions = {
  perSecond: 3,
  perMinute: 8,
  perDay: 20,
  margin: Duration.millis(100),
  dailyLimitPolicy: "wait",
  longestWait: Duration.minutes(5)
}

/** A replica: its own holds and limiter, on a database that it shares with the others. Notes when requests leave. */
const replica = (left: Array<number>, changed: Partial<RateLimitOptions> = {}, answer?: Broker["Service"]["place"]) => {
  const note = Effect.map(Clock.currentTimeMillis, (millis) => void left.push(millis))
  const below = Layer.succeed(
    Broker,
    Broker.of({
      name: "zerodha",
      quarantine: Duration.zero,
      bookSince: () => DateTime.makeUnsafe(0),
      place: (placement) =>
        Effect.andThen(note, answer?.(placement) ?? Effect.succeed({ brokerOrderId: BrokerOrderId.make("b") })),
      findByTag: () => Effect.as(note, []),
      listAll: Effect.succeed([]),
      quotes: () => Effect.succeed([]),
      cancel: () => note,
      changed: Effect.never
    })
  )
  return Effect.map(
    Layer.build(
      Layer.fresh(
        withRateLimit({ ...limits, ...changed }).pipe(
          Layer.provide([below, OrderBudget.layer]),
          Layer.provideMerge(Holds.layer)
        )
      )
    ),
    (context) => ({ ...Effect.runSync(Effect.provide(Effect.all({ broker: Broker, holds: Holds }), context)) })
  )
}

const due = (seconds: number): Partial<Placement> => ({ deadline: DateTime.makeUnsafe(seconds * 1000) })

/** Lets real I/O with the database go on while the test's clock moves, millisecond steps apart. */
const elapse = (millis: number, step = 50) =>
  Effect.gen(function* () {
    const db = yield* Db
    for (let passed = 0; passed < millis; passed += step) {
      for (let turn = 0; turn < 12; turn++) yield* Effect.orDie(db.execute("test.turn", db.sql`SELECT 1`))
      yield* TestClock.adjust(step)
    }
  })

const largestIn = (times: ReadonlyArray<number>, windowMillis: number) =>
  Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMillis).length))

describe("the account's rate limit", () => {
  it.effect("is one for all replicas, by the second and by the minute, cancels included", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const replicas = yield* Effect.all([replica(left), replica(left), replica(left)])
      const fibers = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index),
        (index) => {
          const { broker } = replicas[index % 3] ?? assert.fail()
          const call =
            index % 4 === 3 ? broker.cancel(BrokerOrderId.make("b")) : broker.place(placementOf(`R${index}`, due(300)))
          return Effect.forkChild(Effect.exit(call), { startImmediately: true })
        }
      )
      yield* elapse(3500)
      assert.strictEqual(left.length, 8)
      // A turn may be taken up to 100 ms late, which the margin of 100 ms makes good.
      assert.isAtMost(largestIn(left, 1000), 3)
      yield* elapse(56_000, 500)
      yield* elapse(6_000)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.isAtMost(largestIn(left, 60_000), 8)
      assert.strictEqual(left.length, 12)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("sends nothing after the deadline: it says at once when it would be possible", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const { broker } = yield* replica(left)
      yield* Effect.forEach(["A", "B", "C"], (tag) => broker.place(placementOf(tag)))
      const failure = yield* failureOf(broker.place(placementOf("D", due(1))))
      assert.isTrue(failure?._tag === "BrokerNotSent" && failure.code === "rate_limit")
      assert.deepInclude(failure, { retryAt: DateTime.makeUnsafe(1100) })
      assert.deepStrictEqual(left, [0, 0, 0])
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("look-ups are free", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const { broker } = yield* replica(left)
      for (let call = 0; call < 30; call++) yield* broker.findByTag(new Set())
      assert.strictEqual(left.length, 30)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("beyond the day's limit all placements wait for midnight in India, or are given up, by the policy", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const daily = { perSecond: 100, perMinute: 100, perDay: 2 }
      const { broker, holds } = yield* replica(left, daily)
      const skipping = yield* replica(left, { ...daily, dailyLimitPolicy: "skip" })
      yield* Effect.forEach(["A", "B"], (tag) => broker.place(placementOf(tag)))
      assert.isNull(yield* holds.current)
      const waits = yield* failureOf(broker.place(placementOf("C")))
      assert.deepInclude(waits, { _tag: "BrokerNotSent", retryAt: DateTime.makeUnsafe(0) })
      assert.strictEqual((yield* holds.current)?.kind, "limit")
      const skips = yield* failureOf(skipping.broker.place(placementOf("D")))
      assert.deepInclude(skips, { _tag: "BrokerNotSent", code: "daily_limit", retryAt: null })
      assert.isNull(yield* skipping.holds.current)

      yield* TestClock.setTime(DateTime.toEpochMillis(DateTime.makeUnsafe("1970-01-01T18:29:59.999Z")))
      assert.strictEqual((yield* holds.current)?.kind, "limit")
      yield* TestClock.adjust(1)
      assert.isNull(yield* holds.current)
      yield* broker.place(placementOf("E"))
      assert.strictEqual(left.length, 3)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("what the broker says about its limits holds for every replica", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      let code = tooFastCode
      let retryAt = DateTime.makeUnsafe(5000)
      const first = yield* replica(left, {}, () => Effect.fail(new BrokerTryLater({ code, message: "no", retryAt })))
      const second = yield* replica(left)
      assert.strictEqual((yield* failureOf(first.broker.place(placementOf("A"))))?._tag, "BrokerTryLater")
      const refused = yield* failureOf(second.broker.place(placementOf("B", due(4))))
      assert.deepInclude(refused, { _tag: "BrokerNotSent", code: "rate_limit", retryAt })

      yield* TestClock.setTime(6000)
      code = dailyLimitCode
      retryAt = DateTime.makeUnsafe("1970-01-01T18:30:00Z")
      const capped = yield* failureOf(first.broker.place(placementOf("C")))
      assert.deepInclude(capped, { _tag: "BrokerTryLater", retryAt: DateTime.makeUnsafe(6000) })
      assert.strictEqual((yield* failureOf(second.broker.place(placementOf("D", due(100)))))?._tag, "BrokerNotSent")
      assert.strictEqual((yield* second.holds.current)?.kind, "limit")
      assert.strictEqual(left.length, 2)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("without its database nothing leaves", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const { broker } = yield* replica(left)
      const db = yield* Db
      yield* db.execute("test.break", db.sql`ALTER TABLE order_budgets RENAME TO gone`)
      const failure = yield* failureOf(broker.place(placementOf("A")))
      assert.isTrue(failure?._tag === "BrokerNotSent" && failure.code === "rate_limit" && failure.retryAt !== null)
      assert.deepStrictEqual(left, [])
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )
})

describe("OrderBudget", () => {
  it.effect("says so when its row is missing", () =>
    Effect.gen(function* () {
      const budget = yield* OrderBudget
      const now = yield* DateTime.now
      const error = yield* Effect.flip(budget.reserve("nobody", limits, now, now))
      assert.include(error.message, "has no row for nobody")
    }).pipe(Effect.provide(OrderBudget.layer.pipe(Layer.provide(testDatabase))))
  )
})
