import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { withTimeout } from "../../../src/broker/layers/withTimeout.ts"
import { mockBrokerOnOrderList } from "../../../src/broker/mock/MockBroker.ts"
import { MockOrderList } from "../../../src/broker/mock/MockOrderList.ts"
import { withFaults } from "../../../src/broker/mock/withFaults.ts"
import { withLatency } from "../../../src/broker/mock/withLatency.ts"
import { withScenarios } from "../../../src/broker/mock/withScenarios.ts"
import { withSecondLimit } from "../../../src/broker/mock/withSecondLimit.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { configuration } from "../../support/database.ts"
import { brokerConformance, findOrders, placementOf } from "../BrokerConformance.ts"
import { exchange, failureOf } from "./exchange.ts"
import { orderListConformance } from "./MockOrderListConformance.ts"

orderListConformance("memory", Layer.fresh(MockOrderList.memory))

const latency = Duration.millis(30)
const slow = withLatency({ latency: Duration.millis(20), jitter: Duration.millis(10), seed: "slow" })
const limited = withSecondLimit(10)
const successful = withScenarios(["success"])
const faultless = withFaults({ rate: 0, seed: "none" })
const timed = withTimeout(Duration.seconds(10))

brokerConformance("the simulated exchange", exchange())
brokerConformance("the exchange with latency", slow.pipe(Layer.provide(exchange())), { latency })
brokerConformance("the exchange with a rate limit", limited.pipe(Layer.provide(exchange())))
brokerConformance("the exchange with successful scenarios", successful.pipe(Layer.provide(exchange())))
brokerConformance("the exchange without faults", faultless.pipe(Layer.provide(exchange())))
brokerConformance("the exchange with a timeout", timed.pipe(Layer.provide(exchange())))
brokerConformance(
  "the exchange in all layers",
  timed.pipe(
    Layer.provide(slow),
    Layer.provide(faultless),
    Layer.provide(successful),
    Layer.provide(limited),
    Layer.provide(exchange())
  ),
  { latency }
)
brokerConformance(
  "the exchange in all layers, in reverse order",
  limited.pipe(
    Layer.provide(successful),
    Layer.provide(faultless),
    Layer.provide(slow),
    Layer.provide(timed),
    Layer.provide(exchange())
  ),
  { latency }
)

/** The mock broker with these settings, on its own order list in memory. */
const configured = (environment: Readonly<Record<string, string>>) =>
  mockBrokerOnOrderList.pipe(
    Layer.provide(Layer.fresh(Layer.orDie(configuration(environment)))),
    Layer.provide(Layer.fresh(MockOrderList.memory))
  )

const noLatency = { MOCK_BROKER_LATENCY_MILLIS: "0", MOCK_BROKER_LATENCY_JITTER_MILLIS: "0" }

brokerConformance("the default mock broker", configured({}), { latency })
brokerConformance("the mock broker with Kite's rate limit", configured({ MOCK_BROKER_RATE_LIMIT_PER_SECOND: "10" }), {
  latency
})

describe("the configured mock broker", () => {
  it.effect("is named mock, and has a quarantine of five seconds unless configured", () =>
    Effect.gen(function* () {
      const byDefault = yield* Effect.provide(Broker, configured({}))
      const set = yield* Effect.provide(Broker, configured({ RECONCILE_QUARANTINE_SECONDS: "90" }))
      assert.deepStrictEqual([byDefault.name, set.name], ["mock", "mock"])
      assert.strictEqual(Duration.toSeconds(byDefault.quarantine), 5)
      assert.strictEqual(Duration.toSeconds(set.quarantine), 90)
    })
  )

  it.effect("fills after the configured delay", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("DELAY"))
      yield* TestClock.adjust("1999 millis")
      assert.deepInclude((yield* findOrders(broker, "DELAY"))[0], { status: "OPEN" })
      yield* TestClock.adjust("1 millis")
      assert.deepInclude((yield* findOrders(broker, "DELAY"))[0], { status: "COMPLETE" })
    }).pipe(Effect.provide(configured({ ...noLatency, MOCK_BROKER_FILL_DELAY_MILLIS: "2000" })))
  )

  const lots = configured({ ...noLatency, MOCK_BROKER_LOTS: "on", MOCK_BROKER_SCENARIOS: "partial_fill" })
  it.effect("takes and fills whole lots of its contracts when told to, and any quantity otherwise", () =>
    Effect.gen(function* () {
      const future = (quantity: number) => ({ instrument: Instrument.make("NFO:NIFTY99DECFUT"), quantity })
      const filled = (tag: string, quantity: number, layer: typeof lots) =>
        Effect.gen(function* () {
          const broker = yield* Broker
          const failure = yield* failureOf(broker.place(placementOf(tag, future(quantity))))
          yield* TestClock.adjust("1 second")
          return failure?.message ?? (yield* findOrders(broker, tag))[0]?.filledQuantity ?? null
        }).pipe(Effect.provide(layer))
      for (let index = 0; index < 20; index += 1) {
        const part = yield* filled(`LOTS${index}`, 260, lots)
        assert.include([65, 130, 195], part)
      }
      assert.strictEqual(yield* filled("ONE", 65, lots), 0)
      assert.strictEqual(
        yield* filled("ODD", 71, lots),
        "Quantity should be a multiple of 65, the lot of NFO:NIFTY99DECFUT."
      )
      assert.strictEqual(yield* filled("ANY", 71, configured(noLatency)), 71)
    })
  )

  it.effect("counts a rejected placement against the rate limit, but not one that was lost", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const outcomes = yield* Effect.forEach(["R1", "N1", "R2", "N2", "R3"], (tag) =>
        failureOf(broker.place(placementOf(tag)))
      )
      assert.deepStrictEqual(
        outcomes.map((failure) => failure?._tag),
        ["BrokerRefused", "BrokerOutcomeUnknown", "BrokerRefused", "BrokerOutcomeUnknown", "BrokerTryLater"]
      )
    }).pipe(
      Effect.provide(
        configured({
          ...noLatency,
          MOCK_BROKER_RATE_LIMIT_PER_SECOND: "2",
          MOCK_BROKER_SCENARIOS: "rejection,network_error"
        })
      )
    )
  )

  it.effect("keeps the caller of a lost answer waiting until the broker's timeout", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const fiber = yield* Effect.forkChild(failureOf(broker.place(placementOf("SILENCE"))), { startImmediately: true })
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual((yield* findOrders(broker, "SILENCE")).length, 1)
      yield* TestClock.adjust("1 millis")
      assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.provide(configured({ ...noLatency, MOCK_BROKER_SCENARIOS: "timeout", BROKER_TIMEOUT_SECONDS: "3" })))
  )
})
