import { type DateTime, type Effect, Schema } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { OrderQueueStatus } from "../../domain/model/Order.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { isClaimable, isToSplit } from "../sql/conditions.ts"
import { reasonCode } from "../sql/reasonCode.ts"

const ReleasedOrder = Schema.Struct({
  id: Schema.String,
  orderQueueStatus: OrderQueueStatus,
  statusReason: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode
})

/**
 * Releases, refuses or ignores up to 1000 orders that no splitter would come to: {@link OrderStore}. An order that another
 * program has inserted as IN_PROGRESS or DONE is marked by the trigger `orders_arriving`; one statement finds all three kinds.
 */
export const releaseStuck =
  ({ sql, query }: Db["Service"]) =>
  (options: {
    readonly now: DateTime.Utc
    readonly claimedBefore: DateTime.Utc
    readonly maxAttempts: number
  }): Effect.Effect<ReadonlyArray<typeof ReleasedOrder.Type>, DbError> => {
    const hasArrived = sql`arrived_as IS NOT NULL`
    // No daemon claims in the future: another program has written it.
    const hasStuckClaim = sql`
      order_queue_status = 'IN_PROGRESS' AND (claimed_at < ${instant(options.claimedBefore)} OR claimed_at IS NULL
        OR claimed_at > ${instant(options.now)}::timestamptz + interval '1 day')`
    const isNeverClaimed = sql`${isToSplit(sql)} AND NOT ${isClaimable(sql)}`
    const timedOut = sql`
      'attempt ' || o.split_attempts || ' of ' || ${options.maxAttempts}::int || ' to split it, by '
        || coalesce(o.claimed_by, 'nobody') || ', did not end within ORDER_SPLIT_TIMEOUT_MINUTES'`
    return query(
      "OrderStore.releaseStuck",
      ReleasedOrder,
      sql`
        WITH stuck AS MATERIALIZED (
          SELECT id,
            CASE
              -- A row that was restored from a backup comes with its plan and its slices.
              WHEN arrived_as IS NOT NULL AND (EXISTS (SELECT FROM order_plans WHERE order_id = orders.id)
                OR EXISTS (SELECT FROM slice_plan WHERE order_number = orders.number)) THEN 'restored'
              WHEN arrived_as IS NOT NULL THEN 'arrived'
              WHEN NOT ${isClaimable(sql)} THEN 'unclaimable'
              WHEN split_attempts < ${options.maxAttempts}::int THEN 'retried'
              ELSE 'exhausted'
            END AS what
          FROM orders
          -- Each part of the list reads its own index. The conditions stand here too, because a row that has changed
          -- before it was locked is compared with these alone.
          WHERE id IN (SELECT id FROM orders WHERE ${hasStuckClaim} UNION ALL SELECT id FROM orders WHERE ${isNeverClaimed}
              UNION ALL SELECT id FROM orders WHERE ${hasArrived})
            AND ((${hasStuckClaim}) OR (${isNeverClaimed}) OR ${hasArrived})
          LIMIT 1000
          FOR UPDATE SKIP LOCKED
        ), changed AS (
          UPDATE orders o SET
            order_queue_status = CASE
              WHEN stuck.what = 'retried' THEN 'PENDING'
              WHEN stuck.what IN ('restored', 'arrived') AND o.order_queue_status = 'DONE' THEN 'DONE'
              ELSE 'FAILED' END,
            status_reason = CASE stuck.what
              WHEN 'restored' THEN o.status_reason
              WHEN 'arrived' THEN 'order_queue_status: must be PENDING when the order is inserted, not ' || o.arrived_as
                || '; the order is ignored'
              WHEN 'unclaimable' THEN 'claim_version or split_attempts: must be left to this service, and is negative or at its maximum'
              WHEN 'retried' THEN ${timedOut}
              ELSE ${timedOut} || ': see that daemon''s log, then split it again with order retry' END,
            reason_code = CASE stuck.what
              WHEN 'restored' THEN o.reason_code
              WHEN 'arrived' THEN ${reasonCode(sql, "not_pending")}
              WHEN 'unclaimable' THEN ${reasonCode(sql, "invalid_order")}
              WHEN 'retried' THEN ${reasonCode(sql, "split_timed_out")}
              ELSE ${reasonCode(sql, "split_attempts_exhausted")} END,
            arrived_as = NULL, claimed_by = NULL, claimed_at = NULL, claimed_layout = NULL,
            calendar_market = NULL, calendar_until = NULL, updated_at = ${instant(options.now)}
          FROM stuck
          WHERE o.id = stuck.id
          RETURNING o.id, o.order_queue_status, o.status_reason, o.reason_code, stuck.what
        )
        SELECT id, order_queue_status, status_reason, reason_code FROM changed WHERE what <> 'restored'`
    )
  }
