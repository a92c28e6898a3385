import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Db } from "../../../src/db/Db.ts"
import { makeSplitPending } from "../../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, setClock, start } from "../../support/service.ts"

const batch = 100
const service = serviceLayer({ broker: scriptedBroker, environment: { ORDER_SPLITTER_BATCH_SIZE: `${batch}` } })

const floodRows = 10_000

/** Inserts PENDING orders at once, `seconds` after the start: orders of one slice that is due at once, or rows that are not orders. */
const insertFlood = (isValid: boolean, seconds: number) =>
  Effect.flatMap(Db, ({ sql, execute }) =>
    execute(
      "test.flood",
      sql`
        INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
          order_queue_status, created_at)
        SELECT 'flood-' || n, ${isValid ? "NSE:INFY" : "bad"}, 'BUY', 1, 1, 0, false, 'flood-' || n, 'PENDING',
          to_timestamp(${seconds}::float8)
        FROM generate_series(1, ${floodRows}::int) AS n`
    )
  )

describe("an order beside a flood", () => {
  for (const [kind, isValid] of [
    ["rows that are not orders", false],
    ["orders of one slice", true]
  ] as const) {
    it.effect(`is split in the second batch behind 10,000 ${kind}, however old they say they are`, () =>
      Effect.gen(function* () {
        yield* setClock("1 minute")
        yield* insertFlood(isValid, 0)
        yield* insertOrder("normal", { created_at: DateTime.toDate(DateTime.add(start, { seconds: 1 })) })
        const splitPending = yield* makeSplitPending
        assert.strictEqual(yield* splitPending, batch)
        assert.strictEqual(yield* splitPending, batch)
        assert.strictEqual((yield* orderRow("normal")).orderQueueStatus, "DONE")
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("is split in the first batch before 10,000 rows that say they are newer", () =>
    Effect.gen(function* () {
      yield* setClock("1 minute")
      yield* insertFlood(false, 60)
      yield* insertOrder("normal", { created_at: DateTime.toDate(DateTime.add(start, { seconds: 1 })) })
      yield* yield* makeSplitPending
      assert.strictEqual((yield* orderRow("normal")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )
})
