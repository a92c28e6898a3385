import { BarChart, LineChart, ScatterChart } from "echarts/charts"
import { GridComponent } from "echarts/components"
import { type EChartsCoreOption, init, use } from "echarts/core"
import { AxisBreak } from "echarts/features"
import { SVGRenderer } from "echarts/renderers"
import { type Html, html, trusted } from "./html.ts"

use([BarChart, LineChart, ScatterChart, GridComponent, AxisBreak, SVGRenderer])

/** The size of a drawing in pixels, for a phone or a desktop screen. */
export interface ChartSize {
  readonly width: number
  readonly height: number
}

/**
 * A chart as two drawings, for phones and for wider screens; the page's style shows one of them. Colours are
 * variables of the style, so that they follow the reader's light or dark mode. The option must not hold text from the
 * database.
 */
export const svgChart = (
  label: string,
  heights: { readonly phone: number; readonly desk: number },
  option: (size: ChartSize) => EChartsCoreOption
): Html => {
  const phone = { width: 360, height: heights.phone }
  const desk = { width: 980, height: heights.desk }
  return html`<div class="chart" role="img" aria-label="${label}">
    <div class="phone">${drawn(option(phone), phone)}</div>
    <div class="desk">${drawn(option(desk), desk)}</div>
  </div>`
}

const drawn = (option: EChartsCoreOption, size: ChartSize): Html => {
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size })
  chart.setOption({
    animation: false,
    useUTC: true,
    textStyle: { fontFamily: "system-ui, sans-serif", fontSize: 12 },
    ...option
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  // The style that remains is for pointers, and nothing in the page can be clicked.
  return trusted(svg.replaceAll(/<style[^>]*>[^]*?<\/style>/g, ""))
}
