import { DateTime, Effect } from "effect"
import type { BrokerOrderId, OrderId, SliceId, Tag } from "../../domain/model/Ids.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/** What identifies a slice to people. */
interface AlarmedSlice {
  readonly id: SliceId
  readonly orderId: OrderId
  readonly tag: Tag
  readonly requestId: string | null
  readonly traceId: string | null
}

/** What the broker has for a slice, which is more than there should be. */
interface Double {
  readonly brokerOrderIds: ReadonlyArray<BrokerOrderId>
  /** Why its order goes on hold. */
  readonly reason: string
  /** The reason as the alarm has it, if that is longer. */
  readonly told?: string
}

/**
 * Builds the alarm for a slice of which the broker has more than it should: it is given once, and the slice's order is on hold from
 * then on until a person resumes it.
 */
export const makeAlarmDouble = Effect.gen(function* () {
  const orders = yield* OrderStore
  const telemetry = yield* Telemetry

  return Effect.fnUntraced(function* (slice: AlarmedSlice, { brokerOrderIds, reason, told = reason }: Double) {
    const { id: sliceId, orderId, tag } = slice
    const alarm = Effect.logFatal(
      `DOUBLE PLACEMENT: ${told}. Its order is on hold. Cancel what is too much by hand at the broker, ` +
        `then run: order resume ${shellWord(orderId)}`
    ).pipe(
      annotateSlice(slice),
      annotateReason("double_placement"),
      Effect.tap(() => Effect.sync(telemetry.doublePlacement))
    )
    yield* orders.noteDouble({ tag, orderId, sliceId, brokerOrderIds, reason }, yield* DateTime.now, alarm)
  })
})
