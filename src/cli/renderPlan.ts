import { DateTime } from "effect"
import { table } from "./render.ts"

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
  readonly slices: ReadonlyArray<{
    readonly sequenceNumber: number
    readonly quantity: number
    readonly dueAt: DateTime.Utc
  }>
}

/** A plan as a table and a chart, for people. */
export const planText = (plan: ShownPlan): string => {
  const { slices, totalQuantity } = plan
  let done = 0
  const rows = slices.map(({ sequenceNumber, quantity, dueAt }) => {
    done += quantity
    return [String(sequenceNumber), clock(dueAt), String(quantity), String(done), percent(done / totalQuantity)]
  })
  return [
    `${plan.side} ${totalQuantity} ${plan.instrument}, ${plan.strategy}, ${slices.length} slices from ` +
      `${DateTime.formatIso(plan.startsAt)} on. Nothing was written.`,
    "",
    table(["SLICE", "DUE (UTC)", "QUANTITY", "IN ALL", "DONE"], rows),
    "",
    chart(plan),
    "",
    `To get exactly this plan, from its own start on: order submit … --seed ${plan.seed}`
  ].join("\n")
}

const chartRows = 20
const chartColumns = 50

/** How much falls into each of up to twenty equal parts of the window, as bars. */
const chart = ({ slices, startsAt, endsAt }: ShownPlan): string => {
  const start = DateTime.toEpochMillis(startsAt)
  const rows = Math.min(chartRows, slices.length)
  const rowMillis = Math.max(1, (DateTime.toEpochMillis(endsAt) - start) / rows)
  const quantities = Array.from({ length: rows }, () => 0)
  for (const { dueAt, quantity } of slices) {
    const row = Math.min(rows - 1, Math.floor((DateTime.toEpochMillis(dueAt) - start) / rowMillis))
    quantities[row] = (quantities[row] ?? 0) + quantity
  }
  const most = Math.max(...quantities)
  const digits = String(most).length
  return quantities
    .map((quantity, row) => {
      const bar = "#".repeat(Math.round((quantity / most) * chartColumns))
      return `${clock(DateTime.makeUnsafe(start + row * rowMillis))}  ${String(quantity).padStart(digits)} ${bar}`.trimEnd()
    })
    .join("\n")
}

const clock = (at: DateTime.Utc): string => DateTime.formatIso(at).slice(11, 23)

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
