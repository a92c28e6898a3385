import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Clock, DateTime, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { withRateLimit } from "../../src/broker/layers/withRateLimit.ts"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { DbError } from "../../src/db/DbError.ts"
import { BrokerNotSent, BrokerRefused, BrokerTryLater } from "../../src/domain/model/BrokerError.ts"
import { BrokerOrderId, OrderId, SliceId } from "../../src/domain/model/Ids.ts"
import { OrderBudget } from "../../src/stores/account/OrderBudget.ts"
import { SliceExecutor } from "../../src/workers/SliceExecutor.ts"
import { databaseIsDown, memoryService, MemoryStore, sliceDueAt } from "../support/memoryStores.ts"
import { BrokerScript } from "../support/scriptedBroker.ts"

const service = memoryService({ SLICE_EXECUTOR_CONCURRENCY: "4" })

const startExecutor = Effect.forkChild(SliceExecutor, { startImmediately: true })

const placedAt = Effect.map(BrokerScript, (script) =>
  script.placed.map(({ atMillis, placement }) => [placement.sliceId as string, atMillis] as const)
)

const written = Effect.map(MemoryStore, (memory) =>
  memory.written.map(({ id, next }) => [id as string, next._tag] as const)
)

/** A broker whose every call takes this long. */
const slowBroker = (duration: Duration.Input) =>
  Effect.map(BrokerScript, (script) => {
    const { onPlace } = script
    script.onPlace = (placement) => Effect.delay(onPlace(placement), duration)
  })

