import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker, type Placement } from "../../../src/broker/Broker.ts"
import { type RateLimitOptions, withRateLimit } from "../../../src/broker/layers/withRateLimit.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { Db } from "../../../src/db/Db.ts"
import { BrokerTryLater, dailyLimitCode, tooFastCode } from "../../../src/domain/model/BrokerError.ts"
import { BrokerOrderId } from "../../../src/domain/model/Ids.ts"
import { OrderBudget } from "../../../src/stores/account/OrderBudget.ts"
import { testDatabase } from "../../support/database.ts"
import { placementOf } from "../BrokerConformance.ts"
import { failureOf } from "../mock/exchange.ts"

const limits: RateLimitOptions = {
  perSecond: 3,
  perMinute: 8,
  perDay: 20,
  margin: Duration.millis(100),
  dailyLimitPolicy: "wait",
  maxWait: Duration.minutes(5)
}

/** A replica: its own holds and limiter, on a database that it shares with the others. Notes when requests leave. */
const replica = (
  left: Array<number>,
  changed: Partial<RateLimitOptions> = {},
  answer?: Broker["Service"]["place"],
  budget: Layer.Layer<OrderBudget, never, Db> = OrderBudget.layer
) => {
  const note = Effect.map(Clock.currentTimeMillis, (millis) => void left.push(millis))
  const below = Layer.succeed(
    Broker,
    Broker.of({
      name: "zerodha",
      quarantine: Duration.zero,
      orderListSince: () => DateTime.makeUnsafe(0),
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
          Layer.provide([below, budget]),
          Layer.provideMerge(PlacementGate.layer)
        )
      )
    ),
    (context) => ({ ...Effect.runSync(Effect.provide(Effect.all({ broker: Broker, gate: PlacementGate }), context)) })
  )
}

/** Grants every request the moment it asks for, each time later by a factor than the last. */
const slowBudget = (firstMillis: number, factor = 1) =>
  Effect.sync(() => {
    let reservations = 0
    const layer = Layer.mock(OrderBudget)({
      reserve: (_broker, _limits, from) =>
        Effect.suspend(() => {
          const granted = { _tag: "Granted", atMillis: DateTime.toEpochMillis(from) } as const
          return Effect.as(Effect.sleep(firstMillis * factor ** reservations++), granted)
        })
    })
    return { layer, reservations: () => reservations }
  })

const due = (seconds: number): Partial<Placement> => ({ deadline: DateTime.makeUnsafe(seconds * 1000) })

/** The real budget, and how many of its answers are still to come: while there are any, the test's clock must stand still. */
const watchedBudget = () => {
  let underWay = 0
  const layer = Layer.effect(
    OrderBudget,
    Effect.map(OrderBudget, (budget) =>
      OrderBudget.of({
        ...budget,
        reserve: (...asked) =>
          Effect.suspend(() => {
            underWay += 1
            return budget.reserve(...asked)
          }).pipe(Effect.ensuring(Effect.sync(() => void (underWay -= 1))))
      })
    )
  ).pipe(Layer.provide(OrderBudget.layer))
  return { layer, isIdle: () => underWay === 0 }
}

/** All that needs no answer from outside has been done by then: no chain of fibers that wake each other is as long. */
const turns = Effect.repeat(
  Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
  { times: 20 }
)

/** Moves the test's clock, some milliseconds a step; each step waits for the database, however long that takes. */
const elapse = (isIdle: () => boolean, millis: number, step = 50) =>
  Effect.gen(function* () {
    for (let passed = 0; passed < millis; passed += step) {
      yield* Effect.repeat(turns, { until: isIdle })
      yield* TestClock.adjust(step)
    }
  })

const maxIn = (times: ReadonlyArray<number>, windowMillis: number) =>
  Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMillis).length))

