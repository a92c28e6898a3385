import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Db } from "../../src/db/Db.ts"
import { OrderBudget } from "../../src/stores/account/OrderBudget.ts"
import { testDatabase } from "../support/database.ts"

describe("OrderBudget.committedRequests", () => {
  it.effect("counts what placements have used, and cancels beyond the part that is kept for them", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const { committedRequests } = yield* OrderBudget
      const used = (all: number, cancels: number) =>
        Effect.andThen(
          execute(
            "test.used",
            sql`
              UPDATE order_budgets SET day = '2026-11-24', granted_today = ${all}, cancels_day = '2026-11-24', cancels_today = ${cancels}
              WHERE broker = 'zerodha'`
          ),
          committedRequests("zerodha", "2026-11-24", 5000)
        )
      assert.strictEqual(yield* used(100, 0), 100)
      assert.strictEqual(yield* used(600, 500), 100)
      assert.strictEqual(yield* used(700, 600), 200)
      assert.strictEqual(yield* committedRequests("zerodha", "2026-11-25", 5000), 0)
      assert.strictEqual(yield* committedRequests("nobody", "2026-11-24", 5000), 0)
    }).pipe(Effect.provide(Layer.provideMerge(OrderBudget.layer, testDatabase)))
  )
})
