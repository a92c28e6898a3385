import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { claimDue, splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { serviceLayer, setClock } from "../support/service.ts"

const service = DoctorStore.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

const run = (statement: string) => Effect.flatMap(Db, ({ sql, execute }) => execute("test.run", sql.unsafe(statement)))

const planned = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.planned",
    Schema.Struct({ id: Schema.String, slice: Schema.String }),
    sql`SELECT id, slice::text AS slice FROM slice_plan ORDER BY slice_plan.slice`
  )
)

/** The misplaced slices; the newest ones are all here. */
const misplaced = Effect.gen(function* () {
  const store = yield* DoctorStore
  const all = yield* store.misplaced("all")
  assert.deepStrictEqual(yield* store.misplaced("newest"), all)
  return all
})

/** The `count`th slice of the order. */
const key = (count: number) => `(SELECT max(order_number) << 20 | ${count} FROM slice_plan)`

describe("slices that are not where they must be", () => {
  it.effect("are none in an order that is split and claimed", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* setClock("20 seconds")
      assert.lengthOf(yield* claimDue(), 2)
      assert.deepStrictEqual(yield* misplaced, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("are those in no table, in two, without a plan, or claimed without end", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* setClock("2 minutes")
      yield* claimDue(3)
      const [, , third, fourth, fifth] = yield* planned
      yield* run(`DELETE FROM slice_plan WHERE slice = ${key(1)}`)
      yield* run(`UPDATE slice_queue SET due_at = due_at + interval '1 hour' WHERE slice = ${key(3)}`)
      yield* run(`DELETE FROM slice_queue WHERE slice = ${key(4)}`)
      yield* run(`
        INSERT INTO slice_results (slice, updated_at, version, attempts, quantity, stage)
        VALUES (${key(5)}, 'epoch', 1, 1, 20, 'F')`)
      const [withoutPlan = assert.fail("all have plans"), ...others] = yield* misplaced
      assert.strictEqual(withoutPlan.state, "no plan")
      assert.match(withoutPlan.id, /^\d+$/)
      assert.deepStrictEqual(others, [
        { id: third?.id, state: "in no claim" },
        { id: fourth?.id, state: "nowhere" },
        { id: fifth?.id, state: "in several places" }
      ])
      yield* run("UPDATE slice_claims SET is_over = true")
      assert.deepStrictEqual(
        (yield* misplaced).map(({ state }) => state),
        ["no plan", "in no claim", "in no claim", "nowhere", "in several places"]
      )
    }).pipe(Effect.provide(service))
  )
})
