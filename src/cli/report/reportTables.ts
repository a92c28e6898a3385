import { DateTime } from "effect"
import { planCauseText } from "../../domain/planOrder.ts"
import { answerText } from "../../domain/report/auditWords.ts"
import type { Costs } from "../../domain/report/costs.ts"
import type { ExecutionReport } from "../../domain/report/executionReport.ts"
import {
  benchmarkName,
  clockOfReport,
  countText,
  millisText,
  momentText,
  moneyText,
  priceText,
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

export const costTable = (costs: Costs, side: string | null): Html => {
  const { quantity, value, interval, benchmarks, marketVolume } = costs
  const rows = benchmarks.map(
    ({ benchmark, price, basisPoints, cost, explanation }) =>
      html`<tr>
        <td>${benchmarkName[benchmark]}</td>
        <td class="n">${price === null ? "not known" : priceText(price)}</td>
        <td class="n">${basisPoints === null ? "–" : signedText(basisPoints)}</td>
        <td class="n">${cost === null ? "–" : signedText(cost)}</td>
        <td class="long muted">${explanation}</td>
      </tr>`
  )
  return html`<section>
    <h2>Costs</h2>
    <p class="muted">
      Of ${countText(quantity)} filled for ${moneyText(value)} in all, from ${momentText(interval.from)} to
      ${momentText(interval.to)}. Positive: ${side === "SELL" ? "sold below" : "bought above"} the benchmark.
    </p>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Benchmark</th>
            <th class="n">Price</th>
            <th class="n">Basis points</th>
            <th class="n">Cost</th>
            <th>What it is</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
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
  return html`<section>
    <h2>${report.plans.length === 1 ? "Plan" : "Plans"}</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th class="n">#</th>
            <th>Made (${zone})</th>
            <th>Why</th>
            <th class="n">Slices</th>
            <th class="n">Quantity</th>
            <th class="n">Replaced</th>
            <th>Window</th>
            <th>Note</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`
}

export const sliceTable = (report: ExecutionReport): Html => {
  const { zone, clock } = clockOfReport(report)
  const rows = report.slices.map(
    (slice) =>
      html`<tr class="${rowClass(slice)}">
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
        <td class="long muted">
          ${[slice.brokerStatus ?? "", sliceNote(slice)].filter((part) => part !== "").join("; ")}
        </td>
      </tr>`
  )
  return html`<section>
    <h2>Slices</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th class="n">#</th>
            <th>Due (${zone})</th>
            <th class="n">Quantity</th>
            <th>Stage</th>
            <th class="n">Late</th>
            <th class="n">Filled</th>
            <th class="n">Price</th>
            <th class="n" title="cost against the arrival price, in basis points">Bps</th>
            <th class="n">Tries</th>
            <th>Broker order</th>
            <th>What became of it</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`
}

const rowClass = (slice: ExecutionReport["slices"][number]): string => {
  if (slice.replacedBy !== null) return "replaced"
  return slice.stage === "FAILED" || slice.isInDoubt ? "bad" : ""
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
  return html`<section>
<details${report.calls.length > 40 ? null : html` open`}>
<summary>Broker calls (${countText(report.calls.length)})</summary>
<div class="scroll"><table>
<thead><tr><th>Called (${zone})</th><th>Call</th><th class="n">Slice</th><th class="n">Try</th><th>Answer</th><th class="n">Took</th><th>Broker order</th><th>What was said</th></tr></thead>
<tbody>${rows}</tbody>
</table></div>
</details>
${report.lookUps.count === 0 ? null : html`<p class="muted">${lookUpText(report.lookUps)}.</p>`}
</section>`
}
