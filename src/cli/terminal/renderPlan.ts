import { DateTime } from "effect"
import { afterTrading, type TradingTime, tradingMillisBetween } from "../../domain/market/TradingTime.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { clockOf, sessionsLine } from "./moments.ts"
import { freezeLine, type ShownFreeze } from "./renderFreeze.ts"
import { table } from "./table.ts"
import { pad } from "./text.ts"

/** A plan that was computed for an order that does not exist yet. */
export interface ShownPlan {
  readonly instrument: string
  readonly side: string
  readonly seed: string
  readonly algorithmVersion: number
  readonly strategy: string
  readonly startsAt: DateTime.Utc
  readonly endsAt: DateTime.Utc
  /** The market's sessions that the plan runs in; null for any time. */
  readonly sessions: ReadonlyArray<{ readonly opensAt: DateTime.Utc; readonly closesAt: DateTime.Utc }> | null
  readonly totalQuantity: number
  /** The exchange's limit of one order; null if the broker keeps none. */
  readonly freeze: ShownFreeze | null
  readonly slices: ReadonlyArray<{
    readonly sequenceNumber: number
    readonly quantity: number
    readonly dueAt: DateTime.Utc
  }>
}

/** A plan as a table and a chart. */
export const planText = (plan: ShownPlan): ReadonlyArray<string> => {
  const { slices, totalQuantity, sessions } = plan
  const clock = clockOf(plan)
  let done = 0
  const rows = slices.map(({ sequenceNumber, quantity, dueAt }) => {
    done += quantity
    return [String(sequenceNumber), clock(dueAt), String(quantity), String(done), percent(done / totalQuantity)]
  })
  return [
    `${plan.side} ${totalQuantity} ${plan.instrument}, ${plan.strategy}, ${slices.length} slices from ` +
      `${DateTime.formatIso(plan.startsAt)} on. Nothing was written.`,
    ...sessionsLine(timeOf(plan)),
    ...(plan.freeze === null ? [] : [freezeLine(plan.freeze)]),
    "",
    ...table(["SLICE", sessions === null ? "DUE (UTC)" : "DUE (IST)", "QUANTITY", "IN ALL", "DONE"], rows),
    "",
    ...chart(plan),
    "",
    `To get exactly this plan, from its own start on: order submit … --seed ${shellWord(plan.seed)}`
  ]
}

const chartRows = 20
const chartColumns = 50

/**
 * The quantity in each of up to twenty equal parts of the window, as bars. Hours in which the market is closed are
 * left out.
 */
const chart = (plan: ShownPlan): ReadonlyArray<string> => {
  const { slices } = plan
  const clock = clockOf(plan)
  const time = timeOf(plan)
  const [start, end] = [DateTime.toEpochMillis(plan.startsAt), DateTime.toEpochMillis(plan.endsAt)]
  const rows = Math.min(chartRows, slices.length)
  const rowMillis = Math.max(1, tradingMillisBetween(time, start, end) / rows)
  const quantities = Array.from({ length: rows }, () => 0)
  for (const { dueAt, quantity } of slices) {
    const elapsed = tradingMillisBetween(time, start, DateTime.toEpochMillis(dueAt))
    const row = Math.min(rows - 1, Math.floor(elapsed / rowMillis))
    quantities[row] = (quantities[row] ?? 0) + quantity
  }
  const maxQuantity = Math.max(...quantities)
  const digits = String(maxQuantity).length
  return quantities.map((quantity, row) => {
    const bar = "#".repeat(Math.round((quantity / maxQuantity) * chartColumns))
    const begins = DateTime.makeUnsafe(afterTrading(time, start, Math.floor(row * rowMillis)) ?? end)
    return `${clock(begins)}  ${pad(String(quantity), digits, "right")} ${bar}`.trimEnd()
  })
}

const timeOf = ({ sessions }: ShownPlan): TradingTime =>
  sessions?.map(({ opensAt, closesAt }) => ({
    opensMillis: DateTime.toEpochMillis(opensAt),
    closesMillis: DateTime.toEpochMillis(closesAt)
  })) ?? null

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
