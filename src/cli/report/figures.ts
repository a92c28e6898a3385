import { BigDecimal, DateTime } from "effect"
import type { RecordedOrder, RecordedSlice } from "../../domain/lifecycle/OrderRecord.ts"
import { isLost } from "../../domain/model/sliceState.ts"
import { decimalText } from "../../domain/text/decimals.ts"
import { oneLine } from "../../domain/text/oneLine.ts"
import { counted } from "../../domain/text/plural.ts"
import type { ExecutionReport, Quantities } from "../../report/executionReport.ts"
import type { LatenessBand } from "../../report/lateness.ts"
import { slicesText } from "../../report/words.ts"
import { clockOf } from "../terminal/moments.ts"

/** `1234567` as `1,234,567`. */
export const countText = (count: number): string => grouped(String(count))

/** A price with all its decimals, at least two: `1,606.05`. */
export const priceText = (price: BigDecimal.BigDecimal): string => {
  const [units = "", decimals = ""] = decimalText(price).split(".")
  return `${grouped(units)}.${decimals.padEnd(2, "0")}`
}

/** Money or basis points, rounded to two decimals, with a sign: `+1,234.50`. */
export const signedText = (amount: BigDecimal.BigDecimal): string => {
  const rounded = BigDecimal.round(amount, { scale: 2 })
  return `${BigDecimal.isPositive(rounded) ? "+" : ""}${moneyText(rounded)}`
}

export const moneyText = (amount: BigDecimal.BigDecimal): string => priceText(BigDecimal.round(amount, { scale: 2 }))

const grouped = (digits: string): string => digits.replaceAll(/(?<=\d)(?=(\d{3})+$)/g, ",")

/** A band of lateness in words: `5 ms to 10 ms`, `10 min or more`. */
export const bandText = ({ fromMillis, toMillis }: LatenessBand): string => {
  const edge = (millis: number) => {
    if (millis < 1000) return `${millis} ms`
    return millis < 60_000 ? `${millis / 1000} s` : `${millis / 60_000} min`
  }
  return toMillis === null ? `${edge(fromMillis)} or more` : `${edge(fromMillis)} to ${edge(toMillis)}`
}

export const shareText = (part: number, all: number): string =>
  all === 0 ? "–" : `${((part / all) * 100).toFixed(1)} %`

/** How the report writes times: in India's time when the order keeps a market's hours, else in UTC. */
export const clockOfReport = (report: ExecutionReport) => {
  const { keepsHours, progress, order, at } = report
  const startsAt = progress?.from ?? order.createdAt
  const endsAt = progress?.to ?? at
  const clock = clockOf({ sessions: keepsHours ? [] : null, startsAt, endsAt })
  // The year is left out: columns are narrow, and the head of the report has it.
  return { zone: keepsHours ? "IST" : "UTC", clock: (at: DateTime.Utc) => clock(at).replace(/^\d{4}-/, "") }
}

/** `2026-11-24 21:48:14.922 UTC`. */
export const momentText = (at: DateTime.Utc): string =>
  `${DateTime.formatIso(at).replace("T", " ").replace("Z", "")} UTC`

export const instrumentText = ({ side, totalQuantity, instrument }: RecordedOrder): string =>
  oneLine(`${side ?? "?"} ${totalQuantity === null ? "?" : countText(totalQuantity)} ${instrument ?? "?"}`)

/** The strategy and the order terms on one line. */
export const termsText = (order: RecordedOrder): string => {
  const limit = order.limitPrice === null ? "" : ` at ${priceText(order.limitPrice)}`
  return oneLine(
    `${order.strategy}, ${counted(order.numSplits ?? "?", "slice")} over ${counted(order.durationMinutes ?? "?", "minute")}, ` +
      `${order.orderType}${limit}, ${order.productType}, ${order.validity}`
  )
}

/** Why there is nothing to report, or that more will follow; null for an order that is split and finished. */
export const standingText = ({ order, isOver, slices }: ExecutionReport): string | null => {
  const why = order.statusReason === null ? "" : `: ${order.statusReason}`
  if (slices.length > 0) return isOver ? null : "This order is not over. What follows is how it stands now."
  if (order.orderQueueStatus === "FAILED") return `This order could not be split${why}. Nothing of it was placed.`
  if (order.orderQueueStatus === "SKIPPED") return `This order was not split${why}. Nothing of it was placed.`
  if (order.orderQueueStatus === "DONE") return "This order has no slices: it was not split by this service."
  return `This order is not split yet${why}. There is nothing to report.`
}

/** Where the unfilled quantity is, without the places that have none. */
export const unfilledTexts = ({ working, inDoubt, scheduled, givenUp }: Quantities): ReadonlyArray<string> =>
  (
    [
      [working, "working at the broker"],
      [inDoubt, "claimed or in doubt"],
      [scheduled, "scheduled"],
      [givenUp, "given up"]
    ] as const
  ).flatMap(([quantity, where]) => (quantity > 0 ? [`${countText(quantity)} ${where}`] : []))

/** A slice's stage; IN DOUBT while its outcome is unknown. */
export const stageText = (slice: RecordedSlice): string => (slice.isInDoubt ? "IN DOUBT" : slice.stage)

/** The reasons and notes of a slice; empty for none. */
export const sliceNote = (slice: RecordedSlice): string => {
  const { stageReason, brokerStatus, brokerStatusText, carriedQuantity } = slice
  const parts = [
    stageReason,
    brokerStatus === "COMPLETE" ? null : brokerStatus,
    brokerStatusText === brokerStatus ? null : brokerStatusText,
    carriedQuantity === 0 ? null : `${carriedQuantity} carried into later slices`,
    isLost(slice) ? "no longer in the broker's order list" : null
  ]
  return oneLine(parts.filter((part) => part !== null).join("; "))
}

/** The slices that a later plan replaced before they were sent; null for none. */
export const replacedText = ({ slices }: ExecutionReport): string | null => {
  const byPlan = Map.groupBy(
    slices.filter(({ replacedBy }) => replacedBy !== null),
    ({ replacedBy }) => replacedBy
  )
  if (byPlan.size === 0) return null
  const parts = [...byPlan].map(
    ([plan, replaced]) => `${slicesText(replaced.map(({ sequenceNumber }) => sequenceNumber))} by plan ${plan}`
  )
  return `Replaced before they were sent, and left out here: ${parts.join("; ")}`
}

export const benchmarkName = { ARRIVAL: "arrival", TWAP: "TWAP", VWAP: "VWAP" } as const
