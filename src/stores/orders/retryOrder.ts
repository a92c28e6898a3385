import { type DateTime, Effect, Option } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import { UnsplitOrder } from "../../domain/lifecycle/retryOrder.ts"
import { Id } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { orderColumns, text } from "../sql/orderColumns.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { shownTime } from "../sql/shownTime.ts"

/* The command `order retry`. */

/** The order, with what decides whether it may be split again. */
export const unsplit =
  ({ sql, queryOption }: Db["Service"]) =>
  (orderId: string): Effect.Effect<Option.Option<UnsplitOrder>, DbError> =>
    queryOption(
      "OrderCommands.unsplit",
      UnsplitOrder,
      sql`
        SELECT ${sql.literal(orderColumns)}, ${sql.literal(["request_id", "origin_trace_id"].map(text).join(", "))},
          o.order_queue_status, o.reason_code, o.cancel_requested_at IS NOT NULL AS is_cancelled, o.claim_version,
          EXISTS (SELECT FROM slice_plan WHERE order_number = o.number) OR EXISTS (SELECT FROM order_plans WHERE order_id = o.id)
            AS is_split,
          (extract(epoch FROM ${sql.literal(shownTime("coalesce(o.restarted_at, o.created_at)"))}) * 1000)::float8 AS start_millis
        FROM orders o WHERE id = ${orderId}`
    )

/**
 * FAILED → PENDING with a raised claim_version, for an order that is as it was read, so that no earlier owner of it writes
 * anything; false if it has changed. `startsAt` is when its window begins; null for when it began before.
 */
export const retry =
  ({ sql, queryOption }: Db["Service"]) =>
  (
    { id, claimVersion }: Pick<UnsplitOrder, "id" | "claimVersion">,
    startsAt: DateTime.Utc | null,
    asked: Asked,
    now: DateTime.Utc
  ): Effect.Effect<boolean, DbError> =>
    queryOption(
      "OrderCommands.retry",
      Id,
      sql`
        WITH before AS MATERIALIZED (
          SELECT id, status_reason, reason_code FROM orders WHERE id = ${id}
        ), again AS (
          UPDATE orders o SET
            order_queue_status = 'PENDING', status_reason = ${`to be split again by ${asked.by}: ${asked.reason}`},
            reason_code = ${reasonCode(sql, "retried_by_operator")}, claim_version = o.claim_version + 1, split_attempts = 0,
            claimed_by = NULL, claimed_at = NULL, claimed_layout = NULL, calendar_market = NULL, calendar_until = NULL,
            restarted_at = coalesce(${startsAt === null ? null : instant(startsAt)}::timestamptz, o.restarted_at),
            updated_at = ${instant(now)}
          WHERE o.id = ${id} AND o.order_queue_status = 'FAILED' AND o.claim_version = ${claimVersion}::int
            AND o.cancel_requested_at IS NULL
          RETURNING o.id
        ), recorded AS (${insertActions(
          sql,
          { name: "order retry", asked, now },
          sql`
            SELECT id, NULL::text, jsonb_build_object('was', 'FAILED', 'because', status_reason, 'code', reason_code,
              'starts_at', ${startsAt === null ? null : instant(startsAt)}::timestamptz)
            FROM again JOIN before USING (id)`
        )})
        SELECT id, pg_notify(${channel}, 'orders') FROM again`
    ).pipe(Effect.map(Option.isSome))
