import { assert, describe, it } from "@effect/vitest"
import { auditText } from "../../src/cli/report/renderAudit.ts"
import { reportText } from "../../src/cli/report/renderReport.ts"
import { reportPage } from "../../src/cli/report/reportPage.ts"
import type { OrderRecord } from "../../src/domain/lifecycle/OrderRecord.ts"
import { auditTrail } from "../../src/report/auditTrail.ts"
import { executionReport } from "../../src/report/executionReport.ts"
import { casesOr, choicesOf } from "../support/generate.ts"
import {
  anOrderRecord,
  anUnsentSlice,
  aPlacement,
  aQuote,
  aRecordedOrder,
  aRecordedPlan,
  aRecordedSlice,
  at,
  generateRecord
} from "../support/orderRecords.ts"

const later = at(3600)
const textOf = (record: OrderRecord) => reportText(executionReport(record, later)).join("\n")
const pageOf = (record: OrderRecord) => reportPage(executionReport(record, later))

const nasty = `<script>boom("1")</script>&'\u001b[31m\u202e`

/** An order in which every text from the database is hostile. */
const hostile = (): OrderRecord => {
  const slice = aRecordedSlice(1, {
    brokerOrderId: nasty,
    brokerStatus: nasty,
    brokerStatusText: nasty,
    stageReason: nasty
  })
  return anOrderRecord({
    order: aRecordedOrder({
      orderId: nasty,
      key: nasty,
      source: nasty,
      instrument: nasty,
      side: nasty,
      strategy: nasty,
      orderType: nasty,
      productType: nasty,
      validity: nasty,
      state: nasty,
      statusReason: nasty,
      holdReason: nasty
    }),
    plans: [aRecordedPlan(), aRecordedPlan({ revision: 2, firstSequence: 2, cause: "AMENDMENT", note: nasty })],
    slices: [slice],
    calls: [aPlacement(slice, { outcome: nasty, broker: nasty, code: nasty, message: nasty })],
    doubles: [{ sliceId: nasty, brokerOrderIds: [nasty], seenAt: at(1) }]
  })
}

describe("the report as text", () => {
  it("shows planned, placed and filled quantities, costs, lateness and unknown values", () => {
    const text = textOf(anOrderRecord())
    for (const part of [
      "Order o1: BUY 300 NSE:RELIANCE, filled",
      "TWAP, 3 slices over 1 minute, MARKET, CNC, DAY",
      "300 filled (100.0 %) at 100.05 on average",
      "█ filled  ▒ placed  ░ planned",
      "arrival    100.00         +5.00  +15.00",
      "TWAP            –             –       –",
      "  not known: no quotes of that time are kept",
      "Lateness of 3 placements: median 2.0 ms",
      "2 ms to 5 ms  3 ████",
      "3  04:31:00.000       100  PROCESSED  2.0 ms     100  100.05  +5.00  b3",
      "04:31:00.002  place  3    1  ok      48.0 ms  b3",
      "- Brokerage, taxes and charges"
    ]) {
      assert.include(text, part)
    }
    assert.notInclude(text, "not over")
  })

  it("shows times in India when the order keeps trading hours", () => {
    const sessions = [{ opensMillis: 0, closesMillis: 2_000_000_000_000 }]
    const text = textOf(anOrderRecord({ plans: [aRecordedPlan({ sessions })] }))
    assert.include(text, "DUE (IST)")
    assert.include(text, "10:01:00.000")
  })

  it("says that an order is not finished, not split yet, or could not be split", () => {
    const unsplit = { slices: [], plans: [], calls: [] }
    const cases = [
      [{ order: aRecordedOrder({ state: "working" }) }, "This order is not over."],
      [
        { ...unsplit, order: aRecordedOrder({ orderQueueStatus: "PENDING", state: "pending" }) },
        "This order is not split yet. There is nothing to report."
      ],
      [
        { ...unsplit, order: aRecordedOrder({ orderQueueStatus: "FAILED", state: "failed", statusReason: "bad lot" }) },
        "This order could not be split: bad lot. Nothing of it was placed."
      ],
      [
        {
          ...unsplit,
          order: aRecordedOrder({ orderQueueStatus: "SKIPPED", state: "cancelled", statusReason: "cancelled" })
        },
        "This order was not split: cancelled. Nothing of it was placed."
      ]
    ] as const
    for (const [changed, said] of cases) {
      assert.include(textOf(anOrderRecord(changed)), said)
      assert.include(pageOf(anOrderRecord(changed)), said)
    }
  })

  it("shows only planned quantity in the future", () => {
    const slices = [aRecordedSlice(1), anUnsentSlice(2), anUnsentSlice(3)]
    const running = anOrderRecord({ order: aRecordedOrder({ state: "working" }), slices })
    const chart = reportText(executionReport(running, at(20)))
    const bottom = chart.find((line) => /^ +│[█▒]/.test(line)) ?? ""
    assert.match(bottom, /█░+$/)
    // The chart of a finished order ends in the past.
    assert.notInclude(textOf(anOrderRecord()).split("Costs")[0], "░░")
  })

  it("fits a hundred columns, without characters that move a terminal's cursor", () => {
    for (let seed = 0; seed < casesOr(100); seed += 1) {
      const lines = textOf(generateRecord(choicesOf(`text ${seed}`))).split("\n")
      for (const line of lines) assert.isAtMost([...line].length, 100, line)
    }
    for (const text of [textOf(hostile()), auditText(auditTrail(hostile(), later)).join("\n")]) {
      assert.notMatch(text, /[^\P{Cc}\n]|\p{Cf}/u)
      assert.include(text, "boom")
    }
  })
})

