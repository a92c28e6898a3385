import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BacklogStore } from "../../src/stores/operations/BacklogStore.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { RetentionStore } from "../../src/stores/operations/RetentionStore.ts"
import { TopStore } from "../../src/stores/operations/TopStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { ReportStore } from "../../src/stores/orders/ReportStore.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = Layer.mergeAll(ReportStore.layer, DoctorStore.layer, TopStore.layer, RetentionStore.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

const times = ["infinity", "-infinity", "294276-12-31 23:59:59+00", "4713-01-01 00:00:00+00 BC"]

describe("an order with times that no Date holds in every column", () => {
  it.effect("can be shown in every state, and harms no view of all orders", () =>
    Effect.gen(function* () {
      yield* setClock()
      const { sql, query } = yield* Db
      const columns = yield* query(
        "test.columns",
        Schema.Struct({ columnName: Schema.String }),
        sql`
          SELECT column_name FROM information_schema.columns
          WHERE table_name = 'orders' AND data_type = 'timestamp with time zone'`
      )
      assert.isAtLeast(columns.length, 8)
      const ids: Array<string> = []
      for (const [index, time] of times.entries()) {
        for (const status of ["PENDING", "IN_PROGRESS", "DONE", "FAILED", "SKIPPED"]) {
          const id = `${status}${index}`
          ids.push(id)
          const odd = Object.fromEntries(columns.map(({ columnName }) => [columnName, time]))
          yield* insertOrder(id, { ...odd, order_queue_status: status, hold_reason: "held" })
        }
      }
      const now = yield* DateTime.now
      for (const id of ids) assert.isTrue(Option.isSome(yield* (yield* ReportStore).record(id, now)), id)
      assert.lengthOf(yield* (yield* OrderCommands).list(100), ids.length)
      assert.strictEqual((yield* (yield* BacklogStore).read(now)).ordersPending, times.length)
      const doctor = yield* DoctorStore
      yield* doctor.groups(now, true)
      yield* doctor.heldOrders
      yield* (yield* TopStore).orders(100)
    }).pipe(Effect.provide(service))
  )

  it.effect("comes after the others in the list, and is pruned", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const store = yield* RetentionStore
      yield* setClock("10 days")
      for (const [index, time] of ["infinity", "9999-01-01", ...times].entries()) {
        yield* insertOrder(`odd${index}`, {
          created_at: time,
          order_queue_status: "FAILED",
          updated_at: "1970-01-01T00:00:00Z"
        })
      }
      yield* insertOrder("new", { created_at: "1970-01-10T23:00:00Z" })
      yield* insertOrder("tomorrow", { created_at: "1970-01-12T00:00:00Z" })
      yield* execute("test.ids", sql`UPDATE orders SET updated_at = created_at WHERE id IN ('new', 'tomorrow')`)
      const list = (limit: number) =>
        Effect.map(
          Effect.flatMap(OrderCommands, (commands) => commands.list(limit)),
          (orders) => orders.map(({ orderId }) => orderId as string)
        )
      assert.deepStrictEqual(yield* list(2), ["tomorrow", "new"])
      assert.lengthOf(yield* list(100), 8)
      const shown = (yield* (yield* TopStore).orders(2)).map(({ orderId }) => orderId as string)
      assert.include(shown, "new")
      const now = yield* DateTime.now
      const options = { before: DateTime.subtract(now, { days: 2 }), asked, now }
      const { orders } = yield* store.count(options.before)
      assert.strictEqual(orders, 6)
      let pruned = 0
      for (let batch = 0; batch < 3; batch++) pruned += (yield* store.pruneOrders(options)).orders
      assert.strictEqual(pruned, 6)
      assert.deepStrictEqual(yield* list(100), ["tomorrow", "new"])
    }).pipe(Effect.provide(service))
  )
})
