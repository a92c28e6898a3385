import { DateTime } from "effect"
import type { TradingTime } from "../../domain/market/TradingTime.ts"
import { type PlanCause, planCauseText } from "../../domain/planning/planOrder.ts"
import type { Curve } from "../../domain/planning/schedule/Curve.ts"
import type { ExplainedSlice } from "../../domain/planning/schedule/explain.ts"
import type { ScheduleInput } from "../../domain/planning/schedule/Schedule.ts"
import { clockOf, sessionsLine } from "./moments.ts"
import { cancelLines } from "./renderCancels.ts"
import { table } from "./table.ts"

/** One plan of an order, computed again. `problem` is null when every slice equals the stored one. */
export interface Explanation {
  readonly revision: number
  readonly cause: PlanCause
  readonly note: string | null
  readonly startsAt: DateTime.Utc
  readonly endsAt: DateTime.Utc
  /** The market's sessions within the window; null for any time. */
  readonly sessions: TradingTime
  readonly createdAt: DateTime.Utc
  readonly algorithmVersion: number
  readonly input: ScheduleInput | null
  readonly slices: ReadonlyArray<
    ExplainedSlice & {
      readonly sequenceNumber: number
      readonly dueAt: DateTime.Utc
      readonly slotFromAt: DateTime.Utc
      readonly slotToAt: DateTime.Utc
      readonly matches: boolean
      readonly stage: string | null
      readonly stageReason: string | null
      /** Why its open order is not cancelled, and when that is tried again; null if nothing is to be said. */
      readonly cancel: string | null
    }
  >
  readonly problem: string | null
}

export const explanationText = (plan: Explanation): ReadonlyArray<string> => {
  const { input, slices } = plan
  const head = `Plan ${plan.revision} (${planCauseText[plan.cause]}${plan.note === null ? "" : `: ${plan.note}`}), made ${DateTime.formatIso(plan.createdAt)} by version ${plan.algorithmVersion}`
  if (input === null) return [`${head}: ${plan.problem ?? ""}`]
  const clock = clockOf(plan)
  const minutes = Math.round(input.windowMillis / 600) / 100
  const zone = plan.sessions === null ? "UTC" : "IST"
  return [
    head,
    `  ${input.totalQuantity} in ${input.numSlices} slices of whole lots of ${input.lotSize}` +
      `${input.largestSlice === null ? "" : `, none above ${input.largestSlice}`}, over ${minutes} minutes ` +
      `from ${DateTime.formatIso(plan.startsAt)} on, at least ${input.leastGapMillis} ms apart`,
    `  along ${curveText(input.curve)}, ${input.randomize ? `varied from seed ${JSON.stringify(input.seed)}` : "not varied"}`,
    ...sessionsLine(plan.sessions).map((line) => `  ${line}`),
    "",
    ...table(
      ["SLICE", `SLOT (${zone})`, "DUE", "CURVE", "QUANTITY", "AHEAD", "STORED", "STAGE"],
      slices.map((slice) => [
        String(slice.sequenceNumber),
        slice.slotFromMillis === slice.slotToMillis ? "–" : `${clock(slice.slotFromAt)} – ${clock(slice.slotToAt)}`,
        clock(slice.dueAt),
        String(slice.curveQuantity),
        String(slice.quantity),
        signed(slice.aheadQuantity),
        slice.matches ? "the same" : "DIFFERS",
        slice.stage ?? "missing"
      ])
    ),
    ...cancelLines(slices)
  ]
}

const curveText = (curve: Curve): string => {
  switch (curve._tag) {
    case "Even":
      return "a straight line"
    case "InProportion":
      return `a profile of ${curve.profile.length} parts, from ${curve.from} to ${curve.to} of it`
    case "OverSessions":
      return `a profile of ${curve.profile.length} parts over ${curve.sessions.length} sessions: ${curve.sessions
        .map(({ from, to }) => `from ${from} to ${to}`)
        .join(", then ")}`
    case "Trajectory":
      return `Almgren and Chriss's trajectory${curve.isBackwards ? ", backwards" : ""}, κT = ${curve.riskAversion}`
  }
}

const signed = (quantity: number): string => (quantity > 0 ? `+${quantity}` : String(quantity))
