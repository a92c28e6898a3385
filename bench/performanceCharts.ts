import { BarChart } from "echarts/charts"
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components"
import { init, use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import type { Figures } from "./measuredFigures.ts"

use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

const names = (figures: Figures, scenario: string, what: string): ReadonlyArray<string> =>
  figures.all.filter((figure) => figure.scenario === scenario && figure.what === what).map(({ who }) => who)

/** A bar chart as a standalone SVG: a group of bars for each contender, a colour for each figure. */
const bars = (figures: Figures, { title, scenario, whats, isLogarithmic }: ChartOptions): string => {
  const who = names(figures, scenario, whats[0] ?? "").toReversed()
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 900, height: 120 + who.length * 44 })
  chart.setOption({
    backgroundColor: "#ffffff",
    animation: false,
    title: { text: title, left: 10, top: 6, textStyle: { fontSize: 15 } },
    legend: { top: 32, left: 10, show: whats.length > 1 },
    grid: { left: 10, right: 70, top: 70, bottom: 10, outerBoundsMode: "same" },
    xAxis: { type: isLogarithmic ? "log" : "value", ...(isLogarithmic ? { min: 0.1 } : {}) },
    yAxis: { type: "category", data: who },
    series: whats.map((what) => ({
      name: what,
      type: "bar",
      label: { show: true, position: "right", formatter: ({ value }: { value: number }) => label(value) },
      data: who.map((name) => Number(figures.of(scenario, name, what).toPrecision(3)))
    }))
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

interface ChartOptions {
  readonly title: string
  readonly scenario: string
  readonly whats: ReadonlyArray<string>
  readonly isLogarithmic: boolean
}

const label = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 2 })

/** The charts of doc/images, by file name. */
export const chartsOf = (figures: Figures): Readonly<Record<string, string>> => ({
  "lateness.svg": bars(figures, {
    title: "Lateness at 200 due a second, in milliseconds (logarithmic; shorter is better)",
    scenario: "lateness",
    whats: ["p50 ms", "p99 ms"],
    isLogarithmic: true
  }),
  "burn-down.svg": bars(figures, {
    title: "Done a second, all due at once, one worker process (longer is better)",
    scenario: "burn-down",
    whats: ["per second"],
    isLogarithmic: false
  })
})
