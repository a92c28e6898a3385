import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Result } from "effect"
import { brokerOrder, lacksPrice, readOrderList, readTrades } from "../../../src/broker/zerodha/kiteOrders.ts"
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
  Result.getOrThrow(readOrderList(body(...rows), tags("OURS", "ALSO")))
const only = (changed: Readonly<Record<string, unknown>>) =>
  orderList(row(changed))[0] ?? assert.fail("it was not found")

describe("Kite's order list", () => {
  it("is searched by tag in both fields, whatever else is in them", () => {
    const found = orderList(
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
  })

  it("cannot be read when any row that may be ours cannot be read", () => {
    for (const bad of [
      body(row({ filled_quantity: "many" })),
      body(row({ filled_quantity: -1 })),
      body(row({ status: undefined })),
      body(row({ order_id: 26 })),
      body(row(), "row"),
      body(row({ tag: 7 })),
      body(row()).slice(0, -20),
      '{"status":"success"}',
      '{"status":"error","data":[]}',
      "<html>",
      ""
    ]) {
      assert.isTrue(Result.isFailure(readOrderList(bad, tags("OURS"))), bad)
    }
    assert.isTrue(Result.isSuccess(readOrderList(body(), tags("OURS"))))
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
    const trades = Result.getOrThrow(
      readTrades(
        body(
          { order_id: "9", quantity: 1, average_price: 1 },
          { order_id: "2611230000000001234", quantity: 10, average_price: 100.05, order_timestamp: "10:00:00" },
          { order_id: "2611230000000001234", quantity: 20, average_price: 100.1 }
        )
      )
    )
    const price = (changed: Readonly<Record<string, unknown>>) => {
      const average = brokerOrder(only(changed), trades).averagePrice
      return average === null ? null : BigDecimal.format(average)
    }
    assert.strictEqual(price({ status: "COMPLETE", filled_quantity: 100, average_price: 1412.95 }), "1412.95")
    assert.strictEqual(price({ filled_quantity: 30 }), "100.0833")
    assert.strictEqual(price({ status: "CANCELLED", filled_quantity: 30, average_price: 99 }), "100.0833")
    assert.isNull(price({ filled_quantity: 0 }))
    assert.isTrue(lacksPrice(only({ filled_quantity: 30 })))
    assert.isFalse(lacksPrice(only({ filled_quantity: 0 })))
  })

  it("keeps a finished order open while its price is unknown", () => {
    const cancelled = only({ status: "CANCELLED", filled_quantity: 30 })
    assert.deepInclude(brokerOrder(cancelled, []), { status: "PARTIALLY_FILLED", statusText: "CANCELLED" })
    const trade = { order_id: cancelled.brokerOrderId, quantity: 30, average_price: 5 }
    assert.strictEqual(brokerOrder(cancelled, [trade]).status, "CANCELLED")
    assert.deepInclude(brokerOrder(cancelled, [{ ...trade, quantity: 10 }]), {
      status: "PARTIALLY_FILLED",
      averagePrice: null
    })
    assert.strictEqual(brokerOrder(only({ status: "CANCELLED" }), []).status, "CANCELLED")
  })

  it("finds no price when the trades are not there yet", () => {
    assert.isNull(brokerOrder(only({ filled_quantity: 30 }), []).averagePrice)
  })
})
