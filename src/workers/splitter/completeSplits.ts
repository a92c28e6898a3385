import { DateTime, Effect } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { DbError } from "../../db/DbError.ts"
import { fitIntoDay, limitsTheDay } from "../../domain/limits/dayLimits.ts"
import { because } from "../../domain/model/reason.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { OrderStore, type SplitOrder } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/**
 * Makes split orders DONE in one transaction and returns their ids. With a daily limit the totals are locked meanwhile, so
 * that splitters add to them one at a time; orders that no longer fit become FAILED with the reason.
 */
export const makeCompleteSplits = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const days = yield* DayTotalStore
  const telemetry = yield* Telemetry
  const windowGrace = config.orderWindowGrace

  return Effect.fnUntraced(function* (
    splits: ReadonlyArray<SplitOrder>
  ): Effect.fn.Return<ReadonlyArray<string>, DbError> {
    const now = yield* DateTime.now
    if (!limitsTheDay(config.limits)) return yield* orders.completeSplits(splits, { now, windowGrace })
    const { done, failures } = yield* days.exclusively(now, (totals) =>
      Effect.gen(function* () {
        const { within, beyond } = fitIntoDay(splits, totals, config.limits)
        const failures = beyond.map(({ order: { plan, claimVersion }, reason }) => ({
          id: plan.orderId,
          status: "FAILED" as const,
          claimVersion,
          reason: because("day_limit", reason)
        }))
        if (failures.length > 0) yield* orders.failSplits(failures, now)
        return { failures, done: within.length === 0 ? [] : yield* orders.completeSplits(within, { now, windowGrace }) }
      })
    )
    for (const { id, reason } of failures) {
      yield* Effect.logError(`Order failed: ${reason.text}`).pipe(annotateOrder({ id }), annotateReason(reason.code))
      telemetry.orderReason(reason.code)
    }
    return done
  })
})
