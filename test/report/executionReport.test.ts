import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime } from "effect"
import { decimalText } from "../../src/domain/text/decimals.ts"
import { executionReport } from "../../src/report/executionReport.ts"
import { quantityAt } from "../../src/report/progress.ts"
import { slicesText } from "../../src/report/words.ts"
import { casesOr, choicesOf } from "../support/generate.ts"
import {
  anOrderRecord,
  anUnsentSlice,
  aQuote,
  aRecordedOrder,
  aRecordedPlan,
  aRecordedSlice,
  at,
  decimal,
  generateRecord
} from "../support/orderRecords.ts"

const later = at(3600)
const reportOf = (changed: Parameters<typeof anOrderRecord>[0] = {}) => executionReport(anOrderRecord(changed), later)

/** The report's values for each benchmark, as text: `[price, basis points, cost]`. */
const costsOf = (changed: Parameters<typeof anOrderRecord>[0]) =>
  Object.fromEntries(
    (reportOf(changed).costs?.benchmarks ?? []).map(({ benchmark, price, basisPoints, cost }) => [
      benchmark,
      [price, basisPoints, cost].map((value) => (value === null ? null : decimalText(value)))
    ])
  )

describe("the costs of a report", () => {
  it("are positive for a BUY above the arrival price, and negative by the same amount for a SELL", () => {
    assert.deepStrictEqual(costsOf({})["ARRIVAL"], ["100", "5", "15"])
    assert.deepStrictEqual(costsOf({ order: aRecordedOrder({ side: "SELL" }) })["ARRIVAL"], ["100", "-5", "-15"])
  })

  it("weight prices by the filled quantity", () => {
    const slices = [
      aRecordedSlice(1, { averagePrice: decimal("100") }),
      aRecordedSlice(2, { quantity: 200, filledQuantity: 200, averagePrice: decimal("103") })
    ]
    const { costs } = reportOf({ slices })
    assert.strictEqual(decimalText(costs?.averagePrice ?? decimal("0")), "102")
    assert.deepStrictEqual(costsOf({ slices })["ARRIVAL"], ["100", "200", "600"])
  })

  it("omit and report fills without a known price", () => {
    const slices = [aRecordedSlice(1), aRecordedSlice(2, { averagePrice: null })]
    const report = reportOf({ slices })
    assert.strictEqual(report.costs?.quantity, 100)
    assert.deepStrictEqual(
      report.notKnown.filter((text) => text.startsWith("At what price")),
      ["At what price 100 of slice 2 were filled: left out of prices and costs"]
    )
  })

  it("use the last quote before the order as arrival price, otherwise the price at its split, if known", () => {
    const stale = [aQuote(-61, "90"), aQuote(1, "95")]
    assert.strictEqual(costsOf({ quotes: [aQuote(-5, "90"), aQuote(1, "95")] })["ARRIVAL"]?.[0], "90")
    assert.strictEqual(costsOf({ quotes: stale })["ARRIVAL"]?.[0], "100")
    const order = aRecordedOrder({ referencePrice: null })
    assert.deepStrictEqual(costsOf({ order, quotes: stale })["ARRIVAL"], [null, null, null])
  })

  it("weight TWAP by how long each price was the last, from the window's start to the last fill", () => {
    // The last fill is recorded 61 s after the start: 100 for 31 s, then 110 for 30 s.
    const quotes = [aQuote(-10, "100"), aQuote(31, "110"), aQuote(70, "500")]
    const average = BigDecimal.round(decimal((6400 / 61).toFixed(12)), { scale: 4 })
    assert.strictEqual(costsOf({ quotes })["TWAP"]?.[0], decimalText(average))
  })

  it("weight VWAP by volume, with the mean of each two adjacent prices", () => {
    const quotes = [aQuote(0, "100", 1000), aQuote(30, "102", 1300), aQuote(60, "104", 1400)]
    // (101 × 300 + 103 × 100) / 400
    assert.strictEqual(costsOf({ quotes })["VWAP"]?.[0], "101.5")
    assert.strictEqual(reportOf({ quotes }).costs?.marketVolume, 400)
  })

  it("give no TWAP or VWAP when quotes have gaps or no volumes", () => {
    const cases = [
      [[], "no quotes of that time are kept", "no quotes of that time are kept"],
      [[aQuote(5, "100", 1), aQuote(40, "100", 2)], "quotes of the beginning", "quotes of the beginning"],
      [[aQuote(-59, "100", 1), aQuote(2, "100", 2)], "more than 1m between", "more than 1m between"],
      [[aQuote(-59, "100", 1)], "more than 1m between", "more than 1m between"],
      [[aQuote(0, "100"), aQuote(50, "100")], null, "without volumes"],
      [[aQuote(0, "100", 9), aQuote(50, "100", 9)], null, "show no trade"],
      [[aQuote(0, "100", 9), aQuote(50, "100", 3)], null, "began anew"]
    ] as const
    for (const [quotes, twap, vwap] of cases) {
      const benchmarks = reportOf({ quotes: [...quotes] }).costs?.benchmarks ?? []
      for (const [name, reason] of [
        ["TWAP", twap],
        ["VWAP", vwap]
      ] as const) {
        const benchmark = benchmarks.find((each) => each.benchmark === name)
        if (reason === null) assert.isNotNull(benchmark?.price)
        else {
          assert.deepStrictEqual([benchmark?.price, benchmark?.cost, benchmark?.basisPoints], [null, null, null])
          assert.include(benchmark?.explanation, reason)
        }
      }
    }
  })

  it("are absent while nothing is filled", () => {
    assert.isNull(reportOf({ slices: [anUnsentSlice(1)] }).costs)
  })
})

