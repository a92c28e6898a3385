import { DateTime, type Duration, type Effect, Schema } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { durationMillis, instant } from "../../db/parameters.ts"
import type { Readable } from "../../db/Readable.ts"
import { overBeforeSplit } from "../../domain/lifecycle/orderState.ts"
import { ArrivedOrder } from "../../domain/lifecycle/validateOrder.ts"
import type { PerVenue } from "../../domain/market/Venue.ts"
import { longestAhead, OrderQueueStatus } from "../../domain/model/Order.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { isClaimable, isToSplit, waitingForKnownDays } from "../sql/conditions.ts"
import { orderColumns, text } from "../sql/orderColumns.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { tableLayout } from "../sql/tableLayout.ts"

/** A claimed order as its row was found, before any validation. */
export const ClaimedOrder = Schema.Struct({
  ...ArrivedOrder.fields,
  claimVersion: Schema.Int,
  orderQueueStatus: OrderQueueStatus,
  statusReason: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode,
  /** When its window begins, in milliseconds since 1970; null when that is more than a year from now, or infinite. */
  startsMillis: Schema.NullOr(Schema.Number),
  /** Its window begins when a person said, not at created_at. */
  isRestarted: Schema.Boolean
})
export type ClaimedOrder = typeof ClaimedOrder.Type

interface ClaimOptions {
  readonly now: DateTime.Utc
  readonly owner: string
  readonly limit: number
  readonly isNewestFirst?: boolean
  readonly windowGrace: Duration.Duration | null
  /** The last days that this daemon's trading calendar knows; null without a calendar. */
  readonly knownUntil: PerVenue<string> | null
}

/**
 * Claims up to `limit` PENDING orders, oldest first unless `isNewestFirst`: → IN_PROGRESS; → SKIPPED if the order was
 * cancelled or its window ended more than `windowGrace` ago; → DONE if it was split before. With a null grace no window
 * is over, because windows in trading hours are not measured on the wall clock.
 *
 * Orders that wait for the trading calendar come last, and only those that wait for days which this daemon's calendar knows and
 * that of the daemon which looked at them did not. So no daemon looks at an order twice with the same calendar.
 */
export const claimPending =
  ({ sql, queryReadable }: Db["Service"]) =>
  (options: ClaimOptions): Effect.Effect<Readable<ClaimedOrder>, DbError> => {
    const found = sql.literal(
      "id, number, coalesce(restarted_at, created_at) AS starts_at, duration_minutes, cancel_requested_at"
    )
    return queryReadable(
      "OrderStore.claimPending",
      ClaimedOrder,
      sql`
        WITH found AS MATERIALIZED (
          SELECT * FROM (
            SELECT ${found} FROM orders WHERE ${isToSplit(sql)} AND ${isClaimable(sql)}
            ORDER BY ${sql.literal(options.isNewestFirst ? "created_at DESC, id DESC" : "created_at, id")}
            LIMIT ${options.limit}
            FOR UPDATE SKIP LOCKED
          ) fresh
          UNION ALL
          SELECT waiting.* FROM ${waitingForKnownDays(
            sql,
            options.knownUntil,
            (isWaiting, inTurn) => sql`
              SELECT ${found} FROM orders WHERE ${isWaiting} AND ${isClaimable(sql)}
              ORDER BY ${inTurn}
              LIMIT ${options.limit}
              FOR UPDATE SKIP LOCKED`
          )}
          LIMIT ${options.limit}
        ), picked AS (
          SELECT id, starts_at,
            -- An order that has slices was set back to PENDING after its split.
            EXISTS (SELECT FROM slice_plan WHERE order_number = found.number) AS is_split,
            CASE
              WHEN cancel_requested_at IS NOT NULL THEN 'cancelled before the split'
              WHEN duration_minutes BETWEEN 0 AND 1440
                -- Subtracted from now: an addition to the start overflows for the last times that PostgreSQL can hold.
                AND starts_at < ${instant(options.now)}::timestamptz
                  - round(least(greatest(duration_minutes, 0), 1440), 6)::float8 * interval '1 minute'
                  - ${options.windowGrace === null ? null : durationMillis(options.windowGrace)}::float8 * interval '1 millisecond'
                THEN ${overBeforeSplit.text}::text
            END AS skip_reason
          FROM found
        )
        UPDATE orders o SET
          order_queue_status = CASE WHEN p.is_split THEN 'DONE' WHEN p.skip_reason IS NULL THEN 'IN_PROGRESS' ELSE 'SKIPPED' END,
          status_reason = CASE WHEN p.is_split THEN 'it was split before, and is not split again' ELSE p.skip_reason END,
          reason_code = CASE WHEN p.is_split THEN ${reasonCode(sql, "already_split")}
            WHEN p.skip_reason IS NULL THEN NULL
            WHEN o.cancel_requested_at IS NOT NULL THEN ${reasonCode(sql, "order_cancelled")}
            ELSE ${reasonCode(sql, "window_over")} END,
          claimed_layout = CASE WHEN NOT p.is_split AND p.skip_reason IS NULL THEN ${tableLayout}::int END,
          claim_version = o.claim_version + 1,
          split_attempts = o.split_attempts + 1,
          claimed_by = ${options.owner},
          claimed_at = ${instant(options.now)},
          calendar_market = NULL,
          calendar_until = NULL,
          updated_at = ${instant(options.now)}
        FROM picked p
        WHERE o.id = p.id
        RETURNING ${sql.literal(orderColumns)}, o.claim_version, o.order_queue_status, o.status_reason, o.reason_code,
          ${sql.literal(["request_id", "origin_trace_id"].map(text).join(", "))},
          CASE WHEN p.starts_at BETWEEN ${instant(DateTime.subtractDuration(options.now, longestAhead))}::timestamptz
              AND ${instant(DateTime.addDuration(options.now, longestAhead))}::timestamptz
            THEN (extract(epoch FROM p.starts_at) * 1000)::float8 END AS starts_millis, o.restarted_at IS NOT NULL AS is_restarted`
    )
  }
