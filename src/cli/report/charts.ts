import type { EChartsCoreOption } from "echarts/core"
import { BigDecimal, DateTime, Duration } from "effect"
import { quoteAge } from "../../domain/lifecycle/OrderRecord.ts"
import { tradingMillisBetween } from "../../domain/market/TradingTime.ts"
import { arrivalOf } from "../../report/costs.ts"
import type { ExecutionReport } from "../../report/executionReport.ts"
import type { Lateness } from "../../report/lateness.ts"
import { openTime, placedOrFoundAt, type Progress, type Steps } from "../../report/progress.ts"
import { bandText, countText } from "./figures.ts"
import type { Html } from "./html.ts"
import { type ChartSize, svgChart } from "./svgChart.ts"

/** The chart library knows UTC and the machine's zone only, so times in India are shifted and drawn as UTC. */
const indianOffsetMillis = 19_800_000

type Millis = (at: DateTime.Utc) => number

const millisIn = ({ keepsHours }: ExecutionReport): Millis => {
  const offset = keepsHours ? indianOffsetMillis : 0
  return (at) => DateTime.toEpochMillis(at) + offset
}

/** Quantity filled, placed and planned over time. */
export const progressSvg = (report: ExecutionReport, progress: Progress): Html => {
  const millis = millisIn(report)
  const until = millis(progress.until)
  const end = millis(progress.to)
  const line = (steps: Steps, to: number, style: object, more: object = {}) => ({
    type: "line",
    step: "end",
    symbol: "none",
    silent: true,
    data: [
      [millis(progress.from), 0],
      ...steps.map(({ at, quantity }) => [millis(at), quantity]),
      [Math.max(to, ...steps.slice(-1).map(({ at }) => millis(at))), steps.at(-1)?.quantity ?? 0]
    ],
    lineStyle: style,
    ...more
  })
  return svgChart("What was planned, placed and filled over time", { phone: 240, desk: 320 }, (size) => ({
    grid: gridOf(size),
    xAxis: timeAxis(progress, millis, size),
    yAxis: valueAxis((value) => countText(value), { minInterval: 1 }),
    series: [
      ...(progress.firstPlanned === null
        ? []
        : [line(progress.firstPlanned, end, { color: "var(--planned)", width: 1, type: "dotted" })]),
      line(progress.planned, end, { color: "var(--planned)", width: 1.5, type: "dashed" }),
      line(progress.placed, until, { color: "var(--placed)", width: 2 }),
      line(
        progress.filled,
        until,
        { color: "var(--filled)", width: 2 },
        { areaStyle: { color: "var(--filled)", opacity: 0.15 } }
      )
    ]
  }))
}

/**
 * The price of each slice's fill, beside the average, the arrival price and the market; null when no price is known.
 */
export const priceSvg = (report: ExecutionReport, progress: Progress): Html | null => {
  const { costs } = report
  const millis = millisIn(report)
  if (costs === null) return null
  const arrival = arrivalOf(costs)
  const level = (price: BigDecimal.BigDecimal) =>
    [progress.from, progress.to].map((at) => [millis(at), toNumber(price)])
  const line = (data: ReadonlyArray<unknown>, style: object) => ({
    type: "line",
    symbol: "none",
    silent: true,
    data,
    lineStyle: style
  })
  return svgChart("At what price each slice was filled", { phone: 220, desk: 260 }, (size) => ({
    grid: gridOf(size),
    xAxis: timeAxis(progress, millis, size),
    yAxis: valueAxis((value) => value.toLocaleString("en-US", { minimumFractionDigits: 2 }), {
      scale: true,
      splitNumber: 4
    }),
    series: [
      ...(arrival === null ? [] : [line(level(arrival), { color: "var(--planned)", width: 1.5, type: "dashed" })]),
      line(level(costs.averagePrice), { color: "var(--filled)", width: 1.5 }),
      line(quotePoints(report, millis), { color: "var(--muted)", width: 1 }),
      {
        type: "scatter",
        silent: true,
        data: fillPoints(report, millis),
        itemStyle: { color: "var(--dot)", opacity: 0.85, borderColor: "var(--card)", borderWidth: 1 }
      }
    ]
  }))
}

