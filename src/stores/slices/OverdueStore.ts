import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { isWindowOver } from "../sql/conditions.ts"

/** What becomes of SCHEDULED slices that nobody placed in time, or that nobody wants any more; up to `limit` at a time. */
export class OverdueStore extends Context.Service<
  OverdueStore,
  {
    /** SCHEDULED → SKIPPED for slices that may no longer be placed: window over, or order cancelled. */
    readonly skipStale: (
      now: DateTime.Utc,
      reason: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<string>, DbError>
    readonly skipCancelled: (now: DateTime.Utc, limit: number) => Effect.Effect<ReadonlyArray<string>, DbError>
  }
>()("pulse-background/OverdueStore") {
  static readonly layer: Layer.Layer<OverdueStore, never, Db> = Layer.effect(
    OverdueStore,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      return OverdueStore.of({
        skipStale: (now, reason, limit) =>
          query(
            "OverdueStore.skipStale",
            Schema.Struct({ id: Schema.String }),
            sql`
              WITH picked AS MATERIALIZED (
                SELECT id FROM order_slices
                WHERE stage = 'SCHEDULED' AND is_held IN (false, true) AND not_before <= ${instant(now)} AND ${isWindowOver(sql, now)}
                LIMIT ${limit}
                FOR UPDATE SKIP LOCKED
              )
              UPDATE order_slices s SET stage = 'SKIPPED', stage_reason = ${reason}, updated_at = ${instant(now)}
              FROM picked WHERE s.id = picked.id
              RETURNING s.id`
          ).pipe(Effect.map((rows) => rows.map((row) => row.id))),

        skipCancelled: (now, limit) =>
          query(
            "OverdueStore.skipCancelled",
            Schema.Struct({ id: Schema.String }),
            sql`
              WITH picked AS MATERIALIZED (
                SELECT s.id FROM order_slices s JOIN orders o ON o.id = s.order_id
                WHERE o.cancel_requested_at >= ${instant(now)}::timestamptz - interval '3 days' AND s.stage = 'SCHEDULED'
                LIMIT ${limit}
                FOR UPDATE OF s SKIP LOCKED
              )
              UPDATE order_slices s SET stage = 'SKIPPED', stage_reason = 'order cancelled', updated_at = ${instant(now)}
              FROM picked WHERE s.id = picked.id
              RETURNING s.id`
          ).pipe(Effect.map((rows) => rows.map((row) => row.id)))
      })
    })
  )
}
