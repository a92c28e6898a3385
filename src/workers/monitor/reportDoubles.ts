import { DateTime, Effect } from "effect"
import { placementsAmong, type SettledSlice } from "../../domain/lifecycle/settlement.ts"
import { brokerOrderIdsOf } from "../../domain/model/BrokerOrder.ts"
import type { OpenSlice, PreviouslyInDoubtSlice, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import type { OrderListLookUp } from "./lookUpOrders.ts"

/**
 * Raises an alarm for two broker orders with one tag, which must never happen, and puts the order on hold for a person. An
 * unreadable row counts if it tells which order it is.
 */
export const makeReportDoubles = Effect.gen(function* () {
  const orders = yield* OrderStore
  const telemetry = yield* Telemetry

  return Effect.fnUntraced(function* (
    slices: ReadonlyArray<UnresolvedSlice | OpenSlice | PreviouslyInDoubtSlice | SettledSlice>,
    orderList: OrderListLookUp
  ) {
    for (const slice of slices) {
      const unreadable = orderList.unreadableOf(slice.tag)
      // An unreadable row that does not tell its order may be the order that the slice is known to have.
      const known = unreadable.length > 0 && "brokerOrderId" in slice ? [slice] : []
      const placements = placementsAmong(orderList.ordersOf(slice.tag))
      const brokerOrderIds = brokerOrderIdsOf([...placements, ...unreadable, ...known])
      if (brokerOrderIds.length < 2) continue
      const { tag, orderId, id: sliceId } = slice
      const reason = `the broker has ${brokerOrderIds.length} orders with tag ${tag}`
      const alarm = Effect.logFatal(
        `DOUBLE PLACEMENT: ${reason}: ${brokerOrderIds.join(", ")}. ` +
          `Its order is on hold. Cancel what is too much by hand at the broker, then run: order resume ${shellWord(orderId)}`
      ).pipe(
        annotateSlice(slice),
        annotateReason("double_placement"),
        Effect.tap(() => Effect.sync(telemetry.doublePlacement))
      )
      yield* orders.noteDouble({ tag, orderId, sliceId, brokerOrderIds, reason }, yield* DateTime.now, alarm)
    }
  })
})