describe("the report as a page", () => {
  it("escapes all text from the database", () => {
    const page = pageOf(hostile())
    assert.notMatch(page, /<script/i)
    assert.notMatch(page, /[^\P{Cc}\n]|\p{Cf}/u)
    assert.include(page, "&lt;script&gt;boom(&quot;1&quot;)&lt;/script&gt;&amp;&#39;")
    const unescaped = page.replaceAll("&lt;script&gt;boom(&quot;1&quot;)&lt;/script&gt;&amp;&#39;", "")
    assert.notInclude(unescaped, "boom")
  })

  it("is one file that loads nothing and runs nothing, for every order", () => {
    for (let seed = 0; seed < casesOr(6); seed += 1) {
      const page = pageOf(generateRecord(choicesOf(`page ${seed}`)))
      assert.match(page, /^<!doctype html>/)
      assert.include(page, `default-src 'none'; style-src 'unsafe-inline'`)
      assert.include(page, 'name="viewport"')
      assert.include(page, "prefers-color-scheme:dark")
      assert.notMatch(page, /<(script|link|img|iframe|object|embed|form|a)[\s>]/i)
      assert.notMatch(page, /\son\w+=|url\((?!#)|@import|javascript:/i)
      assert.deepStrictEqual(
        [...page.matchAll(/https?:\/\/[^"\s]+/g)]
          .map(([address]) => address)
          .filter((address) => !/www\.w3\.org/.test(address)),
        []
      )
      assert.deepStrictEqual(unbalanced(page), [])
    }
  })

  it("draws each chart for a phone and for a desktop, in the page's colours, with unique ids", () => {
    const page = pageOf(
      anOrderRecord({ quotes: Array.from({ length: 9 }, (_, n) => aQuote(n * 10, `10${n}`, n * 100)) })
    )
    assert.strictEqual(page.match(/<svg/g)?.length, 6)
    assert.strictEqual(page.match(/class="phone"/g)?.length, 3)
    const colours = [...page.matchAll(/(?:fill|stroke)="([^"]*)"/g)].map(([, colour]) => colour ?? "")
    const fixed = colours.filter((colour) => !/^(none|var\(--[a-z]+\))$/.test(colour))
    assert.deepStrictEqual([...new Set(fixed)], ["#000"], "only clip paths, which are not seen")
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const [, id] of page.matchAll(/url\(#([^)]+)\)/g)) assert.include(ids, id)
  })

  it("shows the totals, every slice and every call", () => {
    const refused = anUnsentSlice(3, {
      stage: "FAILED",
      stageReason: "RMS: no margin",
      placedAt: at(60),
      latenessMillis: 1
    })
    const slices = [aRecordedSlice(1), aRecordedSlice(2, { filledQuantity: 60, brokerStatus: "CANCELLED" }), refused]
    const calls = [
      ...slices.slice(0, 2).map((slice) => aPlacement(slice)),
      aPlacement(refused, { outcome: "refused", code: "RMS", message: "no margin" })
    ]
    const page = pageOf(anOrderRecord({ order: aRecordedOrder({ state: "partial" }), slices, calls }))
    for (const part of ["of 300 (53.3 %)", "+5.00 bps", "+8.00", "RMS: no margin", "Broker calls (3)", "not known"]) {
      assert.include(page, part)
    }
    assert.strictEqual(page.match(/<time /g)?.length, 3 + 3 + 3)
  })
})

/** Tags that are not closed, or closed without an opening tag. */
const unbalanced = (page: string): ReadonlyArray<string> => {
  const open: Array<string> = []
  const wrong: Array<string> = []
  for (const [, slash, name = "", rest = ""] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/gi)) {
    if (["meta", "br"].includes(name) || rest.endsWith("/")) continue
    if (slash === "") open.push(name)
    else if (open.pop() !== name) wrong.push(name)
  }
  return [...open, ...wrong]
}
