import { DateTime } from "effect"
import { afterTrading, tradingMillisBetween } from "../../domain/market/TradingTime.ts"
import { openTime, type Progress, quantityAt } from "../../report/progress.ts"
import { pad, widthOf } from "../terminal/text.ts"
import { countText } from "./figures.ts"

const rows = 12
const width = 84
/** The chart spans slightly more than the whole time, so that the last step is visible. */
const beyond = 1.03

/** Quantity over time as lines of text: filled, then placed on top of it, then planned. */
export const progressChart = (progress: Progress, clock: (at: DateTime.Utc) => string): ReadonlyArray<string> => {
  const [from, to] = [DateTime.toEpochMillis(progress.from), DateTime.toEpochMillis(progress.to)]
  const time = openTime(progress)
  const span = tradingMillisBetween(time, from, to)
  const momentOf = (share: number) =>
    DateTime.makeUnsafe(afterTrading(time, from, Math.floor(span * share * beyond)) ?? to)
  const maxQuantity = Math.max(
    1,
    ...[progress.planned, progress.placed, progress.filled].map((steps) => steps.at(-1)?.quantity ?? 0)
  )
  const isAllPast = DateTime.isGreaterThanOrEqualTo(progress.until, progress.to)
  const cells = Array.from({ length: width }, (_, column) => {
    const at = momentOf((column + 1) / width)
    const height = (quantity: number) => Math.round((quantity / maxQuantity) * rows)
    const isPast = isAllPast || DateTime.isLessThanOrEqualTo(at, progress.until)
    const filled = isPast ? height(quantityAt(progress.filled, at)) : 0
    const placed = isPast ? Math.max(filled, height(quantityAt(progress.placed, at))) : 0
    const planned = Math.max(placed, height(quantityAt(progress.planned, at)))
    return "█".repeat(filled) + "▒".repeat(placed - filled) + "░".repeat(planned - placed) + " ".repeat(rows - planned)
  })
  const labels = [maxQuantity, maxQuantity / 2].map((quantity) => countText(Math.round(quantity)))
  const labelWidth = Math.max(...labels.map(widthOf))
  const lines = Array.from({ length: rows }, (_, row) => {
    const label = row === 0 ? labels[0] : row === rows / 2 ? labels[1] : ""
    const bar = cells.map((cell) => cell[rows - 1 - row] ?? " ").join("")
    return `${pad(label ?? "", labelWidth, "right")} │${bar}`.trimEnd()
  })
  const times = [progress.from, momentOf(0.5), momentOf(1)].map(clock)
  const [start = "", middle = "", end = ""] = times
  const gap = " ".repeat(Math.max(1, Math.floor((width - start.length - middle.length - end.length) / 2)))
  return [
    ...lines,
    `${pad("0", labelWidth, "right")} └${"─".repeat(width)}`,
    `${" ".repeat(labelWidth + 2)}${start}${gap}${middle}${gap}${end}`,
    "",
    `${" ".repeat(labelWidth + 2)}█ filled  ▒ placed  ░ planned${progress.closed.length === 0 ? "" : "  (closed hours left out)"}`
  ]
}
