import { Cause, DateTime, Effect } from "effect"
import type { DbError } from "../../db/DbError.ts"
import { because } from "../../domain/model/reason.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import type { ClaimedOrder } from "../../stores/orders/claimPending.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import type { SplitOutcome } from "../../telemetry/Metrics.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { makePlanBatch } from "./planBatch.ts"
import { makeWriteSplits } from "./writeSplits.ts"

/** Splits a batch of claimed orders. Each becomes DONE with its slices, FAILED or SKIPPED, or waits; none holds up another. */
export const makeSplitBatch = Effect.gen(function* () {
  const orders = yield* OrderStore
  const telemetry = yield* Telemetry
  const planBatch = yield* makePlanBatch
  const writeSplits = yield* makeWriteSplits

  const note = (order: ClaimedOrder, outcome: SplitOutcome, slices: number, beganMillis: number) =>
    Effect.map(nowMillis, (endedMillis) => telemetry.split(order, outcome, slices, { beganMillis, endedMillis }))

  const splitTogether = Effect.fnUntraced(function* (claimed: ReadonlyArray<ClaimedOrder>) {
    const now = yield* DateTime.now
    const beganMillis = yield* nowMillis
    const { splits, failures, waiting } = yield* planBatch(claimed, now)
    if (failures.length > 0) yield* orders.failSplits(failures, yield* DateTime.now)
    if (waiting.length > 0) yield* orders.waitForCalendar(waiting, yield* DateTime.now)
    for (const { reason } of [...failures, ...waiting]) telemetry.orderReason(reason.code)
    const done = new Set(yield* writeSplits(splits))
    const unsplit = new Map<string, SplitOutcome>([
      ...failures.map(({ id, status }) => [id, status === "FAILED" ? "failed" : "skipped"] as const),
      ...waiting.map(({ id }) => [id, "waiting"] as const)
    ])
    const counts = new Map(splits.map(({ plan }) => [plan.orderId as string, plan.slices.length]))
    for (const order of claimed) {
      const count = counts.get(order.id)
      if (count !== undefined && done.has(order.id)) {
        yield* Effect.logInfo(`Order split into ${count} slices`).pipe(annotateOrder(order))
        yield* note(order, "done", count, beganMillis)
      } else if (count !== undefined) {
        yield* Effect.logWarning("Order was not split: another splitter owns it now, or it failed").pipe(
          annotateOrder(order)
        )
        yield* note(order, "not_split", 0, beganMillis)
      } else {
        if (order.reasonCode !== null) telemetry.orderReason(order.reasonCode)
        yield* note(order, unsplit.get(order.id) ?? "skipped", 0, beganMillis)
      }
    }
  })

  /** Splits a batch. After a permanent failure each order is tried alone, so that only the faulty one becomes FAILED. */
  const splitBatch = (claimed: ReadonlyArray<ClaimedOrder>): Effect.Effect<void, DbError> =>
    splitTogether(claimed).pipe(
      Effect.catchCause((cause) => {
        const [order] = claimed
        if (order === undefined || isPassing(cause)) return Effect.failCause(cause)
        if (claimed.length > 1) return Effect.forEach(claimed, (one) => splitBatch([one]), { discard: true })
        const { id, claimVersion } = order
        const failure = {
          id,
          claimVersion,
          status: "FAILED" as const,
          reason: because("internal_error", messageOf(cause))
        }
        return Effect.logError("Order failed: it cannot be planned", Cause.pretty(cause)).pipe(
          annotateOrder(order),
          annotateReason(failure.reason.code),
          Effect.andThen(DateTime.now),
          Effect.flatMap((now) => orders.failSplits([failure], now)),
          Effect.tap(() => Effect.sync(() => telemetry.orderReason(failure.reason.code))),
          Effect.andThen(nowMillis),
          Effect.flatMap((beganMillis) => note(order, "failed", 0, beganMillis))
        )
      })
    )

  return splitBatch
})

/** Whether the cause is an interruption, or a database error that every order would meet. */
const isPassing = (cause: Cause.Cause<DbError>): boolean =>
  cause.reasons.some(
    (reason) => Cause.isInterruptReason(reason) || (Cause.isFailReason(reason) && reason.error.isGeneral)
  )

const messageOf = (cause: Cause.Cause<DbError>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}
