import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Exit, Fiber, Layer, Ref } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { withTimeout } from "../../../src/broker/layers/withTimeout.ts"
import { withLatency } from "../../../src/broker/mock/withLatency.ts"
import { withScenarios } from "../../../src/broker/mock/withScenarios.ts"
import { withSecondLimit } from "../../../src/broker/mock/withSecondLimit.ts"
import { BrokerOrderId } from "../../../src/domain/model/Ids.ts"
import { findOrders, placementOf } from "../BrokerConformance.ts"
import { countingCalls, exchange, failureOf, orderOf } from "./exchange.ts"

/** Runs a call on the TestClock; returns its result and its duration in milliseconds. */
const timed = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const startMillis = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(call, { startImmediately: true })
    let exit = fiber.pollUnsafe()
    while (exit === undefined) {
      yield* TestClock.adjust("1 millis")
      exit = fiber.pollUnsafe()
    }
    return { exit, millis: (yield* Clock.currentTimeMillis) - startMillis }
  })

describe("latency", () => {
  const slow = (jitterMillis: number, below = exchange()) =>
    withLatency({ latency: Duration.millis(101), jitter: Duration.millis(jitterMillis), seed: "slow" }).pipe(
      Layer.provide(below)
    )

  const counted = countingCalls(exchange())

  it.effect("delays a call to the millisecond, half of it before the broker below", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const fiber = yield* Effect.forkChild(broker.place(placementOf("WAY")), { startImmediately: true })
      const { calls } = counted
      yield* TestClock.adjust("49 millis")
      assert.strictEqual(yield* Ref.get(calls), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Ref.get(calls), 1)
      yield* TestClock.adjust("50 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.provide(slow(0, counted.layer)))
  )

  it.effect("delays look-ups, cancels and refusals alike", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      assert.strictEqual((yield* timed(findOrders(broker, "NONE"))).millis, 101)
      assert.strictEqual((yield* timed(broker.quotes(new Set()))).millis, 101)
      const refused = yield* timed(broker.cancel(BrokerOrderId.make("1")))
      assert.isTrue(Exit.isFailure(refused.exit))
      assert.strictEqual(refused.millis, 101)
    }).pipe(Effect.provide(slow(0)))
  )

  const latencies = Effect.gen(function* () {
    const broker = yield* Broker
    return yield* Effect.forEach(Array.from({ length: 50 }), () =>
      Effect.map(timed(findOrders(broker, "NONE")), ({ millis }) => millis)
    )
  }).pipe(Effect.provide(slow(30)))

  it.effect("varies within the jitter, the same for the same seed", () =>
    Effect.gen(function* () {
      const first = yield* latencies
      assert.isTrue(first.every((millis) => millis >= 71 && millis <= 131))
      assert.isAbove(new Set(first).size, 10)
      assert.deepStrictEqual(yield* latencies, first)
    })
  )

  it.effect("does not deliver a placement whose deadline passes during the latency", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const deadline = DateTime.makeUnsafe(49)
      const answer = yield* timed(failureOf(broker.place(placementOf("PASSED", { deadline }))))
      assert.isTrue(Exit.isSuccess(answer.exit) && answer.exit.value?._tag === "BrokerNotSent")
      assert.strictEqual(answer.millis, 50)
      assert.deepStrictEqual((yield* timed(findOrders(broker, "PASSED"))).exit, Exit.succeed([]))
    }).pipe(Effect.provide(slow(0)))
  )
})

describe("the rate limit", () => {
  const counted = countingCalls(exchange())

  it.effect("counts placements and cancels per calendar second, refused ones too", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const { calls } = counted
      yield* TestClock.setTime(999)
      yield* broker.place(placementOf("L1"))
      assert.strictEqual((yield* failureOf(broker.cancel(BrokerOrderId.make("1"))))?._tag, "BrokerRefused")
      yield* broker.place(placementOf("L2"))
      assert.strictEqual(yield* Ref.get(calls), 3)

      const over = [
        yield* failureOf(broker.place(placementOf("L3"))),
        yield* failureOf(broker.cancel(BrokerOrderId.make("1")))
      ]
      for (const failure of over) {
        if (failure?._tag !== "BrokerTryLater") throw new Error(`not limited: ${failure?._tag}`)
        assert.strictEqual(DateTime.toEpochMillis(failure.retryAt), 1000)
      }
      assert.strictEqual(yield* Ref.get(calls), 3)

      yield* TestClock.setTime(1000)
      assert.isUndefined(yield* failureOf(broker.place(placementOf("L3"))))
      yield* TestClock.setTime(1999)
      yield* broker.place(placementOf("L4"))
      yield* broker.place(placementOf("L5"))
      assert.strictEqual((yield* failureOf(broker.place(placementOf("L6"))))?._tag, "BrokerTryLater")
    }).pipe(Effect.provide(withSecondLimit(3).pipe(Layer.provide(counted.layer))))
  )

  it.effect("does not limit look-ups", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("LOOK"))
      for (let count = 0; count < 20; count++) assert.strictEqual((yield* findOrders(broker, "LOOK")).length, 1)
    }).pipe(Effect.provide(withSecondLimit(1).pipe(Layer.provide(exchange()))))
  )
})

