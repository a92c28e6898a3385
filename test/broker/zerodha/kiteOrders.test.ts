import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect, Exit, Result } from "effect"
import {
  brokerOrders,
  lacksPrice,
  makeRowReaders,
  type OrderListRow,
  readEntries,
  readOrderList
} from "../../../src/broker/zerodha/kiteOrders.ts"
import { noTrades, readTrades, type Trades } from "../../../src/broker/zerodha/kiteTrades.ts"
import { Tag } from "../../../src/domain/model/Ids.ts"
import { tags } from "../BrokerConformance.ts"

const row = (changed: Readonly<Record<string, unknown>> = {}) => ({
  order_id: "2611230000000001234",
  exchange_order_id: null,
  status: "OPEN",
  status_message: null,
  quantity: 100,
  filled_quantity: 0,
  pending_quantity: 100,
  average_price: 0,
  tag: "OURS",
  guid: "XXXX",
  ...changed
})
const body = (...data: ReadonlyArray<unknown>) => JSON.stringify({ status: "success", data })
const orderList = (...rows: ReadonlyArray<unknown>) =>
  Effect.runSync(readOrderList(body(...rows), tags("OURS", "ALSO")))
const only = (changed: Readonly<Record<string, unknown>>) =>
  orderList(row(changed)).rows[0] ?? assert.fail("it was not found")
const priced = (rowOf: OrderListRow, trades: Trades) =>
  brokerOrders({ rows: [rowOf], unreadable: [] }, trades).orders[0] ?? assert.fail("there is no order")
const tradesOf = (...trades: ReadonlyArray<unknown>) => Effect.runSync(readTrades(body(...trades)))

