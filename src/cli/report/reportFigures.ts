import { millisText } from "../../domain/text/durations.ts"
import type { Benchmark } from "../../report/costs.ts"
import type { ExecutionReport, Quantities } from "../../report/executionReport.ts"
import { benchmarkName, countText, moneyText, priceText, shareText, signedText, unfilledTexts } from "./figures.ts"
import { type Html, html } from "./html.ts"

/** The key figures at the head of the page. */
export const figures = ({ order, quantities, costs, lateness }: ExecutionReport): Html | null => {
  if (quantities === null) return null
  const shown = [
    filledFigure(quantities, order.totalQuantity ?? 0),
    costs === null
      ? figure("Average price", "–", "nothing is filled at a known price")
      : figure("Average price", priceText(costs.averagePrice), `${moneyText(costs.value)} in all`),
    ...(costs === null ? [] : costFigures(costs.benchmarks)),
    lateness === null
      ? figure("Lateness", "–", "nothing was placed")
      : figure("Lateness", millisText(lateness.medianMillis), `median; largest ${millisText(lateness.maxMillis)}`)
  ]
  return html`<div class="figures">${shown}</div>`
}

const figure = (name: string, value: string, note: string | Html): Html =>
  html`<div class="figure"><span class="muted">${name}</span><b>${value}</b><span class="muted">${note}</span></div>`

const filledFigure = (quantities: Quantities, total: number): Html => {
  const { filled, working } = quantities
  const width = (quantity: number) => (total === 0 ? 0 : Math.min(100, (quantity / total) * 100)).toFixed(2)
  return figure(
    "Filled",
    countText(filled),
    html`${[`of ${countText(total)} (${shareText(filled, total)})`, ...unfilledTexts(quantities)].join(", ")}<span
        class="bar"
        ><i style="width:${width(filled)}%"></i><i style="width:${width(working)}%"></i
      ></span>`
  )
}

/** The costs that are known; the table of costs says why the others are not. */
const costFigures = (benchmarks: ReadonlyArray<Benchmark>): ReadonlyArray<Html> => {
  const known = benchmarks.flatMap(({ benchmark, basisPoints, cost }) =>
    basisPoints === null || cost === null
      ? []
      : [figure(`Against ${benchmarkName[benchmark]}`, `${signedText(basisPoints)} bps`, signedText(cost))]
  )
  return known.length > 0 ? known : [figure("Costs", "not known", "no benchmark's price is")]
}
