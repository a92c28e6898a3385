import { Effect } from "effect"
import { placementsAmong, type SettledSlice } from "../../domain/lifecycle/settlement.ts"
import { brokerOrderIdsOf } from "../../domain/model/BrokerOrder.ts"
import type { OpenSlice, PreviouslyInDoubtSlice, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import { makeAlarmDouble } from "../executor/alarmDouble.ts"
import type { OrderListLookUp } from "./lookUpOrders.ts"

/**
 * Raises an alarm for two broker orders with one tag, which must never happen, and puts the order on hold for a person. An
 * unreadable row counts if it tells which order it is.
 */
export const makeReportDoubles = Effect.gen(function* () {
  const alarm = yield* makeAlarmDouble

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
      const reason = `the broker has ${brokerOrderIds.length} orders with tag ${slice.tag}`
      yield* alarm(slice, { brokerOrderIds, reason, told: `${reason}: ${brokerOrderIds.join(", ")}` })
    }
  })
})
