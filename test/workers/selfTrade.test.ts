import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { placeDue } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, setClock } from "../support/service.ts"

const split = Effect.flatten(makeSplitPending)
const statusOf = (id: string) => Effect.map(orderRow(id), ({ orderQueueStatus }) => orderQueueStatus)

const withPolicy = (policy: string) =>
  serviceLayer({ broker: scriptedBroker, environment: { SELF_TRADE_POLICY: policy } })

describe("an order of the side opposite to an unfinished one", () => {
  it.effect("is FAILED where it is refused", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("buy", { num_splits: 1 })
      yield* split
      yield* insertOrder("sell", { side: "SELL" })
      yield* insertOrder("other", { side: "SELL", instrument: "NSE:INFY" })
      yield* insertOrder("zero")
      yield* split
      const { orderQueueStatus, statusReason } = yield* orderRow("sell")
      assert.deepStrictEqual(
        [orderQueueStatus, statusReason],
        [
          "FAILED",
          "it would SELL NSE:RELIANCE while buy of the same account is unfinished and would BUY it (SELF_TRADE_POLICY)"
        ]
      )
      assert.deepStrictEqual([yield* statusOf("other"), yield* statusOf("zero")], ["DONE", "DONE"])

      // Open at the broker is unfinished, too.
      yield* placeDue
      yield* insertOrder("sellAgain", { side: "SELL" })
      yield* split
      assert.strictEqual(yield* statusOf("sellAgain"), "FAILED")
    }).pipe(Effect.provide(withPolicy("refuse")))
  )

  it.effect("is split all the same where people are only warned", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("buy")
      yield* insertOrder("sell", { side: "SELL" })
      yield* split
      assert.deepStrictEqual([yield* statusOf("buy"), yield* statusOf("sell")], ["DONE", "DONE"])
    }).pipe(Effect.provide(withPolicy("warn")))
  )
})
