import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { testDatabase } from "../support/database.ts"

const insertEvent = (id: string) =>
  Effect.flatMap(Db, ({ sql, execute }) =>
    execute(
      "test.insert",
      sql`
        INSERT INTO broker_events (id, called_at, duration_millis, broker, call, outcome, request, response, worker)
        VALUES (${id}, '2024-12-26T15:20:28Z', 1.5, 'mock', 'place', 'acknowledged', '{"tag": "T1"}', '{}', 'me')`
    )
  )

const events = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.events",
    Schema.Struct({ id: Schema.String, outcome: Schema.String }),
    sql`SELECT id, outcome FROM broker_events ORDER BY id`
  )
)

layer(testDatabase, { excludeTestServices: true })("broker_events", (it) => {
  it.effect("allows INSERT", () =>
    Effect.gen(function* () {
      yield* insertEvent("e1")
      assert.deepStrictEqual(yield* events, [{ id: "e1", outcome: "acknowledged" }])
    })
  )

  for (const [operation, statement] of [
    ["UPDATE", "UPDATE broker_calls SET outcome = 'nothing happened'"],
    ["UPDATE", "UPDATE broker_calls SET outcome = 'nothing happened' WHERE id = 'none'"],
    [
      "UPDATE",
      "INSERT INTO broker_calls OVERRIDING USER VALUE SELECT * FROM broker_calls ON CONFLICT (id) WHERE id IS NOT NULL DO UPDATE SET outcome = 'other'"
    ],
    ["DELETE", "DELETE FROM broker_calls WHERE id = 'e1'"],
    ["TRUNCATE", "TRUNCATE broker_calls"],
    ["TRUNCATE", "TRUNCATE orders, slice_queue, order_plans, broker_calls"]
  ] as const) {
    it.effect(`refuses: ${statement}`, () =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        const error = yield* Effect.flip(execute("test.change", sql.unsafe(statement)))
        assert.isFalse(error.isTransient)
        assert.include(error.message, `broker_events is append-only: ${operation} is not allowed`)
        assert.deepStrictEqual(yield* events, [{ id: "e1", outcome: "acknowledged" }])
      })
    )
  }
})
