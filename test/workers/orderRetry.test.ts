import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { type UnsplitOrder, whyNoRetry } from "../../src/domain/lifecycle/retryOrder.ts"
import { because } from "../../src/domain/model/reason.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, orderRow, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })
const splitPending = Effect.flatten(makeSplitPending)

/** An order that a splitter has made FAILED. */
const failed = Effect.fnUntraced(function* (id: string) {
  const orders = yield* OrderStore
  yield* setClock()
  yield* insertOrder(id)
  const now = yield* DateTime.now
  const [order] = yield* orders.claimPending({ now, owner: "a", limit: 1, windowGrace: null, knownUntil: null })
  const claimVersion = order?.claimVersion ?? 0
  const reason = because("instrument_unknown", "the list is of yesterday")
  yield* orders.failSplits([{ id, claimVersion, status: "FAILED", reason }], now)
  return claimVersion
})

const unsplit = (id: string) =>
  Effect.flatMap(OrderCommands, (commands) => Effect.flatMap(commands.unsplit(id), Effect.fromOption))

const recorded = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.actions",
    Schema.Struct({ operator: Schema.String, orderId: Schema.String, because: Schema.String }),
    sql`SELECT operator, order_id, details ->> 'because' AS because FROM operator_actions WHERE action = 'order retry'`
  )
)

describe("order retry", () => {
  it.effect("has a FAILED order split again, with its id, its time and a new claim_version", () =>
    Effect.gen(function* () {
      const claimVersion = yield* failed("o1")
      const now = yield* DateTime.now
      const commands = yield* OrderCommands
      const order = yield* unsplit("o1")
      assert.isNull(whyNoRetry(order))
      assert.isTrue(yield* commands.retry(order, null, asked, now))
      assert.deepInclude(yield* orderRow("o1"), {
        orderQueueStatus: "PENDING",
        splitAttempts: 0,
        claimVersion: claimVersion + 1
      })
      // A second person who has seen the same changes nothing.
      assert.isFalse(yield* commands.retry(order, null, { ...asked, by: "another" }, now))
      assert.deepStrictEqual(yield* recorded, [
        { operator: asked.by, orderId: "o1", because: "the list is of yesterday" }
      ])
      // Nor does the splitter that had it before.
      const orders = yield* OrderStore
      const stale = { id: "o1", claimVersion, status: "FAILED", reason: because("internal_error", "stale") } as const
      assert.strictEqual(yield* splitPending, 1)
      yield* orders.failSplits([stale], now)
      assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, "DONE")
      assert.strictEqual((yield* sliceRows("o1"))[0]?.dueMillis, 0)
    }).pipe(Effect.provide(service))
  )

  it.effect("has its window begin when the person says, if the one that it had is over", () =>
    Effect.gen(function* () {
      yield* failed("o1")
      yield* failed("o2")
      yield* setClock("2 hours")
      const now = yield* DateTime.now
      const commands = yield* OrderCommands
      yield* commands.retry(yield* unsplit("o1"), now, asked, now)
      yield* commands.retry(yield* unsplit("o2"), null, asked, now)
      yield* splitPending
      assert.strictEqual((yield* orderRow("o2")).orderQueueStatus, "SKIPPED")
      assert.deepStrictEqual(
        (yield* sliceRows("o1")).map(({ dueMillis }) => dueMillis / 1000),
        [7200, 7215, 7230, 7245, 7260]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("is refused for every other order, with what would do", () =>
    Effect.gen(function* () {
      yield* failed("o1")
      const order = yield* unsplit("o1")
      const refusal = (changed: Partial<UnsplitOrder>) => whyNoRetry({ ...order, ...changed }) ?? "none"
      assert.match(refusal({ isCancelled: true }), /cancelled: submit a new one/)
      assert.match(refusal({ isSplit: true, orderQueueStatus: "DONE" }), /has slices already: "slice retry"/)
      assert.match(refusal({ isSplit: true }), /has slices already/)
      assert.match(refusal({ orderQueueStatus: "PENDING" }), /a splitter takes it by itself/)
      const waits = { orderQueueStatus: "PENDING", reasonCode: "calendar_ends" } as const
      assert.match(refusal(waits), /goes on by itself when the trading calendar knows more/)
      assert.match(refusal({ orderQueueStatus: "IN_PROGRESS" }), /a splitter has it in hand/)
      assert.match(refusal({ orderQueueStatus: "SKIPPED" }), /came too late: submit a new one/)
      assert.match(refusal({ orderQueueStatus: "DONE" }), /submit it as PENDING, with another key/)
      assert.match(refusal({ claimVersion: 2_147_483_646 }), /another program has set its claim_version/)
      assert.isTrue(Option.isNone(yield* (yield* OrderCommands).unsplit("nobody")))
    }).pipe(Effect.provide(service))
  )
})