/** One dot for each slice's fill; its size grows with the quantity. */
const fillPoints = ({ slices }: ExecutionReport, millis: Millis) => {
  const maxFill = Math.max(...slices.map(({ filledQuantity }) => filledQuantity))
  return slices.flatMap((slice) =>
    slice.averagePrice === null || slice.filledQuantity === 0
      ? []
      : [
          {
            value: [millis(placedOrFoundAt(slice)), toNumber(slice.averagePrice)],
            symbolSize: 6 + 8 * Math.sqrt(slice.filledQuantity / maxFill)
          }
        ]
  )
}

/** The market's prices. The line is broken where quotes are missing. */
const quotePoints = ({ quotes }: ExecutionReport, millis: Millis) =>
  quotes.flatMap(({ at, lastPrice }, index) => {
    const before = quotes[index - 1]?.at ?? at
    const isApart = millis(at) - millis(before) > Duration.toMillis(quoteAge)
    return [...(isApart ? [[millis(before), null]] : []), [millis(at), toNumber(lastPrice)]]
  })

/** The number of slices in each band of lateness. */
export const latenessSvg = ({ bands }: Lateness): Html => {
  const height = 36 + bands.length * 26
  return svgChart("How many slices were how late", { phone: height, desk: height }, () => ({
    grid: { left: 118, right: 44, top: 4, bottom: 4 },
    xAxis: { type: "value", show: false },
    yAxis: {
      type: "category",
      inverse: true,
      data: bands.map(bandText),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: "var(--muted)", fontSize: 12 }
    },
    series: [
      {
        type: "bar",
        silent: true,
        barWidth: 14,
        data: bands.map(({ count }) => count),
        itemStyle: { color: "var(--dot)", borderRadius: [0, 3, 3, 0] },
        label: {
          show: true,
          position: "right",
          color: "var(--ink)",
          fontSize: 12,
          formatter: ({ value }: { readonly value: number }) => (value === 0 ? "" : countText(value))
        }
      }
    ]
  }))
}

const roomForLabels = { outerBoundsMode: "same", outerBoundsContain: "axisLabel" }

const gridOf = ({ width }: ChartSize) => ({
  left: 4,
  right: width < 500 ? 14 : 24,
  top: 12,
  bottom: 4,
  ...roomForLabels
})

const timeAxis = (progress: Progress, millis: Millis, { width }: ChartSize): EChartsCoreOption => {
  const [min, max] = [millis(progress.from), millis(progress.to)]
  const openMillis = tradingMillisBetween(
    openTime(progress),
    DateTime.toEpochMillis(progress.from),
    DateTime.toEpochMillis(progress.to)
  )
  const shown = openMillis < 600_000 ? [11, 19] : [11, 16]
  return {
    type: "time",
    min,
    // Slightly more than the whole time, so that the last step is visible; one second when all is at one moment.
    max: Math.max(max + openMillis * 0.02, min + 1000),
    splitNumber: width < 500 ? 3 : 8,
    breaks: progress.closed.map((closed) => ({ start: millis(closed.from), end: millis(closed.to), gap: "2%" })),
    breakArea: { itemStyle: { color: "var(--card)", borderColor: "var(--planned)" } },
    axisLine: { lineStyle: { color: "var(--axis)" } },
    axisTick: { lineStyle: { color: "var(--axis)" } },
    axisLabel: {
      color: "var(--muted)",
      hideOverlap: true,
      formatter: (value: number) => DateTime.formatIso(DateTime.makeUnsafe(value)).slice(...shown)
    }
  }
}

const valueAxis = (formatter: (value: number) => string, more: object): EChartsCoreOption => ({
  type: "value",
  axisLabel: { color: "var(--muted)", formatter },
  splitLine: { lineStyle: { color: "var(--line)" } },
  ...more
})

/** Precise enough for drawing, and for nothing else. */
const toNumber = (price: BigDecimal.BigDecimal): number => BigDecimal.toNumberUnsafe(price)
