import { Effect } from "effect"
import type { DoubledSlice, FoundSlice } from "../../domain/operations/serverHistory.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { makeAlarmDouble } from "./alarmDouble.ts"

/** Why a slice has a broker order that the database did not know of. */
export const forgottenWords = "the database had lost that it was placed; the broker has it"

/** Makes the log line and the counts for a slice that took over such an order. */
export const makeTellAdopted = Effect.map(
  Telemetry,
  (telemetry) =>
    ({ slice, order }: FoundSlice) =>
      Effect.suspend(() => {
        telemetry.doubted("turned_up")
        telemetry.sliceReason("forgotten_by_database", 1)
        return Effect.logError(
          `The database had the slice as ${slice.stage}, but the broker has it as ${order.brokerOrderId}; it is PROCESSED now`
        ).pipe(annotateSlice(slice), annotateReason("forgotten_by_database"))
      })
)

/** Makes the alarm for a slice of which the order list, or a fenced outcome, shows more than there should be. */
export const makeAlarmDoubled = Effect.map(makeAlarmDouble, (alarm) => ({ slice, brokerOrderIds }: DoubledSlice) => {
  const reason = slice.isReplaced
    ? `the broker has ${brokerOrderIds.join(", ")} for slice ${slice.id}, and other slices stand in for it`
    : `the broker has ${brokerOrderIds.length} orders for slice ${slice.id}: ${brokerOrderIds.join(", ")}`
  return alarm(slice, { brokerOrderIds, reason })
})
