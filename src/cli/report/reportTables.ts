import { DateTime } from "effect"
import { planCauseText } from "../../domain/planning/planOrder.ts"
import { millisText } from "../../domain/text/durations.ts"
import { answerText } from "../../report/auditWords.ts"
import type { Costs } from "../../report/costs.ts"
import type { ExecutionReport } from "../../report/executionReport.ts"
import {
  benchmarkName,
  clockOfReport,
  countText,
  momentText,
  moneyText,
  priceText,
  replacedText,
  shareText,
  signedText,
  sliceNote,
  stageText
} from "./figures.ts"
import { type Html, html } from "./html.ts"
import { lookUpText } from "./renderReport.ts"

type Clock = (at: DateTime.Utc) => string

const timeOf = (at: DateTime.Utc, clock: Clock): Html =>
  html`<time datetime="${DateTime.formatIso(at)}" title="${momentText(at)}">${clock(at)}</time>`

const text = (name: string): Html => html`<th>${name}</th>`
const number = (name: string): Html => html`<th class="n">${name}</th>`

/** A table that scrolls sideways where it does not fit. */
const tableOf = (columns: ReadonlyArray<Html>, rows: ReadonlyArray<Html>): Html =>
  html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${columns}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`

export const costTable = (costs: Costs, side: string | null): Html => {
  const { quantity, value, interval, benchmarks, marketVolume } = costs
  const rows = benchmarks.map(
    ({ benchmark, price, basisPoints, cost, explanation }) =>
      html`<tr class="upper">
          <td>${benchmarkName[benchmark]}</td>
          <td class="n">${price === null ? "–" : priceText(price)}</td>
          <td class="n">${basisPoints === null ? "–" : signedText(basisPoints)}</td>
          <td class="n">${cost === null ? "–" : signedText(cost)}</td>
        </tr>
        <tr>
          <td class="long muted" colspan="4">${price === null ? `not known: ${explanation}` : explanation}</td>
        </tr>`
  )
  const columns = [text("Benchmark"), number("Price"), number("Basis points"), number("Cost")]
  return html`<section>
    <h2>Costs</h2>
    <p class="muted">
      Of ${countText(quantity)} filled for ${moneyText(value)} in all, from ${momentText(interval.from)} to
      ${momentText(interval.to)}. Positive: ${side === "SELL" ? "sold below" : "bought above"} the benchmark.
    </p>
    ${tableOf(columns, rows)}
    ${
      marketVolume === null
        ? null
        : html`<p class="muted">
            The market traded ${countText(marketVolume)} in that time: this order was
            ${shareText(quantity, marketVolume)} of it.
          </p>`
    }
  </section>`
}

export const planTable = (report: ExecutionReport): Html => {
  const { zone, clock } = clockOfReport(report)
  const rows = report.plans.map(
    (plan) =>
      html`<tr>
        <td class="n">${plan.revision}</td>
        <td>${timeOf(plan.createdAt, clock)}</td>
        <td>${planCauseText[plan.cause]}</td>
        <td class="n">${plan.slices}</td>
        <td class="n">${countText(plan.quantity)}</td>
        <td class="n">${plan.replaced}</td>
        <td>${timeOf(plan.startsAt, clock)} – ${timeOf(plan.endsAt, clock)}</td>
        <td class="long muted">${plan.note ?? ""}</td>
      </tr>`
  )
  const columns = [
    number("#"),
    text(`Made (${zone})`),
    text("Why"),
    number("Slices"),
    number("Quantity"),
    number("Replaced"),
    text("Window"),
    text("Note")
  ]
  return html`<section>
    <h2>${report.plans.length === 1 ? "Plan" : "Plans"}</h2>
    ${tableOf(columns, rows)}
  </section>`
}

export const sliceTable = (report: ExecutionReport): Html => {
  const { zone, clock } = clockOfReport(report)
  const replaced = replacedText(report)
  const current = report.slices.filter(({ replacedBy }) => replacedBy === null)
  const rows = current.map(
    (slice) =>
      html`<tr class="${slice.stage === "FAILED" || slice.isInDoubt ? "bad" : ""}">
        <td class="n">${slice.sequenceNumber}</td>
        <td>${timeOf(slice.scheduledAt, clock)}</td>
        <td class="n">${countText(slice.quantity)}</td>
        <td class="stage">${stageText(slice)}</td>
        <td class="n">${slice.latenessMillis === null ? "–" : millisText(slice.latenessMillis)}</td>
        <td class="n">${countText(slice.filledQuantity)}</td>
        <td class="n">${slice.averagePrice === null ? "–" : priceText(slice.averagePrice)}</td>
        <td class="n">${slice.basisPoints === null ? "–" : signedText(slice.basisPoints)}</td>
        <td class="n">${slice.attempts}</td>
        <td class="id">${slice.brokerOrderId ?? "–"}</td>
        <td class="long muted">${sliceNote(slice)}</td>
      </tr>`
  )
  const columns = [
    number("#"),
    text(`Due (${zone})`),
    number("Quantity"),
    text("Stage"),
    number("Late"),
    number("Filled"),
    number("Price"),
    number("Bps"),
    number("Tries"),
    text("Broker order"),
    text("What became of it")
  ]
  return html`<section>
    <h2>Slices</h2>
    <p class="muted">Bps: cost against the arrival price, in basis points.</p>
    ${tableOf(columns, rows)} ${replaced === null ? null : html`<p class="muted">${replaced}.</p>`}
  </section>`
}

export const callTable = (report: ExecutionReport): Html => {
  const { zone, clock } = clockOfReport(report)
  const rows = report.calls.map(
    (call) =>
      html`<tr>
        <td>${timeOf(call.calledAt, clock)}</td>
        <td>${call.call}</td>
        <td class="n">${call.sequenceNumber ?? "–"}</td>
        <td class="n">${call.attempt ?? "–"}</td>
        <td class="${call.outcome === "ok" ? "" : "bad"}">${call.outcome}</td>
        <td class="n">${millisText(call.durationMillis)}</td>
        <td class="id">${call.brokerOrderId ?? "–"}</td>
        <td class="long muted">${call.outcome === "ok" ? "" : answerText(call)}</td>
      </tr>`
  )
  const columns = [
    text(`Called (${zone})`),
    text("Call"),
    number("Slice"),
    number("Try"),
    text("Answer"),
    number("Took"),
    text("Broker order"),
    text("What was said")
  ]
  return html`<section>
<details${report.calls.length > 40 ? null : html` open`}>
<summary>Broker calls (${countText(report.calls.length)})</summary>
${tableOf(columns, rows)}
</details>
${report.lookUps.count === 0 ? null : html`<p class="muted">${lookUpText(report.lookUps)}.</p>`}
</section>`
}
