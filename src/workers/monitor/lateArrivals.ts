import { DateTime, Effect } from "effect"
import { placementsAmong } from "../../domain/lifecycle/settlement.ts"
import { type BrokerOrder, orderOfUnreadable, type UnreadableOrder } from "../../domain/model/BrokerOrder.ts"
import type { PreviouslyInDoubtSlice, OpenSlice } from "../../domain/model/OrderSlice.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { type LateArrival, RecoveryStore } from "../../stores/slices/RecoveryStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { makeAlarmDouble } from "../executor/alarmDouble.ts"
import type { OrderListLookUp } from "./lookUpOrders.ts"
import type { Told } from "./noteDifferences.ts"
import { writeApart } from "./writeApart.ts"

/**
 * Adopts broker orders that were found after their slice was given up: the slice becomes PROCESSED. If other slices stand in
 * for it, its quantity is placed twice: an alarm is raised, and the order is put on hold for a person.
 */
export const makeAdoptLateArrivals = Effect.gen(function* () {
  const recovery = yield* RecoveryStore
  const alarmDouble = yield* makeAlarmDouble
  const telemetry = yield* Telemetry

  const report = ({ slice, order: { brokerOrderId } }: LateArrival) =>
    alarmDouble(slice, {
      brokerOrderIds: [brokerOrderId],
      reason: `the broker has ${brokerOrderId} for slice ${slice.id}, and other slices stand in for it`
    })

  return Effect.fnUntraced(function* (
    slices: ReadonlyArray<PreviouslyInDoubtSlice>,
    told: Told,
    orderList: OrderListLookUp
  ) {
    const arrivals = slices.flatMap((slice): ReadonlyArray<LateArrival> => {
      const order = placementsAmong(orderList.ordersOf(slice.tag))[0] ?? untold(orderList.unreadableOf(slice.tag))
      return order === null || slice.stage === "PROCESSED" ? [] : [{ slice, order, noted: told.get(slice.tag) ?? null }]
    })
    if (arrivals.length === 0) return
    const now = yield* DateTime.now
    const isReplaced = ({ slice }: LateArrival) => slice.replacedBy !== null || slice.carriedQuantity > 0
    for (const late of arrivals.filter(isReplaced)) yield* report(late)
    const alone = arrivals.filter((late) => !isReplaced(late))
    if (alone.length === 0) return
    const answers = yield* writeApart(alone, (some) =>
      recovery.takeOver(some, "its order arrived late in the broker's order list", now)
    )
    const taken = new Set(answers.flatMap((ids) => [...ids]))
    for (const { slice, order } of alone) {
      if (!taken.has(slice.id)) continue
      telemetry.doubted("turned_up")
      telemetry.sliceReason("late_arrival", 1)
      yield* Effect.logError(
        `The slice was ${slice.stage}, but the broker has it as ${order.brokerOrderId}; it is PROCESSED now`
      ).pipe(annotateSlice(slice), annotateReason("late_arrival"))
    }
  })
})

/** The order of the first row that tells which one it is. The slice must have it: it would be placed a second time. */
const untold = (unreadable: ReadonlyArray<UnreadableOrder>): BrokerOrder | null =>
  unreadable.flatMap((row) => orderOfUnreadable(row) ?? [])[0] ?? null

/**
 * Stops following open slices that are older than the order list and not in it: only a person can tell what became of them.
 * Each is logged once.
 */
export const makeEscalateLost = Effect.gen(function* () {
  const recovery = yield* RecoveryStore

  return Effect.fnUntraced(function* (missing: ReadonlyArray<OpenSlice>, orderList: OrderListLookUp) {
    const older = missing.filter(
      ({ acknowledgedAt }) => DateTime.toEpochMillis(acknowledgedAt) < orderList.orderListSinceMillis
    )
    if (older.length === 0) return
    const left = yield* recovery.leaveOrderList(
      older.map(({ id }) => id),
      yield* DateTime.now
    )
    for (const slice of older) {
      if (!left.has(slice.id)) continue
      yield* Effect.logError(
        `The broker's order list of today cannot show what became of ${slice.brokerOrderId}: it was open when that list ` +
          `began. Look for it in the broker's records, then run: slice placed ${shellWord(slice.id)} ${shellWord(slice.brokerOrderId)} ` +
          "--filled QUANTITY --price PRICE --reason WHY"
      ).pipe(annotateSlice(slice), annotateReason("left_order_list"))
    }
  })
})
