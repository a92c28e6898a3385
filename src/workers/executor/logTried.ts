import { Effect, LogLevel, References } from "effect"
import type { ClaimedSlice, NextStage } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"

/** A placement that was tried, at `sentMillis` since 1970, and what its slice becomes. */
export interface Tried {
  readonly slice: ClaimedSlice
  readonly next: NextStage
  readonly sentMillis: number
}

/**
 * Makes the function that logs what became of placements. A line costs more than the placement itself, so nothing is made for one
 * that is not shown.
 */
export const makeLogTried = Effect.map(References.MinimumLogLevel, (minimum) => {
  const showsInfo = LogLevel.isGreaterThanOrEqualTo("Info", minimum)
  return (tried: ReadonlyArray<Tried>): Effect.Effect<void> =>
    Effect.forEach(
      showsInfo ? tried : tried.filter(({ next }) => next._tag !== "Processed"),
      (one) => annotateSlice(one.slice)(logOne(one)),
      { discard: true }
    )
})

const logOne = ({ next, sentMillis, slice }: Tried) => {
  const details = {
    lateness_millis: Math.floor(sentMillis - slice.scheduledMillis),
    quantity: slice.quantity,
    tag: slice.tag,
    reason_code: "code" in next ? next.code : null
  }
  switch (next._tag) {
    case "Processed":
      return Effect.annotateLogs(Effect.logInfo("Slice placed"), { ...details, broker_order_id: next.brokerOrderId })
    case "Failed":
      return Effect.annotateLogs(Effect.logError(`Slice failed: ${next.reason}`), details)
    case "Unknown":
      return Effect.annotateLogs(Effect.logWarning(`Outcome unknown, to be reconciled: ${next.reason}`), details)
    case "Rescheduled":
    case "Skipped":
      return Effect.annotateLogs(Effect.logWarning(`Slice not placed: ${next.reason}`), details)
  }
}
