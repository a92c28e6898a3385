import { assert, describe, it } from "@effect/vitest"
import { labels, withSlicesPerOrder } from "../../bench/contenders/labels.ts"
import { wholeExtent } from "../../bench/extent.ts"
import { goalVerdicts } from "../../bench/goals.ts"
import { Figures, shown, withSpread } from "../../bench/measuredFigures.ts"
import { figureTable, goalTable, repeatsText, withParts } from "../../bench/tables.ts"

const { us, graphile, bare } = labels

/** Burn-downs of several repeats, slices a second. */
const burnDowns = (ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): Figures => {
  const figures = new Figures()
  for (const value of ours) figures.add("burn-down", withSlicesPerOrder(100), { "per second": value })
  for (const value of theirs) figures.add("burn-down", graphile, { "per second": value })
  return figures
}

const verdict = (figures: Figures, what: string, of = "") => {
  const found = goalVerdicts(figures, wholeExtent).filter((each) => each.what === what && each.reach.includes(of))
  assert.strictEqual(found.length, 1)
  return found[0]
}

describe("the goals of the bench", () => {
  it("compare within each repeat, so that a slow machine is no failure", () => {
    // The machine is ten times slower in the second repeat, and the medians alone would say 0.98.
    const figures = burnDowns([60_000, 6000, 39_000], [40_000, 4000, 30_000])
    const { isMet, measured } = verdict(figures, "burn-down, 100 slices an order, slices/s", `${graphile}`) ?? {}
    assert.strictEqual(measured, "1.50 (1.30 to 1.50) ×")
    assert.isTrue(isMet)
  })

  it("are missed by a median below them, whatever the best repeat", () => {
    const figures = burnDowns([60_000, 50_000, 50_000], [40_000, 40_000, 40_000])
    assert.isFalse(verdict(figures, "burn-down, 100 slices an order, slices/s", graphile)?.isMet)
  })

  it("ask for less where each order has one slice", () => {
    const figures = new Figures()
    figures.add("burn-down", withSlicesPerOrder(1), { "per second": 41_000 })
    figures.add("burn-down", graphile, { "per second": 40_000 })
    assert.isTrue(verdict(figures, "burn-down, one slice an order, slices/s")?.isMet)
  })

  it("are not met by what was not measured", () => {
    const verdicts = goalVerdicts(new Figures(), wholeExtent)
    assert.isAbove(verdicts.length, 20)
    assert.deepStrictEqual(
      verdicts.filter(({ isMet }) => isMet),
      []
    )
    assert.isTrue(verdicts.every(({ measured }) => measured.startsWith("not measured")))
  })

  it("take the better peer", () => {
    const figures = new Figures()
    figures.add("lateness", us, { "p99 ms": 2 })
    figures.add("lateness", graphile, { "p99 ms": 100 })
    figures.add("lateness", labels.boss, { "p99 ms": 30 })
    const { measured } = verdict(figures, "lateness at 200 slices/s, p99", "best peer") ?? {}
    assert.strictEqual(measured, "15.0 ×")
  })

  it("compare grown tables under a held transaction with empty ones, by the database's CPU", () => {
    const figures = new Figures()
    figures.add("growth", `${us}, empty`, { "database µs": 20 })
    figures.add("growth", `${us}, grown, transaction held`, { "database µs": 21.8 })
    const grown = goalVerdicts(figures, wholeExtent).find(({ what }) => what.includes("10,000,000 finished"))
    assert.deepStrictEqual([grown?.measured, grown?.isMet], ["1.09 ×", true])
  })
})

describe("the figures of the bench", () => {
  it("compares medians where one was measured more often", () => {
    const figures = burnDowns([30_000, 60_000, 40_000], [20_000])
    assert.deepStrictEqual(
      figures.ratios(["burn-down", withSlicesPerOrder(100), "per second"], ["burn-down", graphile, "per second"]),
      [2]
    )
  })

  it("shows three digits, and the range of several values", () => {
    assert.deepStrictEqual([0.123, 12.34, 1234.5, Number.NaN].map(shown), ["0.12", "12.3", "1,235", "not measured"])
    assert.strictEqual(withSpread([3, 1, 2]), "2.00 (1.00 to 3.00)")
    assert.strictEqual(withSpread([]), "not measured")
  })
})

describe("the sentence about repeats", () => {
  it("says what was run", () => {
    const text = (repeats: number, largeRepeats: number) => repeatsText({ repeats, largeRepeats })
    assert.strictEqual(text(5, 3), "What a goal compares is measured 5 times, what is large 3 times.")
    assert.strictEqual(text(2, 3), "What a goal compares is measured 2 times, what is large 2 times.")
    assert.strictEqual(text(1, 3), "What a goal compares is measured once, what is large once.")
  })
})

describe("the report of the bench", () => {
  it("has a row for each figure and each goal", () => {
    const figures = new Figures()
    figures.add("burn-down", bare, { "per second": 50_000, "WAL bytes": 500 })
    assert.deepStrictEqual(figureTable(figures).split("\n").slice(2), [
      "| burn-down | bare SQL | per second | 50,000 |",
      "| burn-down | bare SQL | WAL bytes | 500 |"
    ])
    const missed = goalTable([{ what: "idle", reach: "≤ 1", measured: "2", isMet: false }])
    assert.strictEqual(missed.split("\n").at(-1), "| idle | ≤ 1 | 2 | **no** |")
  })

  it("replaces the parts of the page, and refuses a page without them", () => {
    const page = "Before\n<!-- goals -->old<!-- end -->\nAfter\n<!-- figures --><!-- end -->"
    assert.strictEqual(
      withParts(page, { goals: "$1 new" }),
      "Before\n<!-- goals -->\n\n$1 new\n\n<!-- end -->\nAfter\n<!-- figures --><!-- end -->"
    )
    assert.throws(() => withParts(page, { where: "here" }), /no part <!-- where -->/)
  })
})
