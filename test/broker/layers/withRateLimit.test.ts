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

/** A replica with its own placement gate and limiter, on the shared database. Adds the time of each request to `sentAt`. */
const replica = (
  sentAt: Array<number>,
  changed: Partial<RateLimitOptions> = {},
  answer?: Broker["Service"]["place"],
  budget: Layer.Layer<OrderBudget, never, Db> = OrderBudget.layer
) => {
  const note = Effect.map(Clock.currentTimeMillis, (millis) => void sentAt.push(millis))
  const below = Layer.succeed(
    Broker,
    Broker.of({
      name: "zerodha",
      quarantine: Duration.zero,
      listsAll: false,
      orderListSince: () => DateTime.makeUnsafe(0),
      place: (placement) =>
        Effect.andThen(note, answer?.(placement) ?? Effect.succeed({ brokerOrderId: BrokerOrderId.make("b") })),
      findByTag: () => Effect.as(note, { orders: [], unreadable: [] }),
      listAll: Effect.succeed({ entries: [], unreadable: [] }),
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

/** A budget that grants every request its time, with an answer that is slower by a factor each time. */
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

/** Lets all work finish that needs no I/O: no chain of fibers that wake each other takes 20 turns of the event loop. */
const turns = Effect.repeat(
  Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
  { times: 20 }
)

/**
 * The real budget, and `rest`, which waits until it owes no answer and all that its answers set off has ended, however long
 * the database takes. An answer in the last of the turns sets something off that these turns did not wait for.
 */
const watchedBudget = () => {
  let pending = 0
  let answers = 0
  const layer = Layer.effect(
    OrderBudget,
    Effect.map(OrderBudget, (budget) =>
      OrderBudget.of({
        ...budget,
        reserve: (...asked) =>
          Effect.suspend(() => {
            pending += 1
            return budget.reserve(...asked)
          }).pipe(
            Effect.ensuring(
              Effect.sync(() => {
                pending -= 1
                answers += 1
              })
            )
          )
      })
    )
  ).pipe(Layer.provide(OrderBudget.layer))
  const rest = Effect.suspend(() => {
    const before = answers
    return Effect.map(turns, () => pending === 0 && answers === before)
  }).pipe(Effect.repeat({ until: (isAtRest) => isAtRest }))
  return { layer, rest }
}

/** Moves the test's clock in steps, each when the budget is at rest. */
const elapse = (rest: Effect.Effect<unknown>, millis: number, step = 50) =>
  Effect.gen(function* () {
    for (let passed = 0; passed < millis; passed += step) {
      yield* rest
      yield* TestClock.adjust(step)
    }
  })

const maxIn = (times: ReadonlyArray<number>, windowMillis: number) =>
  Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMillis).length))

const tenADay = { perSecond: 100, perMinute: 100, perDay: 10, dailyLimitPolicy: "skip" } as const

describe("the account's rate limit", () => {
  it.effect("is shared by all replicas, per second and per minute, cancels included", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const budget = watchedBudget()
      const replicas = yield* Effect.all([1, 2, 3].map(() => replica(sentAt, {}, undefined, budget.layer)))
      const fibers = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index),
        (index) => {
          const { broker } = replicas[index % 3] ?? assert.fail()
          const call =
            index % 4 === 3 ? broker.cancel(BrokerOrderId.make("b")) : broker.place(placementOf(`R${index}`, due(300)))
          return Effect.forkChild(Effect.exit(call), { startImmediately: true })
        }
      )
      yield* elapse(budget.rest, 3500)
      assert.strictEqual(sentAt.length, 8)
      // A request may be sent up to 100 ms after its turn, which the margin of 100 ms allows for.
      assert.isAtMost(maxIn(sentAt, 1000), 3)
      yield* elapse(budget.rest, 56_000, 500)
      yield* elapse(budget.rest, 6_000)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.isAtMost(maxIn(sentAt, 60_000), 8)
      assert.strictEqual(sentAt.length, 12)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("sends nothing after the deadline, and names the next possible time at once", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt)
      yield* Effect.forEach(["A", "B", "C"], (tag) => broker.place(placementOf(tag)))
      const failure = yield* failureOf(broker.place(placementOf("D", due(1))))
      assert.isTrue(failure?._tag === "BrokerNotSent" && failure.code === "rate_limit")
      assert.deepInclude(failure, { retryAt: DateTime.makeUnsafe(1100) })
      assert.deepStrictEqual(sentAt, [0, 0, 0])
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("gives the next turn to what became due last, and turns in between to what waits longest", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const sent: Array<string> = []
      const budget = watchedBudget()
      const { broker } = yield* replica(
        sentAt,
        { perSecond: 10, perMinute: 1000, perDay: 1000, margin: Duration.zero },
        ({ tag }) =>
          Effect.sync(() => {
            sent.push(tag)
            return { brokerOrderId: BrokerOrderId.make("b") }
          }),
        budget.layer
      )
      const place = (tag: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (dueMillis) =>
          Effect.forkChild(broker.place(placementOf(tag, { ...due(300), dueMillis })), { startImmediately: true })
        )
      for (let n = 0; n < 40; n++) yield* place(`FLOOD${n}`)
      yield* elapse(budget.rest, 1000, 10)
      const before = sent.length
      for (let n = 0; n < 5; n++) yield* place(`NORMAL${n}`)
      yield* elapse(budget.rest, 900, 10)
      const next = sent.slice(before, before + 9)
      assert.strictEqual(next.filter((tag) => tag.startsWith("NORMAL")).length, 5)
      assert.isAtLeast(next.slice(0, 8).filter((tag) => tag.startsWith("FLOOD")).length, 1)
      yield* elapse(budget.rest, 3000, 10)
      assert.lengthOf(sent, 45)
      assert.isAtMost(maxIn(sentAt, 1000), 10)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("spreads late requests over the minute, so that one on time need not wait for the next minute", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const budget = watchedBudget()
      const generous = { perSecond: 10, perMinute: 20, perDay: 1000, margin: Duration.zero }
      const { broker } = yield* replica(sentAt, generous, undefined, budget.layer)
      yield* TestClock.setTime(10_000)
      const late = { ...due(600), dueMillis: 0 }
      const fibers = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, n) => n),
        (n) => Effect.forkChild(broker.place(placementOf(`LATE${n}`, late)), { startImmediately: true })
      )
      yield* elapse(budget.rest, 59_000, 250)
      // Four fifths of the minute's requests.
      assert.isAtMost(sentAt.length, 16)
      assert.isAtLeast(sentAt.length, 15)
      assert.isAtMost(maxIn(sentAt, 3750), 2)
      const began = sentAt.length
      yield* Effect.forkChild(broker.place(placementOf("ONTIME", due(600))), { startImmediately: true })
      yield* elapse(budget.rest, 50, 10)
      assert.strictEqual(sentAt.length, began + 1)
      yield* Effect.forEach(fibers, Fiber.interrupt)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("sends nothing that is not due after its wait, because the clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt)
      yield* TestClock.setTime(10_000)
      const error = yield* Effect.flip(broker.place(placementOf("EARLY", { ...due(600), dueMillis: 10_224.7 })))
      assert.deepInclude(error, { _tag: "BrokerNotSent", code: "rate_limit", retryAt: DateTime.makeUnsafe(10_225) })
      assert.isEmpty(sentAt)
      yield* TestClock.setTime(10_225)
      yield* broker.place(placementOf("EARLY", { ...due(600), dueMillis: 10_224.7 }))
      assert.lengthOf(sentAt, 1)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("goes on when the clock was an hour ahead and is set back, whatever was granted and asked for before", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const retryAt = DateTime.makeUnsafe(3_601_000)
      const { broker } = yield* replica(sentAt, {}, ({ tag }) =>
        tag === "FAST"
          ? Effect.fail(new BrokerTryLater({ code: tooFastCode, message: "no", retryAt }))
          : Effect.succeed({ brokerOrderId: BrokerOrderId.make("b") })
      )
      yield* TestClock.setTime(3_600_000)
      for (const tag of ["A", "B"]) yield* broker.place(placementOf(tag, due(4000)))
      yield* failureOf(broker.place(placementOf("FAST", due(4000))))
      yield* TestClock.setTime(0)
      for (const tag of ["C", "D", "E"]) yield* broker.place(placementOf(tag, due(60)))
      assert.lengthOf(sentAt, 6)
      // The limits hold for what is granted from then on.
      const failure = yield* failureOf(broker.place(placementOf("F", due(1))))
      assert.deepInclude(failure, { code: "rate_limit", retryAt: DateTime.makeUnsafe(1100) })
      const { block } = yield* OrderBudget.pipe(Effect.provide(OrderBudget.layer))
      yield* block("zerodha", DateTime.makeUnsafe(5000))
      const blocked = yield* failureOf(broker.place(placementOf("G", due(4))))
      assert.deepInclude(blocked, { code: "rate_limit", retryAt: DateTime.makeUnsafe(5000) })
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("does not count look-ups", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt)
      for (let call = 0; call < 30; call++) yield* broker.findByTag(new Set())
      assert.strictEqual(sentAt.length, 30)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("when the day is used up, delays placements until after midnight in India or gives them up", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const daily = { perSecond: 100, perMinute: 100, perDay: 2 }
      const { broker, gate } = yield* replica(sentAt, daily)
      const skipping = yield* replica(sentAt, { ...daily, dailyLimitPolicy: "skip" })
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
      assert.strictEqual(sentAt.length, 3)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("applies the broker's rate limit answers to every replica", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      let code = tooFastCode
      let retryAt = DateTime.makeUnsafe(5000)
      const first = yield* replica(sentAt, {}, () => Effect.fail(new BrokerTryLater({ code, message: "no", retryAt })))
      const second = yield* replica(sentAt)
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
      assert.strictEqual(sentAt.length, 2)
      // It may have been yesterday's cap, so a placement is tried again after minutes.
      yield* TestClock.setTime(306_000)
      assert.isNull(yield* second.gate.current)
      yield* second.broker.place(placementOf("E", due(600)))
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("does not take a turn after midnight for a day that is used up", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker, gate } = yield* replica(sentAt, { dailyLimitPolicy: "skip" })
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

  it.effect("applies the policy to the broker's daily cap: with skip, placements are given up at once", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const capped = new BrokerTryLater({ code: dailyLimitCode, message: "no", retryAt: DateTime.makeUnsafe(300_000) })
      const { broker } = yield* replica(sentAt, { dailyLimitPolicy: "skip" }, () => Effect.fail(capped))
      yield* failureOf(broker.place(placementOf("A")))
      const skipped = yield* failureOf(broker.place(placementOf("B")))
      assert.deepInclude(skipped, { _tag: "BrokerNotSent", code: "daily_limit", retryAt: null })
      assert.strictEqual(sentAt.length, 1)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("waits for the next minute after the second answer `too fast`", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      let isTooFast = true
      const { broker } = yield* replica(sentAt, {}, () =>
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

  it.effect("keeps a share of the day's requests for placements, and lets no cancel close the gate", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker, gate } = yield* replica(sentAt, { perSecond: 100, perMinute: 100, perDay: 10 })
      const cancel = broker.cancel(BrokerOrderId.make("b"))
      for (let n = 0; n < 5; n++) yield* cancel
      assert.deepInclude(yield* failureOf(cancel), { _tag: "BrokerNotSent", code: "daily_limit" })
      assert.isNull(yield* gate.current)
      for (let n = 0; n < 5; n++) yield* broker.place(placementOf("A"))
      assert.strictEqual((yield* failureOf(broker.place(placementOf("A"))))?._tag, "BrokerNotSent")
      yield* TestClock.setTime(DateTime.toEpochMillis(DateTime.makeUnsafe("1970-01-01T18:31:00Z")))
      yield* cancel
      assert.strictEqual(sentAt.length, 11)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("leaves a part of the cancels' share to first cancels", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt, { perSecond: 100, perMinute: 100, perDay: 20 })
      const again = broker.cancel(BrokerOrderId.make("stuck"), true)
      for (let n = 0; n < 9; n++) yield* again
      assert.deepInclude(yield* failureOf(again), { _tag: "BrokerNotSent", code: "daily_limit" })
      yield* broker.cancel(BrokerOrderId.make("b"))
      assert.strictEqual(sentAt.length, 10)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("takes the broker's daily cap of placements for no cap of cancels", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const capped = new BrokerTryLater({ code: dailyLimitCode, message: "no", retryAt: DateTime.makeUnsafe(300_000) })
      const { broker } = yield* replica(sentAt, { dailyLimitPolicy: "skip" }, () => Effect.fail(capped))
      yield* failureOf(broker.place(placementOf("A")))
      yield* failureOf(broker.place(placementOf("B")))
      yield* broker.cancel(BrokerOrderId.make("b"))
      assert.strictEqual(sentAt.length, 2)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("counts only its own kind's requests of a day that an older daemon has counted as a whole", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt, tenADay)
      // Of the day before are 9 cancels; the older daemon began the day, and does not count them apart.
      yield* db.execute(
        "test.older",
        db.sql`UPDATE order_budgets SET day = '1970-01-02', granted_today = 8, cancels_day = '1970-01-01', cancels_today = 9`
      )
      yield* TestClock.setTime(DateTime.toEpochMillis(DateTime.makeUnsafe("1970-01-01T20:00:00Z")))
      const place = broker.place(placementOf("A", { deadline: DateTime.makeUnsafe("1970-01-02T00:00:00Z") }))
      yield* place
      assert.deepInclude(yield* failureOf(place), { _tag: "BrokerNotSent", code: "daily_limit" })
      yield* broker.cancel(BrokerOrderId.make("b"))
      assert.strictEqual(sentAt.length, 2)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("reserves a share of the day's requests for cancels", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt, tenADay)
      const place = broker.place(placementOf("A"))
      for (let n = 0; n < 9; n++) yield* place
      assert.deepInclude(yield* failureOf(place), { _tag: "BrokerNotSent", code: "daily_limit" })
      yield* broker.cancel(BrokerOrderId.make("b"))
      assert.strictEqual((yield* failureOf(broker.cancel(BrokerOrderId.make("b"))))?._tag, "BrokerNotSent")
      assert.strictEqual(sentAt.length, 10)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("uses up one extra request of the day when the database is slow, not one for each placement", () =>
    Effect.gen(function* () {
      const slow = yield* slowBudget(150)
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt, {}, undefined, slow.layer)
      const fibers = yield* Effect.forEach(["A", "B", "C"], (tag) =>
        Effect.forkChild(Effect.exit(broker.place(placementOf(tag, due(8)))), { startImmediately: true })
      )
      yield* TestClock.adjust("8 seconds")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(sentAt.length, 3)
      assert.strictEqual(slow.reservations(), 4)
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("places nothing when the database becomes slower and slower, with the reason", () =>
    Effect.gen(function* () {
      const slow = yield* slowBudget(150, 10)
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt, {}, undefined, slow.layer)
      const fiber = yield* Effect.forkChild(failureOf(broker.place(placementOf("A", due(60)))), {
        startImmediately: true
      })
      yield* TestClock.adjust("60 seconds")
      assert.include((yield* Fiber.join(fiber))?.message, "the database took 1500 ms to grant a turn")
      assert.deepStrictEqual([sentAt, slow.reservations()], [[], 2])
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )

  it.effect("sends nothing without its database", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const { broker } = yield* replica(sentAt)
      const db = yield* Db
      yield* db.execute("test.break", db.sql`ALTER TABLE order_budgets RENAME TO gone`)
      const failure = yield* failureOf(broker.place(placementOf("A")))
      assert.isTrue(failure?._tag === "BrokerNotSent" && failure.code === "rate_limit" && failure.retryAt !== null)
      assert.deepStrictEqual(sentAt, [])
    }).pipe(Effect.scoped, Effect.provide(testDatabase))
  )
})

describe("OrderBudget", () => {
  it.effect("fails with the reason when its row is missing", () =>
    Effect.gen(function* () {
      const budget = yield* OrderBudget
      const now = yield* DateTime.now
      const error = yield* Effect.flip(budget.reserve("nobody", { ...limits, kind: "cancel" }, now, now))
      assert.include(error.message, "has no row for nobody")
    }).pipe(Effect.provide(OrderBudget.layer.pipe(Layer.provide(testDatabase))))
  )
})