describe("SliceExecutor", () => {
  it.effect("places nothing while the gate is closed, gives claims back, and continues when it opens", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      const gate = yield* PlacementGate
      memory.scheduled.push(sliceDueAt(100), sliceDueAt(1500))
      yield* startExecutor
      yield* TestClock.adjust("1 second")
      yield* gate.close("credentials", "no token")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* placedAt, [["s100", 100]])
      assert.deepStrictEqual(yield* written, [
        ["s100", "Processed"],
        ["s1500", "Rescheduled"]
      ])
      memory.scheduled.push(sliceDueAt(1500))
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(memory.scheduled, 1)
      yield* gate.open("credentials")
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      assert.deepStrictEqual((yield* placedAt)[1], ["s1500", 21_000])
    }).pipe(Effect.provide(service))
  )

  it.effect("with Zerodha, claims no more than it can send in two seconds, to limit what a crash delays", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      yield* slowBroker("3 seconds")
      memory.scheduled.push(...Array.from({ length: 100 }, (_, n) => sliceDueAt(n)))
      yield* startExecutor
      yield* TestClock.adjust("2 seconds")
      // Four of them are in flight.
      assert.lengthOf(memory.scheduled, 100 - 2 * 10)
      yield* TestClock.adjust("2 minutes")
      assert.lengthOf(yield* placedAt, 100)
    }).pipe(
      Effect.provide(
        memoryService({
          SLICE_EXECUTOR_CONCURRENCY: "4",
          BROKER_TYPE: "zerodha",
          TRADING_CALENDAR: "off",
          ZERODHA_API_KEY: "key",
          ZERODHA_ORDERS_PER_SECOND: "10"
        })
      )
    )
  )

  it.effect("counts no attempt and writes no audit row for a request that was not sent", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      const script = yield* BrokerScript
      script.onPlace = () =>
        Effect.fail(new BrokerNotSent({ code: "gate_closed", message: "halted", retryAt: DateTime.makeUnsafe(5000) }))
      memory.scheduled.push({ ...sliceDueAt(100), attempts: 3 })
      yield* startExecutor
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        memory.written.map(({ next, attempts, placedAtMillis }) => [next._tag, attempts, placedAtMillis]),
        [["Rescheduled", 3, null]]
      )
      assert.deepStrictEqual(memory.events, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("fires each slice at its due time, to the millisecond, never before", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.scheduled.push(...[1, 2, 999, 1000, 1001, 2500, 7321, 59_999].map((due) => sliceDueAt(due)))
      yield* startExecutor
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        (yield* placedAt).map(([id, at]) => [id, at]),
        [1, 2, 999, 1000, 1001, 2500, 7321, 59_999].map((due) => [`s${due}`, due])
      )
      assert.isTrue((yield* written).every(([, next]) => next === "Processed"))
    }).pipe(Effect.provide(service))
  )

  it.effect("fires overdue slices at once", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(5_000)
      const memory = yield* MemoryStore
      memory.scheduled.push(sliceDueAt(1_000), sliceDueAt(4_999))
      yield* startExecutor
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(
        (yield* placedAt).map(([, at]) => at),
        [5_000, 5_000]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("fires a slice first that is claimed later but due earlier", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.scheduled.push(sliceDueAt(1_900, "late"))
      yield* startExecutor
      yield* TestClock.adjust("500 millis")
      memory.scheduled.push(sliceDueAt(1_500, "early"))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* placedAt, [
        ["early", 1_500],
        ["late", 1_900]
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps at most SLICE_EXECUTOR_CONCURRENCY calls in flight, in due order", () =>
    Effect.gen(function* () {
      yield* slowBroker("100 millis")
      const memory = yield* MemoryStore
      memory.scheduled.push(...Array.from({ length: 10 }, (_, index) => sliceDueAt(1_000, `s${index}`)))
      yield* startExecutor
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        (yield* placedAt).map(([, at]) => at),
        [1000, 1000, 1000, 1000, 1100, 1100, 1100, 1100, 1200, 1200]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("writes acknowledgements in groups", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.writeFailure = databaseIsDown
      memory.scheduled.push(...Array.from({ length: 20 }, (_, index) => sliceDueAt(1_000, `s${index}`)))
      yield* startExecutor
      yield* TestClock.adjust("1100 millis")
      assert.deepStrictEqual(memory.written, [])
      memory.writeFailure = null
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(memory.written.length, 20)
      // First two, then those that accumulated meanwhile.
      assert.isAtMost(memory.groups.length, 3)
      assert.strictEqual(memory.events.length, 20)
    }).pipe(Effect.provide(service))
  )

  it.effect("writes the other outcomes when the database refuses one", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.scheduled.push(sliceDueAt(1_000, "poison"), sliceDueAt(1_000, "fine"))
      memory.writeFailure = new DbError({
        operation: "test",
        message: "refused",
        isTransient: false,
        sqlState: "23514"
      })
      yield* startExecutor
      yield* TestClock.adjust("1500 millis")
      memory.writeFailure = null
      memory.scheduled.push(sliceDueAt(2_000, "next"))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* written, [["next", "Processed"]])
    }).pipe(Effect.provide(service))
  )

  it.effect("delays a slice outside the price collar without counting an attempt; MARKET slices are sent", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      const limitPrice = BigDecimal.fromStringUnsafe("105")
      const priced = (dueMillis: number, lastPrice: string) => ({
        ...sliceDueAt(dueMillis),
        orderType: "LIMIT" as const,
        limitPrice,
        attempts: 2,
        lastPrice: BigDecimal.fromStringUnsafe(lastPrice),
        lastPriceMillis: 0
      })
      memory.scheduled.push(priced(1_000, "99.99"), { ...priced(1_001, "1"), orderType: "MARKET", limitPrice: null })
      yield* startExecutor
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* placedAt, [["s1001", 1_001]])
      const [waiting] = memory.written
      assert.deepInclude(waiting, { id: SliceId.make("s1000"), attempts: 2, placedAtMillis: null })
      if (waiting?.next._tag !== "Rescheduled") return assert.fail("it was to wait")
      assert.match(waiting.next.reason, /for now: the limit price of 105 is more than LIMIT_PRICE_COLLAR_PERCENT \(5\)/)
      assert.deepStrictEqual(waiting.next.notBefore, DateTime.makeUnsafe(6_000))
      memory.scheduled.push({ ...priced(1_000, "100"), notBeforeMillis: 6_000 })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* placedAt)[1], ["s1000", 6_000])
    }).pipe(Effect.provide(memoryService({ LIMIT_PRICE_COLLAR_PERCENT: "5" })))
  )

  it.effect("writes the other outcomes, now and later, when writing one is a bug", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.writeBug = "bug"
      memory.scheduled.push(sliceDueAt(1_000, "bug"), sliceDueAt(1_000, "fine"), sliceDueAt(2_000, "next"))
      yield* startExecutor
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* written, [
        ["fine", "Processed"],
        ["next", "Processed"]
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("calls the broker no sooner than it asked for", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const memory = yield* MemoryStore
      const { onPlace } = script
      script.onPlace = (placement) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          now < 4_000
            ? Effect.fail(new BrokerTryLater({ code: "429", message: "", retryAt: DateTime.makeUnsafe(4_000) }))
            : onPlace(placement)
        )
      memory.scheduled.push(sliceDueAt(1_000), sliceDueAt(1_500), sliceDueAt(3_000))
      yield* startExecutor
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(
        (yield* placedAt).map(([id, at]) => [id, at]),
        [
          ["s1000", 1_000],
          ["s1500", 4_000],
          ["s3000", 4_000]
        ]
      )
      const [first] = memory.written
      assert.isTrue(first?.next._tag === "Rescheduled" && first.next.notBefore !== null)
    }).pipe(Effect.provide(service))
  )

  it.effect("drops the slices of a cancelled order, without calling the broker", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.scheduled.push(sliceDueAt(1_900, "wanted", "o1"), sliceDueAt(1_900, "cancelled", "o2"))
      yield* startExecutor
      yield* TestClock.adjust("500 millis")
      memory.cancelledOrders.add(OrderId.make("o2"))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* placedAt, [["wanted", 1_900]])
      assert.deepStrictEqual(yield* written, [
        ["cancelled", "Rescheduled"],
        ["wanted", "Processed"]
      ])
    }).pipe(Effect.provide(service))
  )

  /** One order request a second. */
  const oneASecond = Layer.sync(OrderBudget, () => {
    let lastMillis = -1000
    return OrderBudget.of({
      reserve: (_broker, _limits, now, latest) =>
        Effect.sync(() => {
          const atMillis = Math.max(DateTime.toEpochMillis(now), lastMillis + 1000)
          if (atMillis > DateTime.toEpochMillis(latest)) {
            return { _tag: "TooLate" as const, possibleAt: DateTime.makeUnsafe(atMillis) }
          }
          lastMillis = atMillis
          return { _tag: "Granted" as const, atMillis }
        }),
      committedRequests: () => Effect.succeed(0),
      cap: () => Effect.void,
      block: () => Effect.void
    })
  })
  const rateLimited = withRateLimit({
    perSecond: 1,
    perMinute: 60,
    perDay: 1000,
    margin: Duration.zero,
    dailyLimitPolicy: "wait",
    maxWait: Duration.seconds(10)
  }).pipe(Layer.provide(oneASecond), Layer.provideMerge(memoryService({ SLICE_EXECUTOR_CONCURRENCY: "16" })))

  it.effect("withdraws the slices of a cancelled or paused order that wait for their turn, and no others", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      const batch = (orderId: string) =>
        Array.from({ length: 6 }, (_, n) => sliceDueAt(100, `${orderId} ${n}`, orderId))
      memory.scheduled.push(...batch("stopped"), ...batch("wanted"))
      yield* startExecutor
      yield* TestClock.adjust("2500 millis")
      assert.deepStrictEqual(yield* placedAt, [
        ["stopped 0", 100],
        ["stopped 1", 1_100],
        ["stopped 2", 2_100]
      ])
      memory.cancelledOrders.add(OrderId.make("stopped"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        (yield* placedAt).slice(3).map(([id]) => id),
        [0, 1, 2, 3, 4, 5].map((n) => `wanted ${n}`)
      )
      assert.deepStrictEqual(
        (yield* written).filter(([, next]) => next === "Rescheduled").map(([id]) => id),
        ["stopped 3", "stopped 4", "stopped 5"]
      )

      // The same slices, after the order is resumed.
      memory.cancelledOrders.clear()
      memory.scheduled.push(sliceDueAt(70_000, "stopped 3", "stopped"))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual((yield* placedAt).at(-1), ["stopped 3", 70_000])
    }).pipe(Effect.provide(rateLimited))
  )

  it.effect("fails only the slice that is refused", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const memory = yield* MemoryStore
      const { onPlace } = script
      script.onPlace = (placement) =>
        placement.sliceId === "s1000"
          ? Effect.fail(new BrokerRefused({ code: "Margin", message: "" }))
          : onPlace(placement)
      memory.scheduled.push(sliceDueAt(1_000), sliceDueAt(1_001))
      yield* startExecutor
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* written, [
        ["s1000", "Failed"],
        ["s1001", "Processed"]
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves the outcome unknown after a bug in the broker, and keeps running", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const memory = yield* MemoryStore
      const { onPlace } = script
      script.onPlace = (placement) => (placement.sliceId === "s1000" ? Effect.die("bug") : onPlace(placement))
      memory.scheduled.push(sliceDueAt(1_000), sliceDueAt(1_001))
      yield* startExecutor
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* written, [
        ["s1000", "Unknown"],
        ["s1001", "Processed"]
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("gives a claim back when the lease could end before the call does", () =>
    Effect.gen(function* () {
      yield* slowBroker("100 millis")
      const memory = yield* MemoryStore
      // 4 at a time, 100 ms each. The lease is 30 s and a call may take 10 s, so none starts later than 20 s after the claim.
      memory.scheduled.push(...Array.from({ length: 900 }, (_, index) => sliceDueAt(0, `s${index}`)))
      yield* startExecutor
      yield* TestClock.adjust("25 seconds")
      const script = yield* BrokerScript
      assert.isTrue(script.placed.every(({ atMillis }) => atMillis < 20_000))
      const returned = (yield* written).filter(([, next]) => next === "Rescheduled")
      assert.strictEqual(script.placed.length + returned.length, 900)
      assert.isAbove(returned.length, 0)
    }).pipe(
      Effect.provide(
        memoryService({
          SLICE_EXECUTOR_CONCURRENCY: "4",
          SLICE_EXECUTOR_CLAIM_LIMIT: "1000",
          SLICE_EXECUTION_TIMEOUT_MINUTES: "0.5"
        })
      )
    )
  )

  it.effect("at the stop, finishes and writes calls in flight, and gives unfired claims back", () =>
    Effect.gen(function* () {
      yield* slowBroker("3 seconds")
      const memory = yield* MemoryStore
      memory.scheduled.push(sliceDueAt(1_000, "in flight"), sliceDueAt(2_900, "unfired"))
      const executor = yield* startExecutor
      yield* TestClock.adjust("2 seconds")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(executor), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(
        (yield* written).toSorted(([a], [b]) => a.localeCompare(b)),
        [
          ["in flight", "Processed"],
          ["unfired", "Rescheduled"]
        ]
      )
      assert.deepStrictEqual(yield* placedAt, [["in flight", 1_000]])
    }).pipe(Effect.provide(service))
  )

  it.effect("at the stop, does not wait for a database that stays away", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.writeFailure = databaseIsDown
      memory.scheduled.push(sliceDueAt(1_000))
      const executor = yield* startExecutor
      yield* TestClock.adjust("2 seconds")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(executor), { startImmediately: true })
      yield* TestClock.adjust("16 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* written, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("at the stop, gives up a call that outlasts the grace as unknown", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = () => Effect.as(Effect.never, { brokerOrderId: BrokerOrderId.make("never") })
      const memory = yield* MemoryStore
      memory.scheduled.push(sliceDueAt(1_000, "hangs"))
      const executor = yield* startExecutor
      yield* TestClock.adjust("2 seconds")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(executor), { startImmediately: true })
      yield* TestClock.adjust("14 seconds")
      assert.deepStrictEqual(yield* written, [])
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* written, [["hangs", "Unknown"]])
    }).pipe(Effect.provide(service))
  )
})
