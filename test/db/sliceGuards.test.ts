import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { migrate, migrateFrom } from "../../src/db/Migrations.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { emptyDatabase, folderWith, projectFiles } from "../support/migrations.ts"
import { splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { contractRow, insertOrder, serviceLayer } from "../support/service.ts"

const service = DoctorStore.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

const run = (statement: string) => Effect.flatMap(Db, ({ sql, execute }) => execute("test.run", sql.unsafe(statement)))
const refusal = (statement: string) => Effect.map(Effect.flip(run(statement)), ({ message }) => message)

const numbers = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.numbers",
    Schema.Struct({ number: Schema.Int }),
    sql`SELECT number::int AS number FROM orders ORDER BY number`
  )
).pipe(Effect.map((rows) => rows.map(({ number }) => number)))

describe("orders that have slices", () => {
  it.effect("are not truncated without them, whatever cascades", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      for (const statement of ["TRUNCATE orders CASCADE", "TRUNCATE orders RESTART IDENTITY CASCADE"]) {
        assert.include(yield* refusal(statement), "orders have slices, which would be placed without them")
      }
      assert.deepStrictEqual(yield* numbers, [1])
    }).pipe(Effect.provide(service))
  )

  it.effect("are truncated with them, and no number of an audited order is given again", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* run(`
        INSERT INTO broker_calls (slice, called_at, duration_millis, call, broker)
        VALUES (7::bigint << 20 | 1, 'epoch', 1, 'p', 'mock')`)
      yield* run(
        "TRUNCATE orders, order_plans, slice_plan, slice_queue, slice_working, slice_results, slice_claims RESTART IDENTITY"
      )
      yield* insertOrder("next")
      assert.deepStrictEqual(yield* numbers, [8])
    }).pipe(Effect.provide(service))
  )

  it.effect("are not deleted without them; others are", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* insertOrder("o2")
      const planned = "UPDATE slice_plan SET revision = NULL; DELETE FROM order_plans"
      for (const statement of planned.split(";")) yield* run(statement)
      assert.include(yield* refusal("DELETE FROM orders"), "order o1 has slices, which would be placed without it")
      yield* run("DELETE FROM slice_plan")
      assert.include(yield* refusal("DELETE FROM orders"), "order o1 has slices")
      yield* run("DELETE FROM orders WHERE id = 'o2'")
      assert.deepStrictEqual(yield* numbers, [1])
    }).pipe(Effect.provide(service))
  )

  it.effect("are deleted by a program that has no right on slices, where they have none", () =>
    Effect.gen(function* () {
      yield* insertOrder("o1")
      yield* run("CREATE ROLE pulse_guard_test NOLOGIN")
      yield* run("GRANT SELECT, DELETE ON orders TO pulse_guard_test")
      yield* (yield* Db).transaction(
        "test.role",
        Effect.andThen(run("SET LOCAL ROLE pulse_guard_test"), run("DELETE FROM orders WHERE id = 'o1'"))
      )
      assert.deepStrictEqual(yield* numbers, [])
      yield* run("DROP OWNED BY pulse_guard_test")
      yield* run("DROP ROLE pulse_guard_test")
    }).pipe(Effect.provide(service))
  )
})

describe("slices without an order", () => {
  it.effect("are shown by doctor", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      for (const statement of [
        "ALTER TABLE orders DISABLE TRIGGER orders_deleted",
        "DELETE FROM order_plans",
        "DELETE FROM orders"
      ]) {
        yield* run(statement)
      }
      const states = (yield* (yield* DoctorStore).misplaced("all")).map(({ state }) => state)
      assert.deepStrictEqual(new Set(states), new Set(["no order"]))
      assert.isNotEmpty(states)
    }).pipe(Effect.provide(service))
  )
})

describe("a claimed slice whose order was on hold when the tables were made", () => {
  it.live("is found when its claim is over", () =>
    Effect.gen(function* () {
      const before = (yield* projectFiles).filter((name) => name < "0027").length
      const { sql, execute, query } = yield* Db
      yield* migrateFrom(yield* folderWith({ first: before }))
      yield* execute(
        "test.order",
        sql`INSERT INTO orders ${sql.insert(contractRow("o1", { order_queue_status: "DONE", hold_reason: "held" }))}`
      )
      yield* run(`
        INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type,
          validity, scheduled_at, not_before, not_after, stage, claimed_by, claimed_at, lease_expires_at, is_held)
        VALUES ('s1', 'o1', 1, 'T1', 'NSE:RELIANCE', 'BUY', 1, 'MARKET', 'CNC', 'DAY', now(), now(), now(), 'IN_PROGRESS',
          'somebody', now(), now(), true)`)
      yield* migrate
      const rows = yield* query(
        "test.claimed",
        Schema.Struct({ isHeld: Schema.Boolean }),
        sql`SELECT is_held FROM slice_queue WHERE claim > 0`
      )
      assert.deepStrictEqual(rows, [{ isHeld: false }])
    }).pipe(Effect.provide(emptyDatabase))
  )
})
