import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { bar, isSettled, progressLine, table } from "../../src/cli/render.ts"
import type { OrderProgress } from "../../src/stores/OrderDesk.ts"

const at = (millis: number) => DateTime.makeUnsafe(millis)

const order: OrderProgress = {
  orderId: "o1",
  instrument: "NSE:RELIANCE",
  side: "BUY",
  totalQuantity: 1000,
  orderQueueStatus: "DONE",
  statusReason: null,
  state: "working",
  createdAt: at(0),
  slices: 10,
  scheduled: 5,
  inProgress: 0,
  unknown: 0,
  processed: 5,
  failed: 0,
  skipped: 0,
  open: 1,
  placedQuantity: 500,
  filledQuantity: 250,
  averagePrice: "2500.0000",
  nextDueAt: at(4_500),
  lastDueAt: at(60_000),
  maxLatenessMillis: 1,
  holdReason: null
}

describe("render", () => {
  it("a bar shows filled, placed and still to come, and is never longer than its width", () => {
    assert.strictEqual(bar(8, 1000, 500, 250), "██▒▒░░░░")
    assert.strictEqual(bar(8, 0, 0, 0), "░░░░░░░░")
    assert.strictEqual(bar(8, 1000, 1200, 1100), "████████")
  })

  it("a progress line fits the terminal", () => {
    for (const columns of [20, 40, 80, 200]) assert.isAtMost([...progressLine(order, at(0), columns)].length, columns)
    assert.include(progressLine(order, at(0), 120), "next in 4.5 s")
    assert.include(progressLine(order, at(5_000), 120), "next now")
  })

  it("columns line up", () => {
    assert.strictEqual(
      table(
        ["A", "N"],
        [
          ["x", "1"],
          ["long", "100"]
        ]
      ),
      "A       N\nx       1\nlong  100"
    )
  })

  it("an order is settled when nothing more will happen to it", () => {
    assert.isFalse(isSettled(order))
    assert.isTrue(isSettled({ ...order, state: "filled" }))
  })
})
