import { assert, describe, it } from "@effect/vitest"
import { CommandFailed } from "../../src/cli/shared/environment.ts"
import { orderDetails, orderTable, progressLine } from "../../src/cli/terminal/renderOrders.ts"
import { plain, span } from "../../src/cli/terminal/styledLine.ts"
import { fitColumns, rowLine, table } from "../../src/cli/terminal/table.ts"
import { cut, fit, pad, shown, widthOf, wrap } from "../../src/cli/terminal/text.ts"
import { safe, safeJson } from "../../src/domain/text/safe.ts"
import type { SliceView } from "../../src/stores/orders/OrderCommands.ts"
import { at, order } from "./top/snapshot.ts"

/** A hostile text: colours, a C1 escape, bidi marks, line breaks, a lone surrogate and wide characters. */
const nasty = "a\u001b[31m\u202eb\u009b2J\u200f\u2066c\nFAKE\r\u2028d\u0007\ud800株式"

const aSlice = (changed: Partial<SliceView>): SliceView => ({
  id: "s1",
  tag: "t1",
  brokerStatusText: null,
  sequenceNumber: 1,
  quantity: 10,
  scheduledAt: at(0),
  stage: "FAILED",
  isUnknown: false,
  attempts: 1,
  stageReason: null,
  reasonCode: null,
  brokerOrderId: null,
  brokerStatus: null,
  filledQuantity: 0,
  averagePrice: null,
  latenessMillis: null,
  carriedQuantity: 0,
  replacedBy: null,
  ...changed
})

describe("safe text", () => {
  it("is one line without escapes or marks; plain text stays the same", () => {
    assert.strictEqual(safe(nasty), "a?[31m?b?2J??c?FAKE??d??株式")
    assert.strictEqual(safe("BUY  NSE:M&M  – ₹ 1,5 — é"), "BUY  NSE:M&M  – ₹ 1,5 — é")
    assert.strictEqual(shown([nasty, "x"]).split("\n").length, 2)
    assert.strictEqual(new CommandFailed({ message: `It is ${nasty}` }).message, `It is ${safe(nasty)}`)
    assert.strictEqual(new CommandFailed({ message: ["one", "two\u001b"] }).message, "one\ntwo?")
  })

  it("has the same value as JSON, without characters that a terminal interprets", () => {
    const value = { [nasty]: `${nasty}\u{e0001}`, plain: "株式 é" }
    const json = safeJson(JSON.stringify(value))
    assert.notMatch(json, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    assert.deepStrictEqual(JSON.parse(json), value)
    assert.include(json, "株式 é")
  })
})

describe("the width of a text", () => {
  it("is measured in cells", () => {
    const widths: ReadonlyArray<readonly [string, number]> = [
      ["NSE:INFY", 8],
      ["株式", 4],
      ["ｱ", 1],
      ["e\u0301", 1],
      ["한글", 4],
      ["👍🏽", 2],
      ["🇮🇳", 2],
      ["–…█░", 4]
    ]
    for (const [text, width] of widths) assert.strictEqual(widthOf(text), width, text)
  })

  it("limits cut, padded and wrapped text without splitting a character", () => {
    assert.strictEqual(cut("株式会社", 5), "株式…")
    assert.strictEqual(cut("株式会社", 5, ""), "株式")
    assert.strictEqual(cut("e\u0301tat", 1, ""), "e\u0301")
    assert.strictEqual(cut("abc", 0), "")
    assert.strictEqual(pad("株", 4, "right"), "  株")
    for (const text of ["株式会社", "a👍🏽b", "क्यों नहीं"]) {
      for (let cells = 1; cells < 12; cells += 1) assert.strictEqual(widthOf(fit(text, cells)), cells, text)
    }
    assert.deepStrictEqual(wrap("株式会社 is  a company", 6), ["株式会", "社 is", "a", "compan", "y"])
    assert.deepStrictEqual(wrap("株", 1), ["株"])
  })
})

describe("a table", () => {
  it("has one line for each row and aligned columns for any content", () => {
    const lines = table(
      ["NAME", "N", "NOTE"],
      [
        ["株式会社", "1", "x"],
        ["plain", "100", nasty],
        [nasty, "7", ""]
      ]
    )
    assert.lengthOf(lines, 4)
    assert.notMatch(lines.join(""), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    const starts = lines
      .slice(0, 3)
      .map((line, row) => widthOf(line.slice(0, line.indexOf(["NOTE", "x", "a?"][row] ?? ""))))
    assert.deepStrictEqual(new Set(starts).size, 1)
  })

  it("omits the columns of the highest rank when there is no room for all", () => {
    const columns = [
      { title: "A", rank: 1 },
      { title: "B", rank: 3 },
      { title: "C", rank: 2, isElastic: true }
    ] as const
    const row = ["aaaa", "bbbb", "c".repeat(30)].map((text) => span(text))
    const shownIn = (cells: number) => plain(rowLine(fitColumns(columns, [row], cells), row))
    assert.strictEqual(shownIn(30), "aaaa  bbbb  ccccccccccccccccc…")
    assert.strictEqual(shownIn(20), "aaaa  ccccccccccccc…")
    assert.strictEqual(shownIn(10), "aaaa")
  })
})

describe("orders with hostile text", () => {
  const hostile = order(nasty, {
    instrument: nasty,
    side: nasty,
    statusReason: nasty,
    holdReason: nasty,
    holdReasonCode: null,
    reasonCode: null,
    nextDueAt: null
  })

  it("take the expected number of lines in list, show and watch", () => {
    assert.lengthOf(orderTable([hostile, order("o2")]), 3)
    const slices = [aSlice({ stageReason: nasty, brokerOrderId: nasty, brokerStatus: nasty }), aSlice({})]
    const details = orderDetails(hostile, slices)
    assert.lengthOf(details, 6)
    assert.notMatch(shown(details), /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u)
    for (const columns of [20, 60, 100, 200]) {
      const line = progressLine(hostile, at(0), columns)
      assert.notMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      assert.isAtMost(widthOf(line), columns)
    }
  })
})