describe("the progress of a report", () => {
  it("counts carried quantity with the later slices, and replaced slices in the first plan only", () => {
    const slices = [
      aRecordedSlice(1, { filledQuantity: 40, carriedQuantity: 60 }),
      anUnsentSlice(2, { stage: "SKIPPED", replacedBy: 2 }),
      aRecordedSlice(3, { quantity: 160, filledQuantity: 160 })
    ]
    const plans = [aRecordedPlan(), aRecordedPlan({ revision: 2, firstSequence: 3, cause: "CARRY", createdAt: at(5) })]
    const report = reportOf({ slices, plans })
    const last = (steps: ReadonlyArray<{ readonly quantity: number }> | null | undefined) => steps?.at(-1)?.quantity
    assert.deepStrictEqual(
      [report.progress?.firstPlanned, report.progress?.planned, report.progress?.placed, report.progress?.filled].map(
        last
      ),
      [200, 200, 200, 200]
    )
    assert.deepStrictEqual(
      report.plans.map(({ slices, quantity, replaced }) => [slices, quantity, replaced]),
      [
        [2, 200, 1],
        [1, 160, 0]
      ]
    )
  })

  it("omits a night within the plan, but not fills recorded after the close", () => {
    const [closes, opens] = [at(19_800), at(83_700)]
    const sessions = [
      { opensMillis: DateTime.toEpochMillis(at(0)), closesMillis: DateTime.toEpochMillis(closes) },
      { opensMillis: DateTime.toEpochMillis(opens), closesMillis: DateTime.toEpochMillis(at(90_000)) }
    ]
    const seen = DateTime.addDuration(closes, 2000)
    const slices = [
      aRecordedSlice(1, { scheduledAt: closes, updatedAt: seen }),
      aRecordedSlice(2, { scheduledAt: opens, placedAt: opens, updatedAt: opens })
    ]
    const { progress } = reportOf({ slices, plans: [aRecordedPlan({ sessions })] })
    assert.deepStrictEqual(progress?.closed, [{ from: seen, to: opens }])
  })
})

