import { DateTime, Effect } from "effect"
import type { DoubledSlice, FoundSlice } from "../../domain/operations/serverHistory.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

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

/** Makes the alarm for a slice of which the broker has more than it should: its order is on hold from then on. */
export const makeAlarmDouble = Effect.gen(function* () {
  const orders = yield* OrderStore
  const telemetry = yield* Telemetry

  return Effect.fnUntraced(function* ({ slice, brokerOrderIds }: DoubledSlice) {
    const { id: sliceId, orderId, tag } = slice
    const reason = slice.isReplaced
      ? `the broker has ${brokerOrderIds.join(", ")} for slice ${sliceId}, and other slices stand in for it`
      : `the broker has ${brokerOrderIds.length} orders for slice ${sliceId}: ${brokerOrderIds.join(", ")}`
    const alarm = Effect.logFatal(
      `DOUBLE PLACEMENT: ${reason}. Its order is on hold. Cancel what is too much by hand at the broker, ` +
        `then run: order resume ${shellWord(orderId)}`
    ).pipe(
      annotateSlice(slice),
      annotateReason("double_placement"),
      Effect.tap(() => Effect.sync(telemetry.doublePlacement))
    )
    yield* orders.noteDouble({ tag, orderId, sliceId, brokerOrderIds, reason }, yield* DateTime.now, alarm)
  })
})
