import { DateTime, Duration, Effect } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { DbError } from "../../db/DbError.ts"
import { windowOver } from "../../domain/lifecycle/placement.ts"
import { annotateOrder, annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { RecoveryStore } from "../../stores/slices/RecoveryStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/** The most slices that one statement skips. */
const maxSkipped = 1000
const keepStaleHeartbeats = Duration.days(1)

/**
 * One pass over everything that is stuck without the broker: splits, slices that will not be fired any more, old
 * heartbeats.
 */
export const makeSweep = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const recovery = yield* RecoveryStore
  const heartbeats = yield* HeartbeatStore
  const telemetry = yield* Telemetry

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const stuck = yield* orders.releaseStuck({
      now,
      claimedBefore: DateTime.subtractDuration(now, config.orderSplitTimeout),
      maxAttempts: config.orderSplitMaxAttempts
    })
    for (const order of stuck) {
      if (order.reasonCode !== null) telemetry.orderReason(order.reasonCode)
      yield* Effect.logError(`The order is ${order.orderQueueStatus} now: ${order.statusReason ?? ""}`).pipe(
        annotateOrder({ id: order.id }),
        annotateReason(order.reasonCode)
      )
    }
    const skipStale = Effect.tap(recovery.skipStale(now, windowOver, maxSkipped), ({ length }) =>
      Effect.sync(() => telemetry.skipped("window_over", length))
    )
    yield* skipAll(skipStale, annotateReason("window_over")(Effect.logError(`Slice skipped: ${windowOver}`)))
    const skipCancelled = Effect.tap(recovery.skipCancelled(now, maxSkipped), ({ length }) =>
      Effect.sync(() => telemetry.skipped("order_cancelled", length))
    )
    yield* skipAll(
      skipCancelled,
      annotateReason("order_cancelled")(Effect.logInfo("Slice skipped: its order was cancelled"))
    )
    yield* heartbeats.forget(DateTime.subtractDuration(now, keepStaleHeartbeats))
  })
})

/** Skips slices, {@link maxSkipped} at a time, until none is left, and logs each. */
const skipAll = (skipSome: Effect.Effect<ReadonlyArray<string>, DbError>, log: Effect.Effect<void>) =>
  skipSome.pipe(
    Effect.tap((ids) => Effect.forEach(ids, (id) => annotateSlice({ id })(log), { discard: true })),
    Effect.repeat({ while: (ids) => ids.length === maxSkipped })
  )
