import { DateTime, Effect } from "effect"
import type { DbError } from "../../db/DbError.ts"
import { because } from "../../domain/model/reason.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { OrderStore, type SplitOrder } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { makeCompleteSplits } from "./completeSplits.ts"

/** Writes splits in groups of bounded size; returns the ids of the orders that became DONE. */
export const makeWriteSplits = Effect.gen(function* () {
  const orders = yield* OrderStore
  const complete = yield* makeCompleteSplits
  const telemetry = yield* Telemetry

  /** Writes a group of splits. If the group fails as a whole, each order is tried alone. */
  const completeGroup = (group: ReadonlyArray<SplitOrder>): Effect.Effect<ReadonlyArray<string>, DbError> =>
    complete(group).pipe(
      Effect.catch((error: DbError) => {
        if (group.length > 1 && (!error.isGeneral || tookTooLong(error))) {
          return Effect.map(
            Effect.forEach(group, (order) => completeGroup([order])),
            (done) => done.flat()
          )
        }
        if (error.isGeneral) return Effect.fail(error)
        const failures = group.map(({ plan, claimVersion }) => ({
          id: plan.orderId,
          status: "FAILED" as const,
          claimVersion,
          reason: because("internal_error", error.message)
        }))
        return Effect.gen(function* () {
          yield* orders.failSplits(failures, yield* DateTime.now)
          for (const { id, reason } of failures) {
            telemetry.orderReason(reason.code)
            yield* Effect.logError(`Order failed: ${reason.text}`).pipe(
              annotateOrder({ id }),
              annotateReason(reason.code)
            )
          }
          return []
        })
      })
    )

  return (splits: ReadonlyArray<SplitOrder>): Effect.Effect<ReadonlyArray<string>, DbError> =>
    Effect.map(Effect.forEach(groupsOf(splits), completeGroup), (done) => done.flat())
})

/** The most slices that one statement inserts, unless a single order has more. */
const maxGroup = 5000

const groupsOf = (splits: ReadonlyArray<SplitOrder>): ReadonlyArray<ReadonlyArray<SplitOrder>> => {
  const groups: Array<Array<SplitOrder>> = []
  let size = Infinity
  for (const split of splits) {
    size += split.plan.slices.length
    if (size > maxGroup) {
      groups.push([])
      size = split.plan.slices.length
    }
    groups.at(-1)?.push(split)
  }
  return groups
}

/** Whether a statement timed out: on the server (57014), or at the client without an answer. */
const tookTooLong = (error: DbError): boolean => error.sqlState === "57014" || error.sqlState === null
