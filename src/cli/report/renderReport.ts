import type { DateTime } from "effect"
import { planCauseText } from "../../domain/planning/planOrder.ts"
import { millisText } from "../../domain/text/durations.ts"
import { oneLine } from "../../domain/text/oneLine.ts"
import { counted } from "../../domain/text/plural.ts"
import { answerText } from "../../report/auditWords.ts"
import type { Benchmark, Costs } from "../../report/costs.ts"
import type { ExecutionReport, Quantities, ReportedCall } from "../../report/executionReport.ts"
import type { Lateness } from "../../report/lateness.ts"
import { table } from "../terminal/table.ts"
import { pad, piecesOf, widthOf } from "../terminal/text.ts"
import {
  bandText,
  benchmarkName,
  clockOfReport,
  countText,
  instrumentText,
  momentText,
  moneyText,
  priceText,
  replacedText,
  shareText,
  signedText,
  sliceNote,
  stageText,
  standingText,
  termsText,
  unfilledTexts
} from "./figures.ts"
import { progressChart } from "./progressChart.ts"

type Clock = (at: DateTime.Utc) => string

/**
 * A report as lines for a terminal of a hundred columns: quantities, the progress chart, costs, lateness, plans,
 * slices, broker calls, and what is not known. Sections without content are left out. The figures come from
 * src/report; texts that the HTML page shares are in figures.ts. Called by reportCommand.
 */
export const reportText = (report: ExecutionReport): ReadonlyArray<string> => {
  const { order, quantities, progress, lateness, costs, plans, slices, calls, alarms, notKnown } = report
  const { zone, clock } = clockOfReport(report)
  const standing = standingText(report)
  const sections = [
    [
      `Order ${order.orderId}: ${instrumentText(order)}, ${order.state}`,
      termsText(order),
      `received ${momentText(order.createdAt)}, reported ${momentText(report.at)}`
    ].flatMap((line) => wrapped(oneLine(line))),
    ...(standing === null ? [] : [wrapped(oneLine(standing))]),
    ...(alarms.length === 0 ? [] : [alarms.flatMap((alarm) => wrapped(`! ${oneLine(alarm)}`, "  "))]),
    ...(quantities === null ? [] : [quantityLines(quantities, report)]),
    ...(progress === null
      ? []
      : [[`Filled, placed and planned over time (${zone})`, "", ...progressChart(progress, clock)]]),
    ...(costs === null ? [] : [costLines(costs, report)]),
    ...(lateness === null ? [] : [latenessLines(lateness)]),
    ...(plans.length < 2 ? [] : [planLines(report, clock)]),
    ...(slices.length === 0 ? [] : [sliceLines(report, zone, clock)]),
    ...(calls.length === 0 ? [] : [callLines(report, zone, clock)]),
    ...(notKnown.length === 0 ? [] : [["Not known", ...notKnown.flatMap((text) => wrapped(`- ${text}`, "  "))]])
  ]
  return sections.flatMap((lines, index) => (index === 0 ? lines : ["", ...lines]))
}

const quantityLines = (quantities: Quantities, { averagePrice, order }: ExecutionReport): ReadonlyArray<string> => {
  const share = shareText(quantities.filled, order.totalQuantity ?? 0)
  const price = averagePrice === null ? "" : ` at ${priceText(averagePrice)} on average`
  return wrapped([`${countText(quantities.filled)} filled (${share})${price}`, ...unfilledTexts(quantities)].join(", "))
}

const costLines = (costs: Costs, { order }: ExecutionReport): ReadonlyArray<string> => {
  const rows = costs.benchmarks.map(({ benchmark, price, cost, basisPoints }) => [
    benchmarkName[benchmark],
    price === null ? "–" : priceText(price),
    basisPoints === null ? "–" : signedText(basisPoints),
    cost === null ? "–" : signedText(cost)
  ])
  const [header = "", ...lines] = table(["BENCHMARK", "PRICE", "BASIS POINTS", "COST"], rows)
  const worse = order.side === "SELL" ? "sold below it" : "bought above it"
  return [
    ...wrapped(
      `Costs of ${countText(costs.quantity)} filled for ${moneyText(costs.value)} in all, from ${momentText(costs.interval.from)} ` +
        `to ${momentText(costs.interval.to)}; positive: ${worse}`
    ),
    "",
    header,
    ...lines.flatMap((line, index) => [line, ...wrapped(`  ${explanationText(costs.benchmarks[index])}`, "  ")]),
    ...(costs.marketVolume === null
      ? []
      : [
          "",
          `The market traded ${countText(costs.marketVolume)} in that time: this order was ${shareText(costs.quantity, costs.marketVolume)} of it`
        ])
  ]
}

const explanationText = (benchmark: Benchmark | undefined): string =>
  `${benchmark?.price === null ? "not known: " : ""}${benchmark?.explanation ?? ""}`

