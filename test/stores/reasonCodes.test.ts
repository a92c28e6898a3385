import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Schema, type Scope } from "effect"
import { Db } from "../../src/db/Db.ts"
import { reasonCodes, reasonMeanings } from "../../src/domain/model/reason.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { claimDue, move, splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = SliceCommands.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

const split = Effect.flatten(makeSplitPending)

const Text = Schema.NullOr(Schema.String)

/** The order's codes in the view: the reason of its state, and the reason of its hold. */
const orderCodes = (id: string) =>
  Effect.gen(function* () {
    const { sql, queryOne } = yield* Db
    const row = yield* queryOne(
      "test.orderCodes",
      Schema.Struct({ reasonCode: Text, holdReasonCode: Text }),
      sql`SELECT reason_code, hold_reason_code FROM order_progress WHERE order_id = ${id}`
    )
    return [row.reasonCode, row.holdReasonCode] as const
  })

/** The codes of an order's slices as the commands show them, in sequence. */
const sliceCodes = (id: string) =>
  Effect.gen(function* () {
    const slices = yield* (yield* OrderCommands).slices(id, yield* DateTime.now)
    return slices.map(({ reasonCode }) => reasonCode)
  })

const test = <A, E>(title: string, body: Effect.Effect<A, E, Layer.Success<typeof service> | Scope.Scope>) =>
  it.effect(title, () => body.pipe(Effect.provide(service)))

describe("an order's reason code", () => {
  for (const [changed, code] of [
    [{ side: "HOLD" }, "invalid_order"],
    [{ total_quantity: 3, num_splits: 5 }, "invalid_order"],
    [{ created_at: "1969-12-01T00:00:00Z" }, "window_over"]
  ] as const) {
    test(
      `is ${code} for ${JSON.stringify(changed)}`,
      Effect.gen(function* () {
        yield* setClock()
        yield* insertOrder("o1", changed)
        yield* split
        assert.deepStrictEqual(yield* orderCodes("o1"), [code, null])
      })
    )
  }

  test(
    "is order_cancelled before the split, and already_split for an order set back to PENDING",
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* orderCodes("o1"), ["order_cancelled", null])

      yield* splitOrder("o2")
      assert.deepStrictEqual(yield* orderCodes("o2"), [null, null])
      const { sql, execute } = yield* Db
      yield* execute("test.again", sql`UPDATE orders SET order_queue_status = 'PENDING' WHERE id = 'o2'`)
      yield* split
      assert.deepStrictEqual(yield* orderCodes("o2"), ["already_split", null])
    })
  )

  test(
    "for a hold is set and cleared with the hold, also when an older daemon ends it",
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const commands = yield* OrderCommands
      yield* commands.pause("o1", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* orderCodes("o1"), [null, "paused_by_operator"])
      yield* commands.resume("o1", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* orderCodes("o1"), [null, null])

      yield* commands.pause("o1", asked, yield* DateTime.now)
      const { sql, execute } = yield* Db
      yield* execute("test.olderDaemon", sql`UPDATE orders SET hold_reason = NULL WHERE id = 'o1'`)
      assert.deepStrictEqual(yield* orderCodes("o1"), [null, null])
    })
  )
})

describe("a slice's reason code", () => {
  test(
    "is that of its outcome, and is cleared by the next claim",
    Effect.gen(function* () {
      yield* splitOrder("o1", { num_splits: 2, duration_minutes: 0 })
      const [first, second] = yield* claimDue(2)
      assert.isDefined(first)
      assert.isDefined(second)
      yield* move([first], () => ({ _tag: "Failed", code: "broker_refused", reason: "no funds" }))
      yield* move([second], () => ({
        _tag: "Rescheduled",
        code: "broker_try_later",
        reason: "429",
        notBefore: null
      }))
      assert.sameMembers(yield* sliceCodes("o1"), ["broker_refused", "broker_try_later"])
      yield* claimDue(2)
      assert.sameMembers(yield* sliceCodes("o1"), ["broker_refused", null])
    })
  )

  test(
    "is order_cancelled for a slice that is given back to a cancelled order",
    Effect.gen(function* () {
      yield* splitOrder("o1", { num_splits: 2, duration_minutes: 0 })
      const claimed = yield* claimDue(1)
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      yield* move(claimed, () => ({ _tag: "Rescheduled", code: "gate_closed", reason: "halted", notBefore: null }))
      assert.deepStrictEqual(yield* sliceCodes("o1"), ["order_cancelled", "order_cancelled"])
    })
  )

  test(
    "is claim_lapsed after a claim ended without an outcome, which is shown but not stored",
    Effect.gen(function* () {
      yield* splitOrder("o1", { num_splits: 1 })
      yield* claimDue(1)
      assert.deepStrictEqual(yield* sliceCodes("o1"), [null])
      yield* setClock(Duration.hours(1))
      assert.deepStrictEqual(yield* sliceCodes("o1"), ["claim_lapsed"])
      const { sql, queryOne } = yield* Db
      const stored = yield* queryOne(
        "test.stored",
        Schema.Struct({ reasonCode: Text }),
        sql`SELECT reason_code FROM order_slices`
      )
      assert.isNull(stored.reasonCode)
    })
  )

  test(
    "is not shown without a reason text, which an older daemon has cleared",
    Effect.gen(function* () {
      yield* splitOrder("o1", { num_splits: 1 })
      yield* move(yield* claimDue(1), () => ({
        _tag: "Rescheduled",
        code: "rate_limit",
        reason: "too fast",
        notBefore: null
      }))
      assert.deepStrictEqual(yield* sliceCodes("o1"), ["rate_limit"])
      const { sql, execute } = yield* Db
      yield* execute("test.olderDaemon", sql`UPDATE order_slices SET stage_reason = NULL`)
      assert.deepStrictEqual(yield* sliceCodes("o1"), [null])
    })
  )

  test(
    "names what a person and the monitor did",
    Effect.gen(function* () {
      yield* splitOrder("o1", { num_splits: 3, duration_minutes: 0 })
      const [first] = yield* (yield* OrderCommands).slices("o1", yield* DateTime.now)
      yield* (yield* SliceCommands).skip(first?.id ?? "", asked, yield* DateTime.now)
      yield* setClock(Duration.days(2))
      yield* (yield* RecoveryStore).skipStale(yield* DateTime.now, "too late", 10)
      assert.deepStrictEqual(yield* sliceCodes("o1"), ["skipped_by_operator", "window_over", "window_over"])
    })
  )
})

describe("the table of reason codes", () => {
  it("describes each code as one of an order or of a slice", () => {
    for (const code of reasonCodes) {
      for (const subject of reasonMeanings[code].of) assert.match(subject, /^(order|slice) /)
    }
  })
})
