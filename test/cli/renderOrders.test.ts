import { assert, describe, it } from "@effect/vitest"
import { bar, isFinished, progressLine } from "../../src/cli/terminal/renderOrders.ts"
import { table } from "../../src/cli/terminal/table.ts"
import type { OrderProgress } from "../../src/stores/orders/OrderCommands.ts"
import { at, order as orderInOverview } from "./top/snapshot.ts"

const order: OrderProgress = orderInOverview("o1", { nextDueAt: at(4_500), lastDueAt: at(60_000) })

describe("render", () => {
  it("shows filled, placed and remaining quantity in a bar of at most its width", () => {
    assert.strictEqual(bar(8, 1000, 500, 250), "██▒▒░░░░")
    assert.strictEqual(bar(8, 0, 0, 0), "░░░░░░░░")
    assert.strictEqual(bar(8, 1000, 1200, 1100), "████████")
  })

  it("fits a progress line into the terminal", () => {
    for (const columns of [20, 40, 80, 200]) assert.isAtMost([...progressLine(order, at(0), columns)].length, columns)
    assert.include(progressLine(order, at(0), 120), "next in 4.5 s")
    assert.include(progressLine(order, at(5_000), 120), "next now")
  })

  it("aligns columns", () => {
    assert.strictEqual(
      table(
        ["A", "N"],
        [
          ["x", "1"],
          ["long", "100"]
        ]
      ).join("\n"),
      "A       N\nx       1\nlong  100"
    )
  })

  it("treats an order as finished when nothing more will happen to it", () => {
    assert.isFalse(isFinished(order))
    assert.isTrue(isFinished({ ...order, state: "filled" }))
  })
})
