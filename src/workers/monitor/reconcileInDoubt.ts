import { DateTime, Effect } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { Configuration } from "../../config/Configuration.ts"
import { reconcile } from "../../domain/lifecycle/reconciliation.ts"
import type { SliceTransition, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { Lookout } from "../supervision/Lookout.ts"
import type { OrderListLookUp } from "./lookUpOrders.ts"
import { writeApart } from "./writeApart.ts"

/**
 * Resolves slices whose outcome is unknown, as far as the order list allows. A slice that only a person can resolve is logged
 * once.
 */
export const makeReconcileInDoubt = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const slices = yield* SliceStore
  const telemetry = yield* Telemetry
  const lookout = yield* Lookout
  const reported = new Set<string>()

  return Effect.fnUntraced(function* (unresolved: ReadonlyArray<UnresolvedSlice>, orderList: OrderListLookUp) {
    const at = yield* DateTime.now
    const transitions: Array<SliceTransition> = []
    for (const slice of unresolved) {
      const log = annotateSlice(slice)
      const { tag } = slice
      const lookUp = { ...orderList, found: orderList.ordersOf(tag), unreadable: orderList.unreadableOf(tag) }
      const result = reconcile(slice, lookUp, { quarantine: broker.quarantine, maxAttempts: config.sliceMaxAttempts })
      if (result._tag === "Unprovable" && !reported.has(slice.id)) {
        reported.add(slice.id)
        telemetry.doubted("unprovable")
        yield* Effect.logError(
          "The broker's order list of today cannot show whether this slice was placed: it may have been sent before that " +
            `list began. Look for tag ${tag} in the broker's records, then run: slice placed ${shellWord(slice.id)} ` +
            `BROKER_ORDER --filled QUANTITY --price PRICE --reason WHY, or: slice skip ${shellWord(slice.id)} --reason WHY`
        ).pipe(log, annotateReason("outcome_unknown"))
      }
      if (result._tag === "Resolved") {
        const { next } = result
        yield* Effect.logWarning(
          `Reconciled: ${next._tag === "Processed" ? `the broker has it as ${next.brokerOrderId}` : next.reason}`
        ).pipe(log, annotateReason("code" in next ? next.code : null))
        transitions.push({ slice, next, attempts: slice.attempts, placedAt: null, at })
        telemetry.reconciled(slice, next, {
          beganMillis: orderList.askedMillis,
          endedMillis: DateTime.toEpochMillis(at)
        })
      }
    }
    yield* writeApart(transitions, (some) => slices.transition(some, []))
    if (transitions.some(({ next }) => next._tag === "Rescheduled")) yield* lookout.note("slices")
  })
})
