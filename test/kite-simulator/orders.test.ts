import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { ask, Kite, resting, rowsOf, simulator } from "./kite.ts"

const manyRequests = { limits: { perSecond: 1000, perMinute: 10_000, perDay: 10_000, modifications: 25 } }

describe("an order", () => {
  it.effect("becomes COMPLETE within the fill delay, and stays so", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      assert.strictEqual((yield* kite.place("A1")).status, 200)
      const seen = new Set<string | undefined>()
      for (let tick = 0; tick <= 10; tick++) {
        seen.add((yield* kite.row("A1"))?.status)
        yield* TestClock.adjust("50 millis")
      }
      const path = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE"]
      assert.deepStrictEqual([...seen], path)
      const row = yield* kite.row("A1")
      yield* TestClock.adjust("18 hours")
      assert.deepStrictEqual(yield* kite.row("A1"), row)
    }).pipe(Effect.provide(simulator({ tokensExpire: false })))
  )

  it.effect("is COMPLETE at once without a fill delay", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("NOW")
      assert.strictEqual((yield* kite.row("NOW"))?.status, "COMPLETE")
    }).pipe(Effect.provide(simulator({ fillDelay: Duration.zero })))
  )

  it.effect("takes every product and an algorithm id, and shows them", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      for (const product of ["CNC", "MIS", "NRML", "MTF"]) {
        yield* kite.place(product, { product, algo_id: `id ${product}` })
        assert.deepInclude(yield* kite.row(product), { product, algo_id: `id ${product}` })
      }
      assert.strictEqual((yield* kite.place("BAD", { algo_id: "x".repeat(65) })).status, 400)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("never returns to an earlier state, and has trades that agree with its row at every moment", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const tags = Array.from({ length: 12 }, (_, index) => `T${index}`)
      yield* Effect.forEach(tags, (tag) => kite.place(tag))
      const filled = new Map<string, number>()
      let parts = 0
      for (let tick = 0; tick < 12; tick++) {
        for (const row of yield* kite.rows) {
          const trades = rowsOf<{ quantity: number; average_price: number }>(
            (yield* kite.call("GET", `/orders/${row.order_id}/trades`)).json
          )
          const quantity = trades.reduce((sum, trade) => sum + trade.quantity, 0)
          assert.strictEqual(quantity, row.filled_quantity)
          assert.isAtLeast(row.filled_quantity, filled.get(row.order_id) ?? 0)
          filled.set(row.order_id, row.filled_quantity)
          if (row.status === "COMPLETE") {
            const paid = trades.reduce((sum, trade) => sum + trade.quantity * trade.average_price, 0)
            assert.closeTo(row.average_price, paid / quantity, 0.0001)
          } else {
            assert.strictEqual(row.average_price, 0)
            if (quantity > 0) parts++
          }
        }
        yield* TestClock.adjust("50 millis")
      }
      assert.isAbove(parts, 0)
      assert.isTrue((yield* kite.rows).every(({ status }) => status === "COMPLETE"))
    }).pipe(Effect.provide(simulator(manyRequests)))
  )

  it.effect("of type MARKET becomes a protected LIMIT order, with its tag sometimes only in `tags`", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const tags = Array.from({ length: 40 }, (_, index) => `V${index}`)
      yield* Effect.forEach(tags, (tag) => kite.place(tag))
      const rows = yield* kite.rows
      assert.isTrue(rows.every(({ order_type }) => order_type === "LIMIT"))
      assert.deepStrictEqual(rows.map(({ tags }) => tags[0]).toSorted(), tags.toSorted())
      assert.deepStrictEqual(rows[0]?.tags.slice(1), ["mktp", "mktp:2.00"])
      const hidden = rows.filter(({ tag }) => tag === null).length
      assert.isTrue(hidden > 0 && hidden < 40)
    }).pipe(Effect.provide(simulator(manyRequests)))
  )

  it.effect("has a unique, increasing id of 15 or 19 digits; the order list is not sorted", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const given: Array<string> = []
      for (let index = 0; index < 60; index++) {
        const { text } = yield* kite.place(`I${index}`)
        given.push(/"order_id":"(\d+)"/.exec(text)?.[1] ?? "none")
        yield* TestClock.adjust("400 millis")
      }
      for (const length of [15, 19]) {
        const ids = given.filter((id) => id.length === length)
        assert.isAbove(ids.length, 10)
        assert.deepStrictEqual(ids, ids.toSorted())
      }
      assert.strictEqual(new Set(given).size, 60)
      const [one, other] = [yield* kite.rows, yield* kite.rows].map((rows) => rows.map(({ order_id }) => order_id))
      assert.notDeepEqual(one, given)
      assert.notDeepEqual(one, other)
      assert.deepStrictEqual(one?.toSorted(), given.toSorted())
    }).pipe(Effect.provide(simulator(manyRequests)))
  )

  it.effect("with an unreached limit stays open until the day ends; an IOC ends at once", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("DAY", resting)
      yield* kite.place("IOC", { ...resting, validity: "IOC" })
      yield* kite.place("STOP", { order_type: "SL-M", trigger_price: "99999" })
      yield* TestClock.adjust("1 second")
      const statuses = yield* Effect.forEach(["DAY", "IOC", "STOP"], (tag) => kite.row(tag))
      assert.deepStrictEqual(
        statuses.map((row) => row?.status),
        ["OPEN", "CANCELLED", "TRIGGER PENDING"]
      )
      // The test's clock begins at 05:30 in India.
      yield* TestClock.adjust("1109 minutes")
      assert.strictEqual((yield* kite.row("DAY"))?.status, "CANCELLED")
    }).pipe(Effect.provide(simulator({ tokensExpire: false })))
  )

  it.effect("is cancelled once; a finished or unknown one cannot be cancelled", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("R", resting)
      yield* kite.place("C")
      yield* TestClock.adjust("1 second")
      const cancel = (id: string | undefined) => kite.call("DELETE", `/orders/regular/${id}`)
      const open = yield* kite.row("R")
      assert.strictEqual((yield* cancel(open?.order_id)).status, 200)
      assert.strictEqual((yield* kite.row("R"))?.status, "CANCEL PENDING")
      for (const id of [open?.order_id, (yield* kite.row("C"))?.order_id, "123"]) {
        const refused = yield* cancel(id)
        assert.strictEqual(refused.status, 400)
        assert.strictEqual(refused.json?.["error_type"], "OrderException")
      }
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* kite.row("R"), { status: "CANCELLED", filled_quantity: 0, average_price: 0 })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("can be modified, also to reach the market, within the limit of modifications", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("M", resting)
      const id = (yield* kite.row("M"))?.order_id
      const modify = (price: string) => kite.call("PUT", `/orders/regular/${id}`, { price })
      assert.strictEqual((yield* modify("0.10")).status, 400)
      for (let index = 0; index < 24; index++) {
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* modify(`0.${10 + index * 5}`)).status, 200)
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* kite.row("M"))?.status, "OPEN")
      assert.strictEqual((yield* modify("90000")).status, 200)
      assert.strictEqual((yield* kite.row("M"))?.status, "MODIFY VALIDATION PENDING")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* kite.row("M"), { status: "COMPLETE", filled_quantity: 100 })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("cannot be modified a 26th time", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("M", resting)
      const id = (yield* kite.row("M"))?.order_id
      const statuses: Array<number | null> = []
      for (let index = 0; index < 26; index++) {
        yield* TestClock.adjust("1 second")
        statuses.push((yield* kite.call("PUT", `/orders/regular/${id}`, { price: "0.10" })).status)
      }
      assert.deepStrictEqual(new Set(statuses.slice(0, 25)), new Set([200]))
      assert.strictEqual(statuses[25], 400)
    }).pipe(Effect.provide(simulator()))
  )
})

