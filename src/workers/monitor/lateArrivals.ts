import { DateTime, Effect } from "effect"
import type { PreviouslyInDoubtSlice, OpenSlice } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { DoubtStore, type LateArrival } from "../../stores/slices/DoubtStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import type { OrderList } from "./lookUpOrders.ts"

/**
 * Takes over what turned up in the book after its slice was thought not to be placed. Where other slices stand in for it
 * that quantity is placed twice: an alarm, and the order is held for a person to look at.
 */
export const makeAdoptLateArrivals = Effect.gen(function* () {
  const doubts = yield* DoubtStore
  const orders = yield* OrderStore
  const telemetry = yield* Telemetry

  const report = ({ slice, order }: LateArrival, now: DateTime.Utc) => {
    const { id: sliceId, orderId, tag } = slice
    const { brokerOrderId } = order
    const reason = `the broker has ${brokerOrderId} for slice ${sliceId}, and other slices stand in for it`
    const alarm = Effect.logFatal(
      `DOUBLE PLACEMENT: ${reason}. Its order is on hold. Cancel what is too much by hand at the broker, ` +
        `then run: order resume ${orderId}`
    ).pipe(
      annotateSlice(slice),
      Effect.tap(() => Effect.sync(telemetry.doublePlacement))
    )
    return orders.noteDouble({ tag, orderId, sliceId, brokerOrderIds: [brokerOrderId], reason }, now, alarm)
  }

  return Effect.fnUntraced(function* (slices: ReadonlyArray<PreviouslyInDoubtSlice>, book: OrderList) {
    const turnedUp = slices.flatMap((slice): ReadonlyArray<LateArrival> => {
      const [order] = book.ordersOf(slice.tag)
      return order === undefined || slice.stage === "PROCESSED" ? [] : [{ slice, order }]
    })
    if (turnedUp.length === 0) return
    const now = yield* DateTime.now
    const isStoodInFor = ({ slice }: LateArrival) => slice.replacedBy !== null || slice.carriedQuantity > 0
    for (const late of turnedUp.filter(isStoodInFor)) yield* report(late, now)
    const alone = turnedUp.filter((late) => !isStoodInFor(late))
    if (alone.length === 0) return
    const taken = yield* doubts.takeOver(alone, "it turned up in the broker's book after all", now)
    for (const { slice, order } of alone) {
      if (!taken.has(slice.id)) continue
      telemetry.doubted("turned_up")
      yield* Effect.logError(
        `The slice was ${slice.stage}, but the broker has it as ${order.brokerOrderId}; it is PROCESSED now`
      ).pipe(annotateSlice(slice))
    }
  })
})

/**
 * Gives up following open slices from before the book began that it does not show: only a person can tell what became of
 * them. Each is said once.
 */
export const makeEscalateLost = Effect.gen(function* () {
  const doubts = yield* DoubtStore

  return Effect.fnUntraced(function* (missing: ReadonlyArray<OpenSlice>, book: OrderList) {
    const older = missing.filter(
      ({ acknowledgedAt }) => DateTime.toEpochMillis(acknowledgedAt) < book.orderListSinceMillis
    )
    if (older.length === 0) return
    const left = yield* doubts.leaveOrderList(
      older.map(({ id }) => id),
      yield* DateTime.now
    )
    for (const slice of older) {
      if (!left.has(slice.id)) continue
      yield* Effect.logError(
        `Nobody can tell from the broker's book of today what became of ${slice.brokerOrderId}: it was open when that book ` +
          `began. Look for it in the broker's records, then run: slice placed ${slice.id} ${slice.brokerOrderId} ` +
          "--filled QUANTITY --price PRICE --reason WHY"
      ).pipe(annotateSlice(slice))
    }
  })
})
