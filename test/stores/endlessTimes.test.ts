import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BacklogStore } from "../../src/stores/operations/BacklogStore.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { TopStore } from "../../src/stores/operations/TopStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { ReportStore } from "../../src/stores/orders/ReportStore.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = Layer.mergeAll(ReportStore.layer, DoctorStore.layer, TopStore.layer).pipe(
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
})
