import { assert, it } from "@effect/vitest"
import { Duration, Effect, Layer, Result } from "effect"
import { Broker } from "../../../src/broker/Broker.ts"
import { MockBroker } from "../../../src/broker/mock/MockBroker.ts"
import { MockOrderList } from "../../../src/broker/mock/MockOrderList.ts"
import { simulatedExchange } from "../../../src/broker/mock/SimulatedExchange.ts"
import { Db } from "../../../src/db/Db.ts"
import { configuration, testDatabase } from "../../support/database.ts"
import { brokerConformance, findOrders, outOfReach, placementOf } from "../BrokerConformance.ts"
import { orderListConformance } from "./MockOrderListConformance.ts"

// Fresh: the test database is built with another Configuration.
const immediate = configuration({ MOCK_BROKER_LATENCY_MILLIS: "0", MOCK_BROKER_LATENCY_JITTER_MILLIS: "0" }).pipe(
  Layer.orDie,
  Layer.fresh
)

const table = MockOrderList.table.pipe(Layer.provide(testDatabase))

orderListConformance("table", table)

brokerConformance(
  "the simulated exchange on the table",
  simulatedExchange({
    seed: "table",
    fillDelay: Duration.millis(500),
    quarantine: Duration.seconds(5),
    lotOf: () => 1
  }).pipe(Layer.provide(table))
)

brokerConformance(
  "the configured mock broker on the table",
  MockBroker.pipe(Layer.provide(immediate), Layer.provide(testDatabase))
)

/** Runs an effect with a mock broker built for it alone, as one run of a daemon has. */
const inOneRun = <A, E>(body: Effect.Effect<A, E, Broker>) =>
  Effect.provide(body, MockBroker.pipe(Layer.provide(immediate)), { local: true })

it.effect("keeps orders and their ids in the table across restarts of the daemon", () =>
  Effect.gen(function* () {
    const before = yield* inOneRun(
      Effect.gen(function* () {
        const broker = yield* Broker
        const first = yield* broker.place(placementOf("SURVIVES", outOfReach))
        return { first, found: yield* findOrders(broker, "SURVIVES") }
      })
    )
    yield* inOneRun(
      Effect.gen(function* () {
        const broker = yield* Broker
        assert.deepStrictEqual(yield* findOrders(broker, "SURVIVES"), before.found)
        // The second run computes the same ids from the same seed, and must not take the first order for its own.
        const second = yield* broker.place(placementOf("SURVIVES"))
        assert.notStrictEqual(second.brokerOrderId, before.first.brokerOrderId)
        assert.strictEqual((yield* findOrders(broker, "SURVIVES")).length, 2)
        yield* broker.cancel(before.first.brokerOrderId)
      })
    )
  }).pipe(Effect.provide(testDatabase))
)

it.effect("leaves an order request unknown and a look-up to be repeated when the database fails", () =>
  Effect.gen(function* () {
    const db = yield* Db
    yield* db.execute("break the book", db.sql`DROP TABLE mock_broker_orders`)
    yield* inOneRun(
      Effect.gen(function* () {
        const broker = yield* Broker
        const placed = yield* Effect.result(broker.place(placementOf("BROKEN")))
        const found = yield* Effect.result(findOrders(broker, "BROKEN"))
        assert.isTrue(Result.isFailure(placed) && placed.failure._tag === "BrokerOutcomeUnknown")
        assert.isTrue(Result.isFailure(found) && found.failure._tag === "BrokerTryLater")
      })
    )
  }).pipe(Effect.provide(testDatabase))
)
