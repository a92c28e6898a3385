import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/Ids.ts"
import { OrderDesk } from "../../src/stores/OrderDesk.ts"
import { OverdueStore } from "../../src/stores/OverdueStore.ts"
import {
  amendOrder,
  at,
  claimDue,
  conservation,
  holdSlice,
  move,
  splitOrder,
  untilWaiting
} from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { serviceLayer, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const heldSlices = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.heldSlices",
    Schema.Struct({ isHeld: Schema.Boolean }),
    sql`SELECT is_held FROM order_slices WHERE stage = 'SCHEDULED'`
  )
)

const longer = { remainingWindow: Duration.minutes(5) }

describe("an amendment while", () => {
  it.effect("the order is put on hold: the new slices are on hold too", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const [first = assert.fail("no slice")] = yield* sliceRows()
      const letGo = yield* holdSlice(first.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", longer))
      yield* untilWaiting(1)
      const pausing = yield* Effect.forkChild((yield* OrderDesk).pause("o1", "a reason", yield* DateTime.now))
      yield* untilWaiting(2)
      yield* letGo
      yield* Fiber.join(amending)
      assert.isTrue(yield* Fiber.join(pausing))
      assert.isTrue((yield* heldSlices).every(({ isHeld }) => isHeld))
      assert.deepStrictEqual(yield* claimDue(), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("the order is taken off hold: the new slices are off it too", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* (yield* OrderDesk).pause("o1", "a reason", yield* DateTime.now)
      const [first = assert.fail("no slice")] = yield* sliceRows()
      const letGo = yield* holdSlice(first.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", longer))
      yield* untilWaiting(1)
      const resuming = yield* Effect.forkChild((yield* OrderDesk).resume("o1", yield* DateTime.now))
      yield* untilWaiting(2)
      yield* letGo
      yield* Fiber.join(amending)
      assert.isTrue(yield* Fiber.join(resuming))
      assert.isTrue((yield* heldSlices).every(({ isHeld }) => !isHeld))
    }).pipe(Effect.provide(service))
  )

  it.effect("the order is cancelled: none of the new slices is left to be sent", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const [first = assert.fail("no slice")] = yield* sliceRows()
      const letGo = yield* holdSlice(first.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", longer))
      yield* untilWaiting(1)
      const cancelling = yield* Effect.forkChild((yield* OrderDesk).requestCancel("o1", "me", yield* DateTime.now))
      yield* untilWaiting(2)
      yield* letGo
      yield* Fiber.join(amending)
      yield* Fiber.join(cancelling)
      assert.deepStrictEqual(yield* heldSlices, [])
      assert.deepInclude((yield* conservation)[0], { givenUp: 100, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("outcomes of its slices are written: neither waits for the other", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* manySlices
      const notBefore = DateTime.makeUnsafe(16_000)
      yield* move(yield* claimDue(), () => ({ _tag: "Rescheduled", reason: "later", notBefore }))
      // The second slice is claimed before the first.
      yield* at(15)
      const second = yield* claimDue()
      yield* at(16)
      const claimed = [...(yield* claimDue()), ...second]
      for (const held of claimed) {
        const letGo = yield* holdSlice(held.id)
        const amending = yield* Effect.forkChild(amendOrder("o1", { remainingWindow: Duration.seconds(20) }))
        yield* untilWaiting(1)
        const order = [...claimed.filter((slice) => slice !== held), held]
        const writing = yield* Effect.forkChild(move(order, () => ({ _tag: "Unknown", reason: "no answer" })))
        yield* untilWaiting(2)
        yield* letGo
        yield* Fiber.join(amending)
        assert.strictEqual((yield* Fiber.join(writing)).length, 2)
      }
      yield* move(claimed, ({ id }) => ({ _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }))
      const found = (yield* conservation).find(({ orderId }) => orderId === "o1")
      assert.deepInclude(found, { working: 40, scheduled: 60, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("what is too late of it is skipped: neither waits for the other", () =>
    Effect.gen(function* () {
      yield* splitOrder("o4")
      yield* at(3600)
      const [lowest = assert.fail("no slice")] = (yield* sliceRows()).toSorted((a, b) => (a.id < b.id ? -1 : 1))
      assert.isAbove(lowest.sequenceNumber, 1, "else both would come to it first")
      const letGo = yield* holdSlice(lowest.id)
      const amending = yield* Effect.forkChild(amendOrder("o4", longer))
      yield* untilWaiting(1)
      const skipping = yield* Effect.forkChild((yield* OverdueStore).skipStale(yield* DateTime.now, "too late", 100))
      yield* Effect.raceFirst(Fiber.await(skipping), untilWaiting(2))
      yield* letGo
      yield* Fiber.join(amending)
      yield* Fiber.join(skipping)
      assert.deepInclude((yield* conservation)[0], { scheduled: 20, givenUp: 80, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )
})

/** So many that PostgreSQL looks slices up one by one, as in a database in use. */
const manySlices = Effect.flatMap(Db, ({ sql, execute }) =>
  Effect.gen(function* () {
    yield* execute(
      "test.orders",
      sql`
        INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
          order_queue_status, origin_trace_id, origin_trace_source, origin_request_id, origin_request_source, request_id)
        SELECT 'many' || n, 'NSE:INFY', 'BUY', 10, 10, 1, false, 'many' || n, 'DONE', 't', 's', 'r', 's', 'r'
        FROM generate_series(1, 2000) AS n`
    )
    yield* execute(
      "test.slices",
      sql`
        INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type,
          validity, scheduled_at, not_before, not_after, stage)
        SELECT 'many' || n || '/' || k, 'many' || n, k, 'M' || n || 'S' || k, 'NSE:INFY', 'BUY', 1, 'MARKET', 'CNC', 'DAY',
          'epoch', 'epoch', 'epoch', 'SKIPPED'
        FROM generate_series(1, 2000) AS n, generate_series(1, 10) AS k`
    )
    yield* execute("test.analyze", sql`ANALYZE orders, order_slices`)
  })
)