const latenessLines = (lateness: Lateness): ReadonlyArray<string> => {
  const { count, medianMillis, p90Millis, p99Millis, maxMillis, bands, early, dueBeforePlanned } = lateness
  const maxCount = Math.max(...bands.map((band) => band.count))
  const names = bands.map(bandText)
  const width = Math.max(0, ...names.map(widthOf))
  return [
    ...wrapped(
      `Lateness of ${countText(count)} placements: median ${millisText(medianMillis)}, 90 % within ${millisText(p90Millis)}, ` +
        `99 % within ${millisText(p99Millis)}, largest ${millisText(maxMillis)}`
    ),
    ...(early === 0 ? [] : [`! ${early} left before they were due`]),
    ...(dueBeforePlanned === 0 ? [] : wrapped(dueBeforePlannedText(dueBeforePlanned))),
    "",
    ...bands.map((band, index) => {
      const bar = "█".repeat(Math.ceil((band.count / maxCount) * 60))
      return `${pad(names[index] ?? "", width, "right")}  ${pad(String(band.count), String(maxCount).length, "right")} ${bar}`.trimEnd()
    })
  ]
}

export const dueBeforePlannedText = (count: number): string =>
  `${count === 1 ? "One of them was" : `${count} of them were`} due before the plan was made, and late from the start`

const planLines = ({ plans }: ExecutionReport, clock: Clock): ReadonlyArray<string> => [
  "Plans",
  "",
  ...plans.flatMap((plan) =>
    wrapped(
      `${plan.revision}  ${clock(plan.createdAt)}  ${planCauseText[plan.cause]}: ${counted(plan.slices, "slice")}, ${countText(plan.quantity)} in all` +
        (plan.replaced === 0 ? "" : `; ${plan.replaced} of them replaced before they were sent`) +
        (plan.note === null ? "" : `; ${oneLine(plan.note)}`),
      "   "
    )
  )
]

const sliceLines = (report: ExecutionReport, zone: string, clock: Clock): ReadonlyArray<string> => {
  const slices = report.slices.filter(({ replacedBy }) => replacedBy === null)
  const replaced = replacedText(report)
  const [header = "", ...lines] = table(
    ["#", `DUE (${zone})`, "QUANTITY", "STAGE", "LATE", "FILLED", "PRICE", "BPS", "BROKER ORDER"],
    slices.map((slice) => [
      String(slice.sequenceNumber),
      clock(slice.scheduledAt),
      countText(slice.quantity),
      stageText(slice),
      slice.latenessMillis === null ? "–" : millisText(slice.latenessMillis),
      countText(slice.filledQuantity),
      slice.averagePrice === null ? "–" : priceText(slice.averagePrice),
      slice.basisPoints === null ? "–" : signedText(slice.basisPoints),
      slice.brokerOrderId ?? "–"
    ])
  )
  const notes = slices.map(sliceNote)
  return [
    "Slices (BPS: cost against the arrival price)",
    "",
    header,
    ...lines.flatMap((line, index) => [line, ...noteLines(notes[index] ?? "")]),
    ...(replaced === null ? [] : ["", ...wrapped(replaced)])
  ]
}

const callLines = ({ calls, lookUps }: ExecutionReport, zone: string, clock: Clock): ReadonlyArray<string> => {
  const [header = "", ...lines] = table(
    [`CALLED (${zone})`, "CALL", "#", "TRY", "ANSWER", "TOOK", "BROKER ORDER"],
    calls.map((call) => [
      clock(call.calledAt),
      call.call,
      call.sequenceNumber === null ? "–" : String(call.sequenceNumber),
      call.attempt === null ? "–" : String(call.attempt),
      call.outcome,
      millisText(call.durationMillis),
      call.brokerOrderId ?? "–"
    ])
  )
  return [
    "Broker calls",
    "",
    header,
    ...lines.flatMap((line, index) => [line, ...noteLines(callNote(calls[index]))]),
    ...(lookUps.count === 0 ? [] : ["", lookUpText(lookUps)])
  ]
}

/** The broker's answer to a call, unless the call succeeded. */
const callNote = (call: ReportedCall | undefined): string =>
  call === undefined || call.outcome === "ok" ? "" : oneLine(answerText(call))

export const lookUpText = ({ count, failed }: ExecutionReport["lookUps"]): string =>
  `Meanwhile the broker's order list was read ${countText(count)} times, for all orders at once; ` +
  (failed === 0 ? "none failed" : `${countText(failed)} failed`)

const columns = 100

const noteLines = (note: string): ReadonlyArray<string> => (note === "" ? [] : wrapped(`     ${note}`, "     "))

/**
 * Lines of at most a hundred columns, broken between words but not before a unit. Later lines begin with `indent`. Longer
 * words are broken, too.
 */
const wrapped = (text: string, indent = ""): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  const words = text.split(/(?<=\S) (?!(?:ms|s|%|UTC)(?!\w))/)
  for (const word of words.flatMap((word) => piecesOf(word, columns - indent.length))) {
    if (line !== "" && widthOf(line) + 1 + widthOf(word) > columns) {
      lines.push(line)
      line = `${indent}${word}`
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}
