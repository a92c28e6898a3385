import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db, type DbError } from "../db/Db.ts"
import { instant } from "../db/parameters.ts"
import { OrderId } from "../domain/Ids.ts"
import { defaultMaxLatenessSeconds } from "../domain/Order.ts"

const Respread = Schema.Struct({ orderId: OrderId, moved: Schema.Int, skipped: Schema.Int })

/** What becomes of SCHEDULED slices that nobody placed in time, or that nobody wants any more. */
export class OverdueStore extends Context.Service<
  OverdueStore,
  {
    /**
     * Gives all SCHEDULED slices of orders with the policy RESPREAD new times, when one of them was not sent in time: evenly
     * over what is left of the window, but never closer than a third of the planned interval, so that no outage ends in
     * a burst. What then no longer fits becomes SKIPPED. Returns how many slices of which orders moved or were skipped.
     */
    readonly respread: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<typeof Respread.Type>, DbError>

    /** SCHEDULED → SKIPPED for slices that may no longer be placed: window over, or order cancelled. */
    readonly skipStale: (now: DateTime.Utc, reason: string) => Effect.Effect<ReadonlyArray<string>, DbError>
    readonly skipCancelled: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<string>, DbError>
  }
>()("pulse-background/OverdueStore") {
  static readonly layer: Layer.Layer<OverdueStore, never, Db> = Layer.effect(
    OverdueStore,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      return OverdueStore.of({
        skipStale: Effect.fn("OverdueStore.skipStale")((now, reason) =>
          query(
            "OverdueStore.skipStale",
            Schema.Struct({ id: Schema.String }),
            sql`
              UPDATE order_slices SET stage = 'SKIPPED', stage_reason = ${reason}, updated_at = ${instant(now)}
              WHERE stage = 'SCHEDULED' AND not_before <= ${instant(now)} AND not_after < ${instant(now)}
              RETURNING id`
          ).pipe(Effect.map((rows) => rows.map((row) => row.id)))
        ),

        respread: Effect.fn("OverdueStore.respread")((now) =>
          query(
            "OverdueStore.respread",
            Respread,
            sql`
              WITH late AS MATERIALIZED (
                SELECT DISTINCT order_id FROM order_slices
                WHERE stage = 'SCHEDULED' AND stale_at < ${instant(now)} AND NOT is_held
              ), rest AS MATERIALIZED (
                SELECT s.id, s.order_id, s.sequence_number FROM order_slices s JOIN late USING (order_id)
                WHERE s.stage = 'SCHEDULED' FOR UPDATE OF s SKIP LOCKED
              ), windows AS (
                SELECT s.order_id, max(s.scheduled_at) AS ends_at,
                  (max(s.scheduled_at) - min(s.scheduled_at)) / greatest(count(*) - 1, 1) / 3.0 AS least_gap
                FROM order_slices s JOIN late USING (order_id) GROUP BY s.order_id
              ), spread AS (
                SELECT rest.id, ${instant(now)}::timestamptz
                  + (row_number() OVER w - 1) * greatest(least_gap,
                    (ends_at - ${instant(now)}::timestamptz) / greatest(count(*) OVER (PARTITION BY rest.order_id) - 1, 1)) AS at
                FROM rest JOIN windows USING (order_id)
                WINDOW w AS (PARTITION BY rest.order_id ORDER BY rest.sequence_number)
              ), moved AS (
                UPDATE order_slices s SET
                  stage = CASE WHEN spread.at > s.not_after THEN 'SKIPPED' ELSE 'SCHEDULED' END,
                  stage_reason = CASE WHEN spread.at > s.not_after THEN 'too late: no room for it in what is left of the window'
                    ELSE 'spread anew: slices before it were late' END,
                  not_before = greatest(s.scheduled_at, spread.at),
                  stale_at = greatest(s.scheduled_at, spread.at)
                    + coalesce(o.max_lateness_seconds, ${defaultMaxLatenessSeconds}::int) * interval '1 second',
                  updated_at = ${instant(now)}
                FROM spread, orders o
                WHERE s.id = spread.id AND o.id = s.order_id
                RETURNING s.order_id, s.stage
              )
              SELECT order_id, count(*) FILTER (WHERE stage = 'SCHEDULED')::int AS moved,
                count(*) FILTER (WHERE stage = 'SKIPPED')::int AS skipped
              FROM moved GROUP BY order_id`
          )
        ),

        skipCancelled: Effect.fn("OverdueStore.skipCancelled")((now) =>
          query(
            "OverdueStore.skipCancelled",
            Schema.Struct({ id: Schema.String }),
            sql`
              UPDATE order_slices s SET stage = 'SKIPPED', stage_reason = 'order cancelled', updated_at = ${instant(now)}
              FROM orders o
              WHERE o.cancel_requested_at >= ${instant(now)}::timestamptz - interval '3 days'
                AND o.id = s.order_id AND s.stage = 'SCHEDULED'
              RETURNING s.id`
          ).pipe(Effect.map((rows) => rows.map((row) => row.id)))
        )
      })
    })
  )
}