describe("an invalid placement", () => {
  const november = Date.parse("2026-11-20T10:00:00+05:30")
  const cases: ReadonlyArray<readonly [string, { readonly [name: string]: string }, RegExp]> = [
    ["exchange", { exchange: "NYSE" }, /exchange/],
    ["side", { transaction_type: "HOLD" }, /transaction_type/],
    ["type", { order_type: "ICE" }, /order_type/],
    ["product", { product: "XXX" }, /product/],
    ["validity", { validity: "GTC" }, /validity/],
    ["symbol", { tradingsymbol: "" }, /tradingsymbol/],
    ["quantity 0", { quantity: "0" }, /quantity/],
    ["quantity 1.5", { quantity: "1.5" }, /quantity/],
    ["no price", { order_type: "LIMIT" }, /price/],
    ["no protection", { market_protection: "" }, /^Market orders without market protection are not allowed via API\./],
    ["long tag", { tag: "A".repeat(21) }, /tag/],
    ["strange tag", { tag: "a-b" }, /tag/],
    ["frozen equity", { quantity: "100001" }, /100001 \(100001 lots\).*maximum quantity of 100000/],
    [
      "frozen derivative",
      { exchange: "NFO", tradingsymbol: "NIFTY26NOVFUT", quantity: "1820", product: "NRML" },
      /^The order quantity 1820 \(28 lots\) is higher than the maximum quantity of 1755 \(27 lots\) allowed by the exchanges/
    ]
  ]
  for (const [name, changes, message] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const kite = yield* Kite
        const { status, json } = yield* kite.place("BAD", changes)
        assert.strictEqual(status, 400)
        assert.strictEqual(json?.["error_type"], "InputException")
        assert.match(String(json?.["message"]), message)
        assert.strictEqual((yield* kite.rows).length, 0)
      }).pipe(Effect.provide(simulator()), (placed) => Effect.andThen(TestClock.setTime(november), placed))
    )
  }
})

describe("the server", () => {
  it.effect("requires Kite's version and a valid token, and refuses unknown routes", () =>
    Effect.gen(function* () {
      const { url } = yield* KiteSimulator
      const kite = yield* Kite
      const wrongToken = { "X-Kite-Version": "3", authorization: "token simulator-key:wrong" }
      assert.strictEqual((yield* ask(`${url}/orders`)).status, 400)
      assert.strictEqual((yield* ask(`${url}/orders`, { headers: wrongToken })).status, 403)
      assert.strictEqual((yield* kite.call("GET", "/nothing")).status, 404)
      assert.strictEqual((yield* kite.call("POST", "/orders/strange", {})).status, 400)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("serves a base path, as the vendor's sandbox does", () =>
    Effect.gen(function* () {
      const { url } = yield* KiteSimulator
      const kite = yield* Kite
      assert.match(url, /:\d+\/sandbox$/)
      assert.strictEqual((yield* kite.place("BASE")).status, 200)
      assert.strictEqual((yield* ask(url.replace("/sandbox", "/orders"))).status, 404)
      assert.strictEqual((yield* ask(url.replace("/sandbox", "/simulator/summary"))).status, 200)
    }).pipe(Effect.provide(simulator({ basePath: "/sandbox" })))
  )
})