describe("the lateness of a report", () => {
  it("has quantiles and bands, and counts slices that were due before their plan was made", () => {
    const lateness = [2, 3, 700, 20].map((latenessMillis, index) => aRecordedSlice(index + 1, { latenessMillis }))
    const report = reportOf({ slices: lateness, plans: [aRecordedPlan({ createdAt: at(0.5) })] }).lateness
    assert.deepInclude(report, {
      count: 4,
      medianMillis: 3,
      p90Millis: 700,
      maxMillis: 700,
      early: 0,
      dueBeforePlanned: 1
    })
    assert.deepStrictEqual(
      report?.bands.filter(({ count }) => count > 0).map(({ fromMillis, count }) => [fromMillis, count]),
      [
        [2, 2],
        [20, 1],
        [500, 1]
      ]
    )
    assert.strictEqual(reportOf({ slices: [aRecordedSlice(1, { latenessMillis: -1 })] }).lateness?.early, 1)
  })
})

describe("the alarms of a report", () => {
  it("name slices in doubt, double placements, holds, lost orders and overfills", () => {
    const slices = [
      anUnsentSlice(1, { stage: "IN_PROGRESS", isInDoubt: true }),
      aRecordedSlice(2, { leftBookAt: at(90), brokerIsFinal: false }),
      aRecordedSlice(3, { filledQuantity: 101 })
    ]
    const doubles = [{ sliceId: "s3", brokerOrderIds: ["b3", "b9"], seenAt: at(80) }]
    const order = aRecordedOrder({ holdReason: "look at it", state: "held" })
    const { alarms, isOver } = reportOf({ order, slices, doubles })
    assert.isFalse(isOver)
    assert.deepStrictEqual(alarms, [
      "DOUBLE PLACEMENT: the broker has b3 and b9 for slice 3",
      "The order is on hold: look at it",
      "Nobody knows yet whether slice 1 was placed",
      'The broker\'s order list no longer shows the order of slice 2, which was still open: give its outcome with "slice placed"',
      "More than there should be is filled of slice 3"
    ])
    assert.deepStrictEqual(reportOf().alarms, [])
  })

  it("list slices as ranges", () => {
    assert.strictEqual(slicesText([4]), "slice 4")
    assert.strictEqual(slicesText([1, 2, 4, 6, 7, 8, 9]), "slices 1, 2, 4 and 6–9")
  })
})

describe("the report of a generated order", () => {
  it("has no contradictions", () => {
    for (let seed = 0; seed < casesOr(300); seed += 1) {
      const record = generateRecord(choicesOf(`report ${seed}`))
      const report = executionReport(record, later)
      const { quantities, progress, lateness, costs } = report
      const where = `seed ${seed}`
      const total = record.order.totalQuantity
      if (quantities === null || progress === null) return assert.fail(where)
      assert.strictEqual(
        Object.values(quantities).reduce((sum: number, part: number) => sum + part, 0),
        total,
        where
      )
      assert.strictEqual(progress.planned.at(-1)?.quantity ?? 0, total, where)
      for (const steps of [progress.planned, progress.placed, progress.filled, progress.firstPlanned ?? []]) {
        for (const [index, step] of steps.entries()) {
          const before = steps[index - 1]
          assert.isTrue(before === undefined || DateTime.isLessThan(before.at, step.at), where)
          assert.isAtLeast(step.quantity, before?.quantity ?? 0, where)
          assert.isTrue(DateTime.between(step.at, { minimum: progress.from, maximum: progress.to }), where)
        }
      }
      assert.strictEqual(quantityAt(progress.filled, progress.to), quantities.filled, where)
      assert.isAtMost(quantities.filled, progress.placed.at(-1)?.quantity ?? 0, where)
      const counted = lateness?.bands.reduce((sum, { count }) => sum + count, 0) ?? 0
      assert.strictEqual(counted, record.slices.filter(({ latenessMillis }) => latenessMillis !== null).length, where)
      for (const { price, cost, basisPoints } of costs?.benchmarks ?? []) {
        assert.strictEqual(price === null, cost === null && basisPoints === null, where)
        if (price === null || cost === null || costs === null) continue
        // Money is exact: the cost is the difference to the value of the same quantity at the benchmark.
        const atPrice = BigDecimal.multiply(price, BigDecimal.fromBigInt(BigInt(costs.quantity)))
        const above = BigDecimal.subtract(costs.value, atPrice)
        assert.isTrue(BigDecimal.equals(record.order.side === "SELL" ? BigDecimal.negate(above) : above, cost), where)
      }
    }
  })
})