describe("Kite's order list", () => {
  it("is searched by tag in both fields, whatever else is in them", () => {
    const { rows: found, unreadable } = orderList(
      row({ tag: null, tags: null, order_id: "1" }),
      row({ tag: "THEIRS", status: 17, order_id: null }),
      row({ tag: null, tags: ["mktp", 5, "OURS"], order_id: "2" }),
      row({ tag: "ALSO", tags: ["ALSO", "mktp:2.00"], order_id: "3" }),
      { order_id: "4" }
    )
    assert.deepStrictEqual(
      found.map(({ brokerOrderId, tag }) => [brokerOrderId, tag] as const),
      [
        ["2", "OURS"],
        ["3", "ALSO"]
      ] as unknown
    )
    assert.deepStrictEqual(unreadable, [])
  })

  it("reports a row of ours that cannot be read, and reads the others", () => {
    const good = row({ tag: "ALSO", order_id: "2" })
    const limit = "not a number from 0 to below 100,000,000,000"
    for (const [changed, problem] of [
      [{ filled_quantity: 3_000_000_000 }, "filled_quantity is 3000000000, not a whole number from 0 to 2147483647"],
      [{ filled_quantity: "many" }, 'filled_quantity is "many", not'],
      [{ filled_quantity: -1 }, "filled_quantity is -1, not"],
      [{ filled_quantity: 10.5 }, "filled_quantity is 10.5, not"],
      [{ filled_quantity: undefined }, "filled_quantity is missing, not"],
      [{ average_price: 1e300 }, `average_price is 1e+300, ${limit}`],
      [{ average_price: 100_000_000_000 }, `average_price is 100000000000, ${limit}`],
      [{ average_price: 1e11 - 2e-5 }, limit],
      [{ average_price: -0.01 }, "average_price is -0.01"],
      [{ average_price: "NaN" }, 'average_price is "NaN"'],
      [{ average_price: null }, "average_price is null"],
      [{ average_price: [{}] }, "average_price is a list"],
      [{ status: undefined }, "status is missing, not a text"],
      [{ status: "" }, 'status is "", not a text'],
      [{ status: { word: "OPEN" } }, "status is an object, not a text"],
      [{ order_id: 26 }, "order_id is 26, not a text of 1 to 32 digits"],
      [{ order_id: "'; DROP TABLE" }, 'order_id is "\'; DROP TABLE"'],
      [{ order_id: `1${"\u202e".repeat(50)}` }, "order_id is"]
    ] as const) {
      const { rows, unreadable } = orderList(row(changed), good)
      assert.deepStrictEqual([rows.map(({ tag }) => `${tag}`), unreadable.length], [["ALSO"], 1], problem)
      assert.deepInclude(unreadable[0], { tag: Tag.make("OURS"), isCertain: true })
      assert.include(unreadable[0]?.problem, problem)
      assert.isBelow(unreadable[0]?.problem.length ?? 0, 150)
      assert.notInclude(unreadable[0]?.problem, "\u202e")
      assert.strictEqual(unreadable[0]?.brokerOrderId ?? null, "order_id" in changed ? null : row().order_id)
    }
  })

  it("cuts and masks texts before they are stored", () => {
    const { statusText, status } = only({ status: "OPEN\u0000\u001b]0;", status_message: "x".repeat(1_000_000) })
    assert.strictEqual(status, "UNRECOGNISED")
    assert.match(statusText, /^OPEN\?\?\]0;: x{500}… \(1000000 characters\)$/)
    assert.strictEqual(only({ status_message: 17 }).statusText, "OPEN")
  })

  it("gives a row without a readable tag to each of our tags that is a word in it, and ignores foreign rows", () => {
    const mentions = (...rows: ReadonlyArray<unknown>) => {
      const { rows: read, unreadable } = orderList(...rows)
      assert.deepStrictEqual(read, [])
      assert.isTrue(unreadable.every(({ isCertain }) => !isCertain))
      return unreadable.map(({ tag, brokerOrderId }) => `${tag} ${brokerOrderId}`)
    }
    for (const foreign of [
      row({ tag: 5 }),
      row({ tag: null, tags: {} }),
      row({ tag: "THEIRS", filled_quantity: 3_000_000_000 }),
      row({ tag: "OURSELVES", guid: "XOURS" }),
      "row",
      7,
      null,
      []
    ]) {
      assert.deepStrictEqual(mentions(foreign), [], JSON.stringify(foreign))
    }
    const id = row().order_id
    assert.deepStrictEqual(mentions(row({ tag: { text: "OURS" }, order_id: "3" })), ["OURS 3"])
    assert.deepStrictEqual(mentions(row({ tag: null, tags: { OURS: 1 } })), [`OURS ${id}`])
    assert.deepStrictEqual(mentions(row({ tag: null, guid: "autoslice:OURS" })), [`OURS ${id}`])
    assert.deepStrictEqual(mentions("a row of OURS, and ALSO more, OURS"), ["OURS null", "ALSO null"])
    assert.deepStrictEqual(mentions(row({ tag: "OURS", tags: ["ALSO"] })), [`ALSO ${id}`, `OURS ${id}`])
    assert.deepStrictEqual(mentions(row({ tag: null, tags: null, meta: [{ OURS: { a: 1 } }] })), [`OURS ${id}`])
    // A row names the tag, so a mention in a row of others says nothing; a row with an odd tag is one of its rows all the same.
    assert.deepStrictEqual(orderList(row({ order_id: "1" }), row({ tag: "THEIRS", guid: "x OURS" })).unreadable, [])
    assert.lengthOf(orderList(row({ order_id: "1" }), row({ order_id: "2", tag: ["OURS"] })).unreadable, 1)
    // Its own field names the tag, so what else the row has does not matter.
    assert.lengthOf(orderList(row({ tags: { odd: "ALSO" }, guid: "ALSO" })).rows, 1)
  })

  it("reports two rows of one tag, readable or not, with the ids of both", () => {
    const { rows, unreadable } = orderList(row({ order_id: "1" }), row({ order_id: "2", filled_quantity: 1e20 }))
    assert.deepStrictEqual(
      [...rows, ...unreadable].map(({ brokerOrderId }) => `${brokerOrderId}`),
      ["1", "2"]
    )
  })

  it("cannot be read as a whole if it is not a list of rows", () => {
    for (const bad of [
      body(row()).slice(0, -20),
      '{"status":"success"}',
      '{"status":"success","data":null}',
      '{"status":"success","data":{}}',
      '{"status":"error","data":[]}',
      `{"status":"success","data":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      "<html>",
      ""
    ]) {
      const read = Effect.runSync(Effect.result(readOrderList(bad, tags("OURS"))))
      assert.isTrue(Result.isFailure(read) && read.failure.length < 300, bad.slice(0, 100))
    }
    assert.deepStrictEqual(orderList(), { rows: [], unreadable: [] })
  })

  it("takes time that grows with its length: 1 MB of one row, of many rows and of many tags", () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => index)
    const readIn = (text: string, ours: ReadonlySet<Tag>) => {
      let best = Number.POSITIVE_INFINITY
      for (let round = 0; round < 5; round += 1) {
        const began = performance.now()
        Effect.runSync(readOrderList(text, ours))
        best = Math.min(best, performance.now() - began)
      }
      return best
    }
    for (const listOf of [
      (size: number) => body(row({ tag: null, guid: "A ".repeat(size * 500) })),
      (size: number) => body(row({ tag: null, guid: "A".repeat(size * 1000) })),
      (size: number) => body(...many(size * 4).map((index) => row({ tag: `T${index}` })))
    ]) {
      const ours = (size: number) => tags(...many(size * 4).map((index) => `T${index}`))
      const [small, large] = [readIn(listOf(10), ours(10)), readIn(listOf(1000), ours(1000))]
      // A hundred times the length; ten times more is allowed for a busy machine, a square would be a hundred times more.
      assert.isBelow(large, Math.max(small, 0.5) * 1000, `${small} ms, ${large} ms`)
    }
  })

  it("maps Kite's statuses, and keeps the text of unknown ones", () => {
    const status = (word: string, filled = 0) => only({ status: word, filled_quantity: filled }).status
    for (const word of ["COMPLETE", "CANCELLED", "REJECTED"]) assert.strictEqual(status(word), word)
    for (const word of [
      "PUT ORDER REQ RECEIVED",
      "VALIDATION PENDING",
      "OPEN PENDING",
      "MODIFY VALIDATION PENDING",
      "MODIFY PENDING",
      "CANCEL PENDING",
      "AMO REQ RECEIVED"
    ]) {
      assert.strictEqual(status(word), "PENDING")
    }
    assert.strictEqual(status("OPEN"), "OPEN")
    assert.strictEqual(status("TRIGGER PENDING"), "OPEN")
    assert.strictEqual(status("OPEN", 10), "PARTIALLY_FILLED")
    assert.strictEqual(status("CANCEL PENDING", 10), "PARTIALLY_FILLED")
    assert.strictEqual(status("CANCELLED", 10), "CANCELLED")
    const strange = only({ status: "TRANSIT PENDING", status_message: "on its way" })
    assert.strictEqual(strange.status, "UNRECOGNISED")
    assert.strictEqual(strange.statusText, "TRANSIT PENDING: on its way")
  })

  it("takes the average price from the row, otherwise from the trades", () => {
    const trades = tradesOf(
      { order_id: "9", quantity: 1, average_price: 1 },
      { order_id: "2611230000000001234", quantity: 10, average_price: 100.05, order_timestamp: "10:00:00" },
      { order_id: "2611230000000001234", quantity: 20, average_price: 100.1 }
    )
    const price = (changed: Readonly<Record<string, unknown>>) => {
      const average = priced(only(changed), trades).averagePrice
      return average === null ? null : BigDecimal.format(average)
    }
    assert.strictEqual(price({ status: "COMPLETE", filled_quantity: 100, average_price: 1412.95 }), "1412.95")
    assert.strictEqual(price({ filled_quantity: 30 }), "100.0833")
    assert.strictEqual(price({ status: "CANCELLED", filled_quantity: 30, average_price: 99 }), "100.0833")
    assert.isNull(price({ filled_quantity: 0 }))
    assert.isTrue(lacksPrice(only({ filled_quantity: 30 })))
    assert.isFalse(lacksPrice(only({ filled_quantity: 0 })))
  })

  it("takes the row's word for a finished order, whatever the trades say", () => {
    const cancelled = only({ status: "CANCELLED", filled_quantity: 30 })
    const trade = { order_id: cancelled.brokerOrderId, quantity: 30, average_price: 5 }
    for (const trades of [noTrades, tradesOf({ ...trade, quantity: 10 })]) {
      assert.deepInclude(priced(cancelled, trades), { status: "CANCELLED", filledQuantity: 30, averagePrice: null })
    }
    assert.isNotNull(priced(cancelled, tradesOf(trade)).averagePrice)
  })

  it("does not believe that an order is over when its row contradicts itself", () => {
    for (const [row, contradiction] of [
      [{ status: "COMPLETE", quantity: 10, filled_quantity: 0 }, "COMPLETE with nothing filled"],
      [{ status: "COMPLETE", quantity: undefined, filled_quantity: 0 }, "COMPLETE with nothing filled"],
      [{ status: "COMPLETE", quantity: 10, filled_quantity: 4 }, "COMPLETE with 4 of 10 filled"],
      [{ status: "REJECTED", quantity: 10, filled_quantity: 4 }, "REJECTED with 4 filled"],
      [{ status: "CANCELLED", quantity: 10, filled_quantity: 11 }, "11 of 10 filled"]
    ] as const) {
      assert.deepInclude(priced(only(row), noTrades), { status: "UNRECOGNISED", contradiction })
    }
  })

  it("shows an order once that the list has twice, as it is furthest on", () => {
    const id = "1"
    const rows = [
      only({ order_id: id, status: "OPEN", filled_quantity: 4 }),
      only({ order_id: id, status: "COMPLETE", filled_quantity: 100, average_price: 5 }),
      only({ order_id: id, status: "OPEN", filled_quantity: 0 })
    ]
    for (const listed of [rows, rows.toReversed(), [...rows, ...rows]]) {
      assert.deepStrictEqual(
        brokerOrders({ rows: listed, unreadable: [] }, noTrades).orders.map(({ status }) => status),
        ["COMPLETE"]
      )
    }
  })

  it("finds no price when the trades are not there yet", () => {
    assert.isNull(priced(only({ filled_quantity: 30 }), noTrades).averagePrice)
  })

  it("leaves only the price of its own order unknown when a trade cannot be read, and says so", () => {
    const rows = [
      only({ status: "CANCELLED", filled_quantity: 30, order_id: "1" }),
      only({ filled_quantity: 30, order_id: "2" })
    ]
    const good = { order_id: "2", quantity: 30, average_price: 5 }
    for (const [odd, problem] of [
      [{ order_id: "1", quantity: 30, average_price: 1e300 }, "average_price is 1e+300"],
      [{ order_id: "1", quantity: 3_000_000_000, average_price: 5 }, "quantity is 3000000000"],
      [{ order_id: 1, quantity: 30, average_price: 5 }, "order_id is 1, not"],
      ["a trade", "order_id is missing"]
    ] as const) {
      const { orders, unreadable } = brokerOrders({ rows, unreadable: [] }, tradesOf(odd, good))
      assert.deepStrictEqual(
        orders.map(({ status, averagePrice }) => [status, averagePrice && BigDecimal.format(averagePrice)] as const),
        [
          ["CANCELLED", null],
          ["PARTIALLY_FILLED", "5"]
        ]
      )
      assert.deepStrictEqual(
        unreadable.map(({ brokerOrderId }) => `${brokerOrderId}`),
        ["1"]
      )
      assert.include(unreadable[0]?.problem, problem)
    }
  })

  it("rounds prices to the four decimals that are stored", () => {
    const price = (given: number) => {
      const read = only({ status: "COMPLETE", filled_quantity: 1, average_price: given }).price
      return read && BigDecimal.format(read)
    }
    assert.strictEqual(price(1412.956_666_7), "1412.9567")
    assert.strictEqual(price(99_999_999_999.5), "99999999999.5")
    assert.isNull(price(1e-300))
    assert.isNull(price(5e-5 / 2))
  })
})

describe("lists that are read one after another", () => {
  const states: ReadonlyArray<Readonly<Record<string, unknown>>> = [
    {},
    { filled_quantity: 40 },
    { status: "COMPLETE", filled_quantity: 100, average_price: 10.5 },
    { status: "COMPLETE", filled_quantity: "many" },
    { tag: null, tags: ["ALSO"] },
    { tag: { odd: "OURS" } },
    { tag: null, note: "OURS" }
  ]
  const asked = [tags("OURS"), tags("OURS", "ALSO"), tags()]

  it("say the same as each of them read alone, however they change", () => {
    const readerOfNext = makeRowReaders()
    const draw = drawFrom(7)
    for (let list = 0; list < 300; list += 1) {
      const rows = Array.from({ length: draw(6) }, (_, n) => row({ order_id: `${n + draw(2)}`, ...states[draw(7)] }))
      const text = draw(12) === 0 ? '{"status":"success","data":[{"order_id":"1"},' : body(...rows)
      const ours = asked[draw(3)] ?? tags()
      assert.deepStrictEqual(
        Effect.runSync(Effect.result(readOrderList(text, ours, readerOfNext()))),
        Effect.runSync(Effect.result(readOrderList(text, ours)))
      )
    }
  })
})

/** Whole numbers below a bound, the same for the same seed. */
const drawFrom = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

describe("all entries of Kite's order list", () => {
  it("name the rows that do not tell their order by their place", () => {
    const read = Effect.runSync(
      readEntries(
        body(
          row({ tags: ["mktp"] }),
          row({ order_id: null, tag: "X" }),
          "row",
          row({ tag: { odd: "Y" }, order_id: "7" })
        )
      )
    )
    assert.deepStrictEqual(read.entries[0]?.tags, ["OURS", "mktp"])
    assert.isTrue(read.entries[1]?.tags.includes("Y"))
    assert.deepStrictEqual(
      read.unreadable.map(
        ({ place, tags: words, problem }) => [place, words.includes("X"), problem.slice(0, 11)] as const
      ),
      [
        [2, true, "order_id is"],
        [3, false, "order_id is"]
      ]
    )
    assert.isTrue(Exit.isFailure(Effect.runSyncExit(readEntries('{"status":"success","data":null}'))))
  })
})
