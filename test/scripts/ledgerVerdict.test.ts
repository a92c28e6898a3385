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

/** Five slices, and the ledger of a broker that has an order for each. */
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

describe("the verdict of chaos on the ledger", () => {
  it.effect("is good when every slice has its order", () =>
    Effect.gen(function* () {
      const { orders } = yield* fiveSlices
      assert.deepStrictEqual(yield* problems(5, { orders }, summary(5)), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("reports missing slices, skipped ones, and ones that failed without an injected fault", () =>
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

  it.effect("reports orders that are double, without a slice, early, or different from their slice", () =>
    Effect.gen(function* () {
      const { orders, sql, execute } = yield* fiveSlices
      const [first, second, third, fourth, fifth] = orders
      if (!first || !second || !third || !fourth || !fifth) return assert.fail("there are fewer than five slices")
      yield* execute("test.final", sql`UPDATE order_slices SET broker_is_final = true WHERE sequence_number = 4`)
      const wrong = [
        first,
        { ...first, orderId: "again" },
        { ...second, receivedAt: second.receivedAt - 5 },
        { ...third, orderId: "another" },
        { ...fourth, filledQuantity: 1 },
        fifth,
        { ...fifth, orderId: "stranger", tag: null }
      ]
      const verdict = yield* judgeLedger(5, { orders: wrong }, { ...summary(8), overLimit: 2 })
      assert.deepStrictEqual(verdict.problems, [
        `${first.tag} has 2 orders: ${first.orderId}, again`,
        "order stranger has no slice (null)",
        `${second.tag} was 5 ms early`,
        `${third.tag} is another, not ${third.orderId}`,
        `${fourth.tag} filled 1, not 0`,
        "2 order requests were over a limit",
        "the simulator's summary and ledger differ"
      ])
      assert.deepInclude(verdict.figures, { slices: 5, orders: 7, doubles: 1, lost: 0, early: 1 })
    }).pipe(Effect.provide(service))
  )
})
