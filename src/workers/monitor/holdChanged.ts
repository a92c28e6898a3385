import { Clock, DateTime, Effect } from "effect"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { outdatedTerms, outdatedText } from "../../domain/market/instrumentChanges.ts"
import { because } from "../../domain/model/reason.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { type AffectedOrder, InstrumentChangeStore } from "../../stores/account/InstrumentChangeStore.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/**
 * Puts on hold the orders whose instrument is no longer what they were planned with, so that nothing is sent or planned anew before
 * a person has looked; returns their ids. Once for each change: whoever resumes such an order has decided.
 */
export const makeHoldChanged = Effect.gen(function* () {
  const changes = yield* InstrumentChangeStore
  const commands = yield* OrderCommands
  const telemetry = yield* Telemetry

  return Effect.gen(function* () {
    const held: Array<string> = []
    for (const order of yield* changes.affectedOrders(yield* DateTime.now)) {
      const outdated = outdatedOf(order)
      if (outdated.length === 0) continue
      const reason = because("instrument_changed", outdatedText(outdated))
      if (!(yield* commands.hold(order.orderId, reason, yield* DateTime.now))) continue
      held.push(order.orderId)
      telemetry.orderReason(reason.code)
      yield* Effect.logError(`The order is on hold: ${reason.text}`).pipe(
        annotateOrder({ id: order.orderId }),
        annotateReason(reason.code)
      )
    }
    return held
  })
})

/** How often orders are looked through without a new change: one may have been on hold for another reason at the last look. */
const restMillis = 3_600_000

/** Like {@link makeHoldChanged}, if there is something new; at most once an hour otherwise. */
export const makeHoldNewlyChanged = Effect.gen(function* () {
  const changes = yield* InstrumentChangeStore
  const hold = yield* makeHoldChanged
  let last: { readonly newest: number | null; readonly atMillis: number; readonly isNews: boolean } | null = null

  return Effect.gen(function* () {
    const newest = yield* changes.newest
    const atMillis = yield* Clock.currentTimeMillis
    const isNews = last === null || last.newest !== newest
    // A second time after each change, for orders that were split with the list before it at the same moment.
    if (last !== null && !isNews && !last.isNews && isPausedUntil(atMillis, last.atMillis + restMillis, restMillis))
      return
    yield* hold
    last = { newest, atMillis, isNews }
  })
})

const outdatedOf = (order: AffectedOrder): ReadonlyArray<string> => {
  const { expiry, instrument, lastDay, limitPrice, lotSize, plannedLot, successor, tickSize } = order
  const details = lotSize === null || tickSize === null ? null : { lotSize, tickSize, expiry }
  return outdatedTerms({ instrument, lotSize: plannedLot, limitPrice, lastDay }, details, successor)
}
