import { Effect } from "effect"
import type { OpenSlice, PreviouslyInDoubtSlice, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import type { OrderListLookUp } from "./lookUpOrders.ts"

/** If more slices have an unreadable row, the others are told of by the next passes. */
const maxReports = 100

/**
 * Warns of each slice of which the broker's order list has a row that cannot be read: once, until the row can be read again.
 * Until then the slice stays as it is, unless another row tells its state.
 */
export const makeReportUnreadable = Effect.sync(() => {
  const told = new Set<string>()

  return Effect.fnUntraced(function* (
    slices: ReadonlyArray<UnresolvedSlice | OpenSlice | PreviouslyInDoubtSlice>,
    orderList: OrderListLookUp
  ) {
    let reports = 0
    for (const slice of slices) {
      const [row] = orderList.unreadableOf(slice.tag)
      if (row === undefined) {
        if (told.delete(slice.id)) {
          yield* Effect.logInfo("The broker's order list can be read again for this slice").pipe(annotateSlice(slice))
        }
      } else if (!told.has(slice.id) && reports < maxReports) {
        told.add(slice.id)
        reports += 1
        const brokerOrderId = row.brokerOrderId ?? ("brokerOrderId" in slice ? slice.brokerOrderId : null)
        yield* Effect.logWarning(
          `The broker's order list has a row for this slice (tag ${row.tag}, broker order ${brokerOrderId ?? "not told"}) ` +
            `that cannot be read: ${row.problem}. What only this row tells is not known. Look at the broker's own pages`
        ).pipe(annotateSlice(slice))
      }
    }
  })
})
