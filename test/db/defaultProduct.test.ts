import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { defaultProduct } from "../../src/domain/market/productRules.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer } from "../support/service.ts"

const Product = Schema.Struct({ instrument: Schema.String, productType: Schema.String })

describe("an order that names no product", () => {
  it.effect("gets the default of its segment, as the commands do", () =>
    Effect.gen(function* () {
      const exchanges = ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "ICE"]
      for (const exchange of exchanges) yield* insertOrder(exchange, { instrument: `${exchange}:X` })
      yield* insertOrder("named", { instrument: "NFO:NAMED", product_type: "MIS" })
      const { sql, query } = yield* Db
      const rows = yield* query(
        "test.products",
        Product,
        sql`SELECT instrument, product_type FROM orders ORDER BY number`
      )
      assert.deepStrictEqual(
        rows.map(({ instrument, productType }) => [instrument, productType]),
        [...exchanges.map((exchange) => [`${exchange}:X`, defaultProduct(`${exchange}:X`)]), ["NFO:NAMED", "MIS"]]
      )
    }).pipe(Effect.provide(serviceLayer({ broker: scriptedBroker })))
  )
})
