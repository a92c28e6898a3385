import { BarChart, LineChart, ScatterChart } from "echarts/charts"
import { GridComponent } from "echarts/components"
import { type EChartsCoreOption, init, use } from "echarts/core"
import { AxisBreak } from "echarts/features"
import { SVGRenderer } from "echarts/renderers"
import { type Html, html, trusted } from "./html.ts"

use([BarChart, LineChart, ScatterChart, GridComponent, AxisBreak, SVGRenderer])

/** What there is room for: a phone, or a desk. */
export interface ChartSize {
  readonly width: number
  readonly height: number
}

/**
 * A chart as two drawings, one for phones and one for wider screens, of which the page's style shows one. Colours are the
 * style's own variables, so that they follow the reader's light or dark mode. The option must hold no text of a user's.
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
  // What is left there is for pointers: nothing here can be clicked.
  return trusted(svg.replaceAll(/<style[^>]*>[^]*?<\/style>/g, ""))
}
