import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { DayReconciliationStore } from "../../src/stores/account/DayReconciliationStore.ts"
import { DayTotalStore } from "../../src/stores/account/DayTotalStore.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeFollowThrough } from "../../src/workers/monitor/followThrough.ts"
import { at, brokerSays, placeDue, splitOrder } from "../support/replanning.ts"
import { BrokerScript, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, serviceLayer } from "../support/service.ts"

const service = Layer.mergeAll(DayReconciliationStore.layer, DayTotalStore.layer, DoctorStore.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

const limitOrder = { order_type: "LIMIT", limit_price: "100.0000" }

const PlanOf = Schema.Struct({ orderId: Schema.String, cause: Schema.String })

/** Writes a column of the order "odd", as a program may that has all rights on `orders`. */
const write = (column: string, value: string) =>
  Effect.flatMap(Db, ({ sql, execute }) =>
    execute("test.write", sql`UPDATE orders SET ${sql(column)} = ${sql.literal(value)} WHERE id = 'odd'`)
  )

describe("a row that another program has changed after the split", () => {
  const seconds = ["1e300", "1e-16383", "'NaN'", "'Infinity'", "-1e131000"]
  for (const value of seconds) {
    it.effect(`with ${value} seconds until its cancel does not keep the cancel of another order back`, () =>
      Effect.gen(function* () {
        yield* splitOrder("odd", { ...limitOrder, cancel_unfilled_after_seconds: 5 })
        yield* splitOrder("good", limitOrder)
        yield* placeDue
        yield* write("cancel_unfilled_after_seconds", value)
        const commands = yield* OrderCommands
        yield* commands.requestCancel("good", asked, yield* DateTime.now)
        yield* Effect.flatten(makeFollowBroker)
        assert.lengthOf((yield* BrokerScript).cancelled, 1)
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("without an instrument is put on hold, and the next order is followed through", () =>
    Effect.gen(function* () {
      for (const id of ["odd", "zgood"]) yield* splitOrder(id, { ...limitOrder, carry_unfilled: true })
      for (const { tag } of yield* placeDue) yield* brokerSays(tag, { status: "CANCELLED", filledQuantity: 5 })
      yield* Effect.flatten(makeFollowBroker)
      yield* at(1)
      yield* write("instrument", "NULL")
      yield* Effect.flatten(makeFollowThrough)
      const { sql, query } = yield* Db
      const plans = yield* query("test.plans", PlanOf, sql`SELECT order_id, cause FROM order_plans WHERE revision = 2`)
      assert.deepStrictEqual(plans, [{ orderId: "zgood", cause: "CARRY" }])
      const odd = yield* Effect.flatMap((yield* OrderCommands).progress("odd"), Effect.fromOption)
      assert.include(odd.holdReason ?? "", "instrument: Expected string, not null")
    }).pipe(Effect.provide(service))
  )

  it.effect("does not lower the day's value below nothing, nor raise it beyond all numbers", () =>
    Effect.gen(function* () {
      yield* splitOrder("odd", limitOrder)
      yield* splitOrder("good", limitOrder)
      const days = yield* DayTotalStore
      const value = Effect.map(Effect.flatMap(DateTime.now, days.totals), (totals) => Number(totals.value.value))
      const before = yield* value
      yield* write("total_quantity", "-2147483648")
      assert.isAtLeast(yield* value, before / 2)
      for (const quantity of ["1e131000", "'NaN'", "'Infinity'"]) {
        yield* write("total_quantity", quantity)
        yield* write("limit_price", "1e131000")
        assert.isAbove(yield* value, before)
      }
    }).pipe(Effect.provide(service))
  )

  for (const quantity of ["1e131000", "10.5", "'NaN'", "NULL", "1e-16383"]) {
    it.effect(`with ${quantity} as its quantity is the only one that the day's comparison names`, () =>
      Effect.gen(function* () {
        yield* splitOrder("odd", limitOrder)
        yield* splitOrder("good", limitOrder)
        yield* write("total_quantity", quantity)
        const unbalanced = yield* (yield* DayReconciliationStore).unbalanced(
          DateTime.makeUnsafe(-86_400_000),
          DateTime.makeUnsafe(86_400_000),
          []
        )
        assert.deepStrictEqual(
          unbalanced.map(({ orderId }) => orderId),
          ["odd"]
        )
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("is shown with the others when its texts have many megabytes", () =>
    Effect.gen(function* () {
      yield* splitOrder("odd", limitOrder)
      for (const column of [
        "instrument",
        "side",
        "status_reason",
        "hold_reason",
        "cancel_requested_by",
        "claimed_by"
      ]) {
        yield* write(column, "repeat('x', 17000000)")
      }
      const commands = yield* OrderCommands
      assert.lengthOf(yield* commands.list(10), 1)
      const [held] = yield* (yield* DoctorStore).heldOrders
      assert.strictEqual(held?.reason.length, 10_000)
    }).pipe(Effect.provide(service))
  )
})
