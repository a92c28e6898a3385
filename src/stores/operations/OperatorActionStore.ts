import { Context, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"

/** One command of an operator that changed something. */
export const OperatorAction = Schema.Struct({
  at: Schema.DateTimeUtcFromDate,
  operator: Schema.String,
  /** The command, such as `order pause`. */
  action: Schema.String,
  reason: Schema.String,
  orderId: Schema.NullOr(Schema.String),
  sliceId: Schema.NullOr(Schema.String),
  /** The slice's number within its order; null once it is pruned. */
  sequenceNumber: Schema.NullOr(Schema.Int),
  details: Schema.Record(Schema.String, Schema.Unknown)
})
export type OperatorAction = typeof OperatorAction.Type

/**
 * The audit of what operators changed. Each row is written by `insertActions` in the statement that makes the change, and
 * never changed. Read by the commands.
 */
export class OperatorActionStore extends Context.Service<
  OperatorActionStore,
  {
    /** The newest `limit` actions, newest first: those of one order, or all when `orderId` is null. */
    readonly list: (orderId: string | null, limit: number) => Effect.Effect<ReadonlyArray<OperatorAction>, DbError>
  }
>()("pulse-background/OperatorActionStore") {
  static readonly layer: Layer.Layer<OperatorActionStore, never, Db> = Layer.effect(
    OperatorActionStore,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      return OperatorActionStore.of({
        list: (orderId, limit) =>
          query(
            "OperatorActionStore.list",
            OperatorAction,
            sql`
              SELECT a.at, a.operator, a.action, a.reason, a.order_id, a.slice_id, a.details,
                (p.slice & 1048575)::int AS sequence_number
              FROM operator_actions a LEFT JOIN slice_plan p ON p.id = a.slice_id
              WHERE ${orderId}::text IS NULL OR a.order_id = ${orderId}
              ORDER BY a.id DESC LIMIT ${limit}`
          )
      })
    })
  )
}
