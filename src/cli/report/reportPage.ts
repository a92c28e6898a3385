import { millisText } from "../../domain/text/durations.ts"
import { arrivalOf } from "../../report/costs.ts"
import type { ExecutionReport } from "../../report/executionReport.ts"
import { latenessSvg, priceSvg, progressSvg } from "./charts.ts"
import { clockOfReport, countText, instrumentText, momentText, standingText, termsText } from "./figures.ts"
import { type Html, html, trusted } from "./html.ts"
import { pageStyle } from "./pageStyle.ts"
import { dueBeforePlannedText } from "./renderReport.ts"
import { figures } from "./reportFigures.ts"
import { callTable, costTable, planTable, sliceTable } from "./reportTables.ts"

/** A report as one HTML file without scripts and external resources, for phones and for dark mode, too. */
export const reportPage = (report: ExecutionReport): string => `${pageOf(report).text.trim()}\n`

const pageOf = (report: ExecutionReport): Html => {
  const { order, at, alarms, notKnown } = report
  const standing = standingText(report)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="referrer" content="no-referrer" />
        <title>${instrumentText(order)}, ${order.state}: order ${order.orderId}</title>
        <style>
          ${trusted(pageStyle)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <h1>${heading(report)}</h1>
            <p class="muted">${termsText(order)}</p>
            <p class="muted">Order <span class="id">${order.orderId}</span>, received ${momentText(order.createdAt)}</p>
          </header>
          ${standing === null ? null : html`<p class="standing" role="status">${standing}</p>`}
          ${alarms.map((alarm) => html`<p class="alarm" role="alert">${alarm}</p>`)} ${figures(report)}
          ${progressSection(report)} ${pricesSection(report)}
          ${report.costs === null ? null : costTable(report.costs, order.side)} ${latenessSection(report)}
          ${report.plans.length === 0 ? null : planTable(report)}
          ${report.slices.length === 0 ? null : sliceTable(report)}
          ${report.calls.length === 0 ? null : callTable(report)}
          ${
            notKnown.length === 0
              ? null
              : html`<section>
                  <h2>Not known</h2>
                  <ul>
                    ${notKnown.map((text) => html`<li>${text}</li>`)}
                  </ul>
                </section>`
          }
          <footer>As of ${momentText(at)}.</footer>
        </main>
      </body>
    </html> `
}

const heading = ({ order }: ExecutionReport): Html => {
  const { side, totalQuantity, instrument, state } = order
  const known = side === "BUY" || side === "SELL" ? side : ""
  return html`<span class="side ${known}">${side ?? "?"}</span> ${
      totalQuantity === null ? "?" : countText(totalQuantity)
    }
    ${instrument ?? "?"} <span class="state ${state}">${state}</span>`
}

const progressSection = (report: ExecutionReport): Html | null => {
  const { progress } = report
  if (progress === null) return null
  const { zone } = clockOfReport(report)
  return html`<section>
    <h2>Planned, placed and filled</h2>
    <div class="keys">
      <span style="--key:var(--filled)">filled</span><span style="--key:var(--placed)">placed</span
      ><span class="dashed" style="--key:var(--planned)">planned</span>${
        progress.firstPlanned === null
          ? null
          : html`<span class="dotted" style="--key:var(--planned)">first plan</span>`
      }<span class="plain">${zone}${progress.closed.length === 0 ? "" : ", closed hours left out"}</span>
    </div>
    ${progressSvg(report, progress)}
  </section>`
}

const pricesSection = (report: ExecutionReport): Html | null => {
  const { progress, costs } = report
  const chart = progress === null ? null : priceSvg(report, progress)
  if (chart === null) return null
  const hasArrival = arrivalOf(costs) !== null
  return html`<section>
    <h2>Prices</h2>
    <div class="keys">
      <span class="dot" style="--key:var(--dot)">a slice's fill, when it was placed</span
      ><span style="--key:var(--filled)">average</span>${
        hasArrival ? html`<span class="dashed" style="--key:var(--planned)">arrival</span>` : null
      }${report.quotes.length === 0 ? null : html`<span style="--key:var(--muted)">market, as far as kept</span>`}
    </div>
    ${chart}
  </section>`
}

const latenessSection = ({ lateness }: ExecutionReport): Html | null =>
  lateness === null
    ? null
    : html`<section>
        <h2>Lateness</h2>
        <p class="muted">
          ${countText(lateness.count)} placements, from due to sent: median ${millisText(lateness.medianMillis)}, 90 %
          within ${millisText(lateness.p90Millis)}, 99 % within ${millisText(lateness.p99Millis)}, largest
          ${millisText(lateness.maxMillis)}
        </p>
        ${lateness.early === 0 ? null : html`<p class="alarm">${lateness.early} left before they were due</p>`}
        ${lateness.dueBeforePlanned === 0 ? null : html`<p class="muted">${dueBeforePlannedText(lateness.dueBeforePlanned)}.</p>`}
        ${latenessSvg(lateness)}
      </section>`
