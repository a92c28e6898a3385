import { labels, withSlicesPerOrder } from "./contenders/labels.ts"
import type { Extent } from "./extent.ts"
import { median } from "./harness/median.ts"
import { type FigureName, type Figures, shown, withSpread } from "./measuredFigures.ts"

export interface GoalVerdict {
  readonly what: string
  readonly reach: string
  readonly measured: string
  readonly isMet: boolean
}

const { us, shipped, graphile, graphileSameWork, graphileGroupedWork, boss, bossSameWork, bare } = labels

const rows = (count: number): string => count.toLocaleString("en-US")

const burnDownOf = (who: string, what = "per second"): FigureName => ["burn-down", who, what]
const ours = (slices: number, what = "per second"): FigureName => burnDownOf(withSlicesPerOrder(slices), what)

/** Compares figures with limits; each verdict is over the median of the repeats. */
const verdictsOn = (figures: Figures) => {
  const atMost = (what: string, name: FigureName, limit: number, unit: string): GoalVerdict => ({
    what,
    reach: `≤ ${shown(limit)} ${unit}`,
    measured: `${withSpread(figures.valuesOf(name))} ${unit}`,
    isMet: figures.of(...name) <= limit
  })
  const atLeast = (what: string, values: ReadonlyArray<number>, min: number, of: string): GoalVerdict => ({
    what,
    reach: `≥ ${min} × ${of}`,
    measured: `${withSpread(values)} ×`,
    isMet: median(values) >= min
  })
  const ratio = (what: string, name: FigureName, base: FigureName, min: number, of: string): GoalVerdict =>
    atLeast(what, figures.ratios(name, base), min, of)
  return { atMost, atLeast, ratio }
}

/** Slices a second beside other queues, each ratio within one repeat. */
const beside = (figures: Figures): ReadonlyArray<GoalVerdict> => {
  const { ratio } = verdictsOn(figures)
  const what = (slices: number) => `burn-down, ${slices === 1 ? "one slice" : `${slices} slices`} an order, slices/s`
  return [
    ...[1, 10, 100].map((slices) =>
      ratio(what(slices), ours(slices), burnDownOf(graphile), slices === 1 ? 1 : 1.3, graphile)
    ),
    ...[graphileSameWork, graphileGroupedWork, bossSameWork].map((peer) =>
      ratio(what(100), ours(100), burnDownOf(peer), 3, peer)
    ),
    ratio(what(100), ours(100), burnDownOf(boss), 1.5, boss),
    ...[10, 100].map((slices) => ratio(what(slices), ours(slices), burnDownOf(bare), 0.6, bare))
  ]
}

/** What a slice costs. */
const costs = (figures: Figures, extent: Extent): ReadonlyArray<GoalVerdict> => {
  const { atMost } = verdictsOn(figures)
  const backends = "database's CPU for each slice, claim to acknowledgement"
  return [
    atMost("process's CPU for each slice, claim to acknowledgement", ours(100, "process µs"), 10, "µs"),
    atMost(`${backends}, ${rows(extent.smallBurnDownSize)} slices`, ["small burn-down", us, "database µs"], 20, "µs"),
    atMost(`${backends}, ${rows(extent.burnDownSize)} slices`, ours(100, "database µs"), 20, "µs"),
    atMost(`${backends}, ${rows(extent.largeBurnDownSize)} slices`, ["large burn-down", us, "database µs"], 22, "µs"),
    atMost("write-ahead log for each slice, claim to acknowledgement", ours(100, "WAL bytes"), 650, "bytes"),
    atMost("database's CPU for the broker's last word on a slice", ["last word", us, "database µs"], 10, "µs"),
    atMost("write-ahead log for the broker's last word on a slice", ["last word", us, "WAL bytes"], 400, "bytes")
  ]
}

const punctuality = (figures: Figures, extent: Extent): ReadonlyArray<GoalVerdict> => {
  const { atMost, atLeast } = verdictsOn(figures)
  const ratios = [graphile, boss].map((peer) =>
    figures.ratios(["lateness", peer, "p99 ms"], ["lateness", us, "p99 ms"])
  )
  const [toBest = []] = ratios.toSorted((a, b) => median(a) - median(b))
  return [
    atMost("lateness at 200 slices/s, p50", ["lateness", us, "p50 ms"], 0.2, "ms"),
    atMost("lateness at 200 slices/s, p99", ["lateness", us, "p99 ms"], 2, "ms"),
    atLeast("lateness at 200 slices/s, p99", toBest, 20, "better than the best peer"),
    atMost(
      `${rows(extent.instantSize)} slices due at one instant after ${extent.quietSeconds} quiet seconds, p99`,
      ["first burst", us, "p99 ms"],
      8,
      "ms"
    )
  ]
}

/** What must not cost more under strain, or with more in the tables. */
const steadiness = (figures: Figures, extent: Extent): ReadonlyArray<GoalVerdict> => {
  const { ratio } = verdictsOn(figures)
  const grown = figures.ratios(
    ["growth", `${us}, grown, transaction held`, "database µs"],
    ["growth", `${us}, empty`, "database µs"]
  )
  const small = Math.min(extent.growthSize, extent.growthRows)
  return [
    {
      what: `database's CPU for each of ${rows(small)} slices beside ${rows(extent.growthRows)} future and ${rows(extent.growthRows)} finished ones, a transaction held open`,
      reach: "≤ 1.1 × without them",
      measured: `${withSpread(grown)} ×`,
      isMet: median(grown) <= 1.1
    },
    ratio("a transaction held open, slices/s", ["held transaction", us, "per second"], ours(100), 0.8, "without it"),
    ratio("four daemons, slices/s", ["4 daemons", us, "per second"], ours(100), 0.8, "one daemon"),
    ratio(
      "splitting, orders of 10 slices",
      ["split", us, "orders per second"],
      ["split", labels.bareInsert, "orders per second"],
      0.9,
      labels.bareInsert
    )
  ]
}

const resting = (figures: Figures, extent: Extent): ReadonlyArray<GoalVerdict> => {
  const { atMost } = verdictsOn(figures)
  return [
    atMost("idle, queries", ["idle", shipped, "queries per second"], 0.5, "a second"),
    atMost("idle, share of one core", ["idle", shipped, "CPU percent"], 2, "%"),
    atMost(
      `memory, ${rows(extent.waitingSlices)} waiting and 10,000 due a minute`,
      ["memory", shipped, "MB"],
      150,
      "MB"
    ),
    atMost("start on an existing database", ["start", shipped, "ms"], 500, "ms")
  ]
}

/** Compares the figures with the goals. Most are for this service with the tuning of contenders/pulse.ts. */
export const goalVerdicts = (figures: Figures, extent: Extent): ReadonlyArray<GoalVerdict> => [
  ...beside(figures),
  ...costs(figures, extent),
  ...punctuality(figures, extent),
  ...steadiness(figures, extent),
  ...resting(figures, extent)
]