describe("scenarios", () => {
  const playing = (...list: Parameters<typeof withScenarios>[0]) => withScenarios(list).pipe(Layer.provide(exchange()))

  it.effect("apply in turn, repeatedly", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const failures = yield* Effect.forEach(["A", "B", "C", "D", "E"], (tag) =>
        failureOf(broker.place(placementOf(tag)))
      )
      assert.deepStrictEqual(
        failures.map((failure) => failure?._tag),
        [undefined, "BrokerRefused", "BrokerOutcomeUnknown", undefined, "BrokerRefused"]
      )
    }).pipe(Effect.provide(playing("success", "rejection", "network_error")))
  )

  it.effect("partial_fill: fills a part, and leaves the rest open", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("PART", { quantity: 2 }))
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* orderOf("PART"), { status: "PARTIALLY_FILLED", filledQuantity: 1 })
    }).pipe(Effect.provide(playing("partial_fill")))
  )

  it.effect("partial_fill: leaves a single unit open", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("UNIT", { quantity: 1 }))
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* orderOf("UNIT"), { status: "OPEN", filledQuantity: 0, averagePrice: null })
    }).pipe(Effect.provide(playing("partial_fill")))
  )

  it.effect("rejection: refuses at once, without an order in the list", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      assert.strictEqual((yield* failureOf(broker.place(placementOf("NO"))))?._tag, "BrokerRefused")
      assert.isUndefined(yield* orderOf("NO"))
    }).pipe(Effect.provide(playing("rejection")))
  )

  it.effect("late_rejection: acknowledges, then rejects with a reason", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const { brokerOrderId } = yield* broker.place(placementOf("LATER"))
      assert.strictEqual((yield* orderOf("LATER"))?.status, "PENDING")
      yield* TestClock.adjust("500 millis")
      const order = yield* orderOf("LATER")
      assert.deepInclude(order, { brokerOrderId, status: "REJECTED", filledQuantity: 0, averagePrice: null })
      assert.match(order?.statusText ?? "", /REJECTED: \w/)
    }).pipe(Effect.provide(playing("late_rejection")))
  )

  it.effect("network_error: leaves the outcome unknown, and never places", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      assert.strictEqual((yield* failureOf(broker.place(placementOf("RESET"))))?._tag, "BrokerOutcomeUnknown")
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(yield* orderOf("RESET"))
    }).pipe(Effect.provide(playing("network_error")))
  )

  it.effect("timeout: leaves the outcome unknown, and places", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const failure = yield* failureOf(broker.place(placementOf("LOST")))
      assert.deepInclude(failure, { _tag: "BrokerOutcomeUnknown", code: "timeout" })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* orderOf("LOST"))?.status, "COMPLETE")
    }).pipe(Effect.provide(playing("timeout")))
  )

  it.effect("timeout: reports a request that was not sent as certainly not placed", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* TestClock.adjust("1 second")
      const failure = yield* failureOf(broker.place(placementOf("UNSENT", { deadline: DateTime.makeUnsafe(0) })))
      assert.strictEqual(failure?._tag, "BrokerNotSent")
    }).pipe(Effect.provide(playing("timeout")))
  )
})

describe("the timeout of every broker", () => {
  /** A broker that never answers, and takes a minute to stop after an interruption. */
  const deaf = Layer.succeed(
    Broker,
    Broker.of({
      name: "deaf",
      quarantine: Duration.seconds(7),
      listsAll: false,
      orderListSince: () => DateTime.makeUnsafe(0),
      place: () => stubborn,
      findByTag: () => stubborn,
      listAll: Effect.suspend(() => stubborn),
      quotes: () => stubborn,
      cancel: () => stubborn,
      changed: Effect.never
    })
  )
  const stubborn = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute"))
  const limited = withTimeout(Duration.millis(250)).pipe(Layer.provide(deaf))

  it.effect("ends each call in time: order requests as unknown, look-ups as to be repeated", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const answers = [
        yield* timed(failureOf(broker.place(placementOf("DEAF")))),
        yield* timed(failureOf(broker.cancel(BrokerOrderId.make("1")))),
        yield* timed(failureOf(findOrders(broker, "DEAF"))),
        yield* timed(failureOf(broker.quotes(new Set())))
      ]
      assert.deepStrictEqual(
        answers.map(({ millis }) => millis),
        [250, 250, 250, 250]
      )
      assert.deepStrictEqual(
        answers.map(({ exit }) => (Exit.isSuccess(exit) ? exit.value?._tag : undefined)),
        ["BrokerOutcomeUnknown", "BrokerOutcomeUnknown", "BrokerTryLater", "BrokerTryLater"]
      )
      // The calls below are still stopping; the end of the layer's scope waits for them.
      yield* Effect.forkDetach(TestClock.adjust("2 minutes"))
    }).pipe(Effect.provide(limited))
  )

  it.effect("passes every other result on unchanged, also an interruption", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      assert.deepStrictEqual([broker.name, Duration.toSeconds(broker.quarantine)], ["mock", 5])
      const { exit } = yield* timed(failureOf(broker.cancel(BrokerOrderId.make("1"))))
      assert.isTrue(Exit.isSuccess(exit) && exit.value?._tag === "BrokerRefused")
      const fiber = yield* Effect.forkChild(broker.place(placementOf("CUT")), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* timed(findOrders(broker, "CUT"))).exit, Exit.succeed([]))
    }).pipe(
      Effect.provide(
        withTimeout(Duration.seconds(10)).pipe(
          Layer.provide(withLatency({ latency: Duration.millis(10), jitter: Duration.zero, seed: "cut" })),
          Layer.provide(exchange())
        )
      )
    )
  )
})
