import { labels } from "./labels.ts"
import type { Extent } from "./measure.ts"
import { type Figures, shown } from "./measuredFigures.ts"

export interface GoalVerdict {
  readonly what: string
  readonly reach: string
  readonly measured: string
  readonly isMet: boolean
}

const atMost = (what: string, value: number, limit: number, unit: string): GoalVerdict => ({
  what,
  reach: `≤ ${shown(limit)} ${unit}`,
  measured: `${shown(value)} ${unit}`,
  isMet: value <= limit
})

const ratio = (what: string, value: number, base: number, min: number, of: string): GoalVerdict => ({
  what,
  reach: `≥ ${min} × ${of}`,
  measured: `${shown(value / base)} ×`,
  isMet: value / base >= min
})

const rows = (count: number): string => count.toLocaleString("en-US")

/** Compares the figures with the goals. Most are for this service with the tuning of contenders/pulse.ts. */
export const goalVerdicts = (figures: Figures, extent: Extent): ReadonlyArray<GoalVerdict> => {
  const { us, shipped, graphile, boss, bare } = labels
  const peersP99 = Math.min(figures.of("lateness", graphile, "p99 ms"), figures.of("lateness", boss, "p99 ms"))
  const perSecond = (who: string) => figures.of("burn-down", who, "per second")
  const alone = perSecond(us)
  return [
    atMost("lateness at 200 slices/s, p50", figures.of("lateness", us, "p50 ms"), 1, "ms"),
    atMost("lateness at 200 slices/s, p99", figures.of("lateness", us, "p99 ms"), 5, "ms"),
    ratio(
      "lateness at 200 slices/s, p99",
      peersP99,
      figures.of("lateness", us, "p99 ms"),
      20,
      "better than the best peer"
    ),
    atMost(
      `${rows(extent.instantSize)} slices due at one instant, p99`,
      figures.of("one instant", us, "p99 ms"),
      10,
      "ms"
    ),
    ratio("burn-down, slices/s", alone, perSecond(graphile), 1, graphile),
    ratio("burn-down, slices/s", alone, perSecond(boss), 1.5, boss),
    ratio("burn-down, slices/s", alone, perSecond(bare), 0.6, bare),
    {
      what: "splitting, orders of 10 slices",
      reach: "≥ 2,000 orders/s",
      measured: `${shown(figures.of("split", us, "orders per second"))} orders/s`,
      isMet: figures.of("split", us, "orders per second") >= 2000
    },
    ratio(
      "splitting, orders of 10 slices",
      figures.of("split", us, "orders per second"),
      figures.of("split", labels.bareInsert, "orders per second"),
      0.5,
      labels.bareInsert
    ),
    atMost(
      `claim beside ${rows(extent.growthRows)} future and ${rows(extent.growthRows)} finished slices`,
      figures.of("growth", shipped, "grown ms") / figures.of("growth", shipped, "empty ms"),
      1.2,
      "× its time on an empty table"
    ),
    ratio(
      "a transaction held open, slices/s",
      figures.of("held transaction", us, "per second"),
      alone,
      0.8,
      "without it"
    ),
    atMost("idle, queries", figures.of("idle", shipped, "queries per second"), 2, "a second"),
    atMost("idle, share of one core", figures.of("idle", shipped, "CPU percent"), 2, "%"),
    atMost(
      `memory, ${rows(extent.waitingSlices)} waiting and 10,000 due a minute`,
      figures.of("memory", shipped, "MB"),
      150,
      "MB"
    ),
    atMost("start on an existing database", figures.of("start", shipped, "ms"), 500, "ms"),
    atMost("write-ahead log for each slice, due to done", figures.of("burn-down", us, "WAL bytes"), 800, "bytes"),
    ratio("two daemons, slices/s", figures.of("2 daemons", us, "per second"), alone, 1, "one daemon"),
    ratio("four daemons, slices/s", figures.of("4 daemons", us, "per second"), alone, 1, "one daemon")
  ]
}
