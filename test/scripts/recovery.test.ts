import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Hit } from "../../scripts/lib/chaos/daemons.ts"
import { noteSteps, recoveryOf } from "../../scripts/lib/chaos/recovery.ts"
import { Db } from "../../src/db/Db.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const databaseMillis = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const Row = Schema.Struct({ at: Schema.Finite })
  const [row] = yield* query("test.now", Row, sql`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS at`)
  return row?.at ?? 0
})

/** Sets the slices from `first` to `last` as a daemon leaves them. */
const move = Effect.fnUntraced(function* (first: number, last: number, stage: string, owner: string | null) {
  const { sql, execute } = yield* Db
  yield* execute(
    "test.move",
    sql`UPDATE order_slices SET stage = ${stage}, claimed_by = ${owner}, claimed_at = now(), lease_expires_at = now(),
        broker_order_id = CASE WHEN ${stage} = 'PROCESSED' THEN id END
      WHERE sequence_number BETWEEN ${first} AND ${last}`
  )
})

const hitNow = Effect.map(databaseMillis, (now): Hit => ({
  kind: "kill -9",
  owner: "my-host-7-",
  startedAtMillis: now - 60_000,
  hitAtMillis: now
}))

describe("the recovery report of chaos", () => {
  it.effect("covers exactly the slices that the victim had claimed at that moment", () =>
    Effect.gen(function* () {
      // Given five slices: 1 was done before the kill, the victim claimed 2 and 3, another daemon 4, and none 5.
      yield* setClock()
      yield* insertOrder("o1")
      yield* Effect.flatten(makeSplitPending)
      yield* noteSteps
      yield* move(1, 3, "IN_PROGRESS", "my-host-7-abc")
      yield* move(1, 1, "PROCESSED", "my-host-7-abc")
      yield* move(4, 4, "IN_PROGRESS", "my-host-77-abc")
      const hit = yield* hitNow

      // When another daemon places 2, and 3 is not resolved yet.
      yield* move(2, 2, "SCHEDULED", "my-host-7-abc")
      yield* move(2, 2, "IN_PROGRESS", "my-host-8-abc")
      const before = yield* recoveryOf([hit], "kill -9", [])
      assert.deepInclude(before, { hits: 1, withSlices: 1, slices: 2, scheduledAgain: 1, neverResolved: 1 })

      // Then all are resolved as soon as 3 is, however long 2 takes afterwards.
      yield* move(3, 3, "PROCESSED", "my-host-7-abc")
      assert.deepInclude(yield* recoveryOf([hit], "kill -9", []), { neverResolved: 0 })
      const undisturbedWith = (fromMillis: number) =>
        Effect.map(
          recoveryOf([hit], "kill -9", [{ fromMillis, toMillis: fromMillis + 1 }]),
          ({ undisturbed }) => undisturbed.hits
        )
      assert.strictEqual(yield* undisturbedWith(hit.hitAtMillis), 0)
      assert.strictEqual(yield* undisturbedWith(hit.hitAtMillis - 10), 1)
      assert.deepInclude(yield* recoveryOf([hit], "freeze", []), { hits: 0, slices: 0 })
    }).pipe(Effect.provide(service))
  )
})