describe("the account's rate limit", () => {
  it.effect("is one for all replicas, by the second and by the minute, cancels included", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const budget = watchedBudget()
      const replicas = yield* Effect.all([1, 2, 3].map(() => replica(left, {}, undefined, budget.layer)))
      const fibers = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index),
        (index) => {
          const { broker } = replicas[index % 3] ?? assert.fail()
          const call =
            index % 4 === 3 ? broker.cancel(BrokerOrderId.make("b")) : broker.place(placementOf(`R${index}`, due(300)))
          return Effect.forkChild(Effect.exit(call), { startImmediately: true })
        }
      )
      yield* elapse(budget.isIdle, 3500)
      assert.strictEqual(left.length, 8)
      // A turn may be taken up to 100 ms late, which the margin of 100 ms makes good.
      assert.isAtMost(maxIn(left, 1000), 3)
      yield* elapse(budget.isIdle, 56_000, 500)
      yield* elapse(budget.isIdle, 6_000)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.isAtMost(maxIn(left, 60_000), 8)
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

  it.effect(
    "beyond the day's limit all placements wait until a minute after midnight in India, or are given up, by the policy",
    () =>
      Effect.gen(function* () {
        const left: Array<number> = []
        const daily = { perSecond: 100, perMinute: 100, perDay: 2 }
        const { broker, gate } = yield* replica(left, daily)
        const skipping = yield* replica(left, { ...daily, dailyLimitPolicy: "skip" })
        yield* Effect.forEach(["A", "B"], (tag) => broker.place(placementOf(tag)))
        assert.isNull(yield* gate.current)
        const waits = yield* failureOf(broker.place(placementOf("C")))
        assert.deepInclude(waits, { _tag: "BrokerNotSent", retryAt: DateTime.makeUnsafe(0) })
        assert.strictEqual((yield* gate.current)?.kind, "limit")
        const skips = yield* failureOf(skipping.broker.place(placementOf("D")))
        assert.deepInclude(skips, { _tag: "BrokerNotSent", code: "daily_limit", retryAt: null })
        assert.isNull(yield* skipping.gate.current)

        yield* TestClock.setTime(DateTime.toEpochMillis(DateTime.makeUnsafe("1970-01-01T18:30:59.999Z")))
        assert.strictEqual((yield* gate.current)?.kind, "limit")
        yield* TestClock.adjust(1)
        assert.isNull(yield* gate.current)
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
      retryAt = DateTime.makeUnsafe(306_000)
      const capped = yield* failureOf(first.broker.place(placementOf("C")))
      assert.deepInclude(capped, { _tag: "BrokerTryLater", retryAt: DateTime.makeUnsafe(6000) })
      assert.strictEqual((yield* failureOf(second.broker.place(placementOf("D", due(100)))))?._tag, "BrokerNotSent")
      assert.strictEqual((yield* second.gate.current)?.kind, "limit")
      assert.strictEqual(left.length, 2)
      // It may have been yesterday's cap: the next one is tried in minutes.
      yield* TestClock.setTime(306_000)
      assert.isNull(yield* second.gate.current)
      yield* second.broker.place(placementOf("E", due(600)))
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("a turn beyond midnight is no full day", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const { broker, gate } = yield* replica(left, { dailyLimitPolicy: "skip" })
      const lastSecond = DateTime.makeUnsafe("1970-01-01T18:29:59.500Z")
      yield* TestClock.setTime(DateTime.toEpochMillis(lastSecond))
      const deadline = DateTime.add(lastSecond, { seconds: 1 })
      for (const tag of ["A", "B", "C"]) yield* broker.place(placementOf(tag, { deadline }))
      const failure = yield* failureOf(broker.place(placementOf("D", { deadline })))
      assert.deepInclude(failure, {
        _tag: "BrokerNotSent",
        code: "rate_limit",
        retryAt: DateTime.makeUnsafe("1970-01-01T18:30:00.600Z")
      })
      assert.isNull(yield* gate.current)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("a cap is the policy's business, too: what may not wait is given up at once", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const capped = new BrokerTryLater({ code: dailyLimitCode, message: "no", retryAt: DateTime.makeUnsafe(300_000) })
      const { broker } = yield* replica(left, { dailyLimitPolicy: "skip" }, () => Effect.fail(capped))
      yield* failureOf(broker.place(placementOf("A")))
      const skipped = yield* failureOf(broker.place(placementOf("B")))
      assert.deepInclude(skipped, { _tag: "BrokerNotSent", code: "daily_limit", retryAt: null })
      assert.strictEqual(left.length, 1)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("too fast a second time: nothing before the next minute", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      let isTooFast = true
      const { broker } = yield* replica(left, {}, () =>
        Effect.flatMap(DateTime.now, (now) =>
          isTooFast
            ? Effect.fail(
                new BrokerTryLater({ code: tooFastCode, message: "no", retryAt: DateTime.add(now, { seconds: 1 }) })
              )
            : Effect.succeed({ brokerOrderId: BrokerOrderId.make("b") })
        )
      )
      const retryAt = (tag: string) =>
        Effect.map(failureOf(broker.place(placementOf(tag, due(600)))), (error) =>
          error?._tag === "BrokerTryLater" ? DateTime.toEpochMillis(error.retryAt) : assert.fail()
        )
      assert.strictEqual(yield* retryAt("A"), 1000)
      yield* TestClock.setTime(1000)
      assert.strictEqual(yield* retryAt("B"), 60_000)
      yield* TestClock.setTime(60_000)
      isTooFast = false
      yield* broker.place(placementOf("C", due(600)))
      isTooFast = true
      assert.strictEqual(yield* retryAt("D"), 61_000)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("a share of the day's requests is kept for cancels", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const { broker } = yield* replica(left, { perSecond: 100, perMinute: 100, perDay: 10, dailyLimitPolicy: "skip" })
      const place = broker.place(placementOf("A"))
      for (let n = 0; n < 9; n++) yield* place
      assert.deepInclude(yield* failureOf(place), { _tag: "BrokerNotSent", code: "daily_limit" })
      yield* broker.cancel(BrokerOrderId.make("b"))
      assert.strictEqual((yield* failureOf(broker.cancel(BrokerOrderId.make("b"))))?._tag, "BrokerNotSent")
      assert.strictEqual(left.length, 10)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("a slow database costs one request of the day, not all of them", () =>
    Effect.gen(function* () {
      const slow = yield* slowBudget(150)
      const left: Array<number> = []
      const { broker } = yield* replica(left, {}, undefined, slow.layer)
      const fibers = yield* Effect.forEach(["A", "B", "C"], (tag) =>
        Effect.forkChild(Effect.exit(broker.place(placementOf(tag, due(8)))), { startImmediately: true })
      )
      yield* TestClock.adjust("8 seconds")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(left.length, 3)
      assert.strictEqual(slow.reservations(), 4)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("a database that becomes slower and slower places nothing, and says so", () =>
    Effect.gen(function* () {
      const slow = yield* slowBudget(150, 10)
      const left: Array<number> = []
      const { broker } = yield* replica(left, {}, undefined, slow.layer)
      const fiber = yield* Effect.forkChild(failureOf(broker.place(placementOf("A", due(60)))), {
        startImmediately: true
      })
      yield* TestClock.adjust("60 seconds")
      assert.include((yield* Fiber.join(fiber))?.message, "the database took 1500 ms to grant a turn")
      assert.deepStrictEqual([left, slow.reservations()], [[], 2])
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
