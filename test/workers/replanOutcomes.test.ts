import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/Ids.ts"
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
import { serviceLayer } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

describe("an amendment while", () => {
  for (const place of [0, 1]) {
    it.effect(`outcomes of its slices are written: neither waits for the other, at slice ${place + 1}`, () =>
      Effect.gen(function* () {
        yield* splitOrder("o1")
        yield* manySlices
        yield* at(15)
        const claimed = (yield* claimDue()).toSorted((a, b) => a.sequenceNumber - b.sequenceNumber)
        const held = claimed[place] ?? assert.fail("no slice")
        const letGo = yield* holdSlice(held.id)
        const amending = yield* Effect.forkChild(amendOrder("o1", { remainingWindow: Duration.seconds(20) }))
        yield* untilWaiting(1)
        const order = [...claimed.filter((slice) => slice !== held), held]
        const writing = yield* Effect.forkChild(
          move(order, ({ id }) => ({ _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }))
        )
        yield* untilWaiting(2)
        yield* letGo
        yield* Fiber.join(amending)
        assert.strictEqual((yield* Fiber.join(writing)).length, 2)
        const found = (yield* conservation).find(({ orderId }) => orderId === "o1")
        assert.deepInclude(found, { working: 40, scheduled: 60, unaccounted: 0 })
      }).pipe(Effect.provide(service))
    )
  }
})

/** So many in progress that PostgreSQL looks those up one by one that it writes, as on a busy day. */
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
          validity, scheduled_at, not_before, not_after, stage, claimed_by, claimed_at, lease_expires_at)
        SELECT 'many' || n || '/' || k, 'many' || n, k, 'M' || n || 'S' || k, 'NSE:INFY', 'BUY', 1, 'MARKET', 'CNC', 'DAY',
          'epoch', 'epoch', 'epoch', 'IN_PROGRESS', 'somebody', 'epoch', '1970-01-02Z'
        FROM generate_series(1, 2000) AS n, generate_series(1, 10) AS k`
    )
    yield* execute("test.analyze", sql`ANALYZE orders, order_slices`)
  })
)
