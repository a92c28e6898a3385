import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { judgeLedger } from "../../scripts/lib/ledgerVerdict.ts"
import { Db } from "../../src/db/Db.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const summary = (orders: number, faults: Readonly<Record<string, number>> = {}) => ({
  orders,
  tagsWithTwoOrders: [],
  maxInOneSecond: 1,
  maxInOneMinute: 1,
  maxInOneDay: 1,
  overLimit: 0,
  faults
})

/** Five slices, and the ledger of a broker that got them all. */
const fiveSlices = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* setClock()
  yield* insertOrder("o1")
  yield* Effect.flatten(makeSplitPending)
  yield* execute("test.place", sql`UPDATE order_slices SET stage = 'PROCESSED', broker_order_id = id`)
  const orders = (yield* sliceRows()).map(({ id, tag, quantity, dueMillis }) => ({
    orderId: id,
    tag,
    receivedAt: dueMillis,
    status: "OPEN",
    quantity,
    filledQuantity: 0
  }))
  return { orders, sql, execute }
})

const problems = (...given: Parameters<typeof judgeLedger>) =>
  Effect.map(judgeLedger(...given), (verdict) => verdict.problems)

describe("the verdict of chaos", () => {
  it.effect("is good when every slice has its order", () =>
    Effect.gen(function* () {
      const { orders } = yield* fiveSlices
      assert.deepStrictEqual(yield* problems(5, { orders }, summary(5)), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("misses slices that are not there, that are skipped, and that failed for no injected reason", () =>
    Effect.gen(function* () {
      const { orders, sql, execute } = yield* fiveSlices
      assert.deepStrictEqual(yield* problems(6, { orders }, summary(5)), ["there are 5 slices, not 6"])

      const move = (stage: string, reason: string) =>
        execute(
          "test.move",
          sql`UPDATE order_slices SET stage = ${stage}, stage_reason = ${reason}, broker_order_id = NULL
            WHERE sequence_number = 5`
        )
      const four = { orders: orders.slice(0, 4) }
      const tag = orders[4]?.tag
      yield* move("SKIPPED", "too late")
      assert.deepStrictEqual(yield* problems(5, four, summary(4)), [`${tag} is SKIPPED: too late`])
      yield* move("FAILED", "gave up after 10 attempts")
      assert.deepStrictEqual(yield* problems(5, four, summary(4, { refused_margin: 1 })), [
        `${tag} is FAILED: gave up after 10 attempts`
      ])
      yield* move("FAILED", "MarginException: Insufficient funds.")
      assert.deepStrictEqual(yield* problems(5, four, summary(4, { refused_margin: 1 })), [])
      assert.deepStrictEqual(yield* problems(5, four, summary(4)), [
        "1 slices are FAILED, and only 0 orders were refused"
      ])
    }).pipe(Effect.provide(service))
  )
})
