import { DateTime, Effect, Option, Result, Schema } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import { EndedSlice, type Retry, type RetryOptions, retrySlice } from "../../domain/lifecycle/retrySlice.ts"
import { defaultMaxLatenessSeconds } from "../../domain/model/Order.ts"
import { atInstant, dueInQueue } from "../sql/dueInQueue.ts"
import { Id } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { takeResults } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"

/* The command `slice retry`. */

/** The slice must not be sent again; the reason says why. Nothing was changed. */
export class CannotRetry extends Schema.TaggedError<CannotRetry>()("CannotRetry", {
  sliceId: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Slice ${this.sliceId} is not sent again: ${this.reason}. Nothing was changed.`
  }
}

export const retry =
  (db: Db["Service"]) =>
  (id: string, options: RetryOptions, asked: Asked): Effect.Effect<Retry, CannotRetry | DbError> =>
    db.transaction(
      "SliceCommands.retry",
      Effect.gen(function* () {
        const cannot = (reason: string) => new CannotRetry({ sliceId: id, reason })
        yield* lockOrderOf(db, id)
        const found = yield* readEnded(db, id)
        if (Option.isNone(found)) return yield* cannot("there is no such slice")
        const slice = found.value
        const decided = retrySlice(slice, options)
        if (Result.isFailure(decided)) return yield* cannot(decided.failure)
        yield* reopenOrder(db, slice, options.now)
        const sent = yield* sendAgain(db, slice, decided.success, asked, options.now)
        if (Option.isNone(sent)) return yield* cannot("it changed at the same moment: look at it again")
        return decided.success
      })
    )

/** Serialises the retry with a cancel, a hold or a new plan of the order, which lock it too. */
const lockOrderOf = ({ sql, execute }: Db["Service"], id: string) =>
  execute(
    "SliceCommands.lockOrderOf",
    sql`SELECT id FROM orders WHERE number = (SELECT order_number FROM slice_plan WHERE id = ${id}) FOR UPDATE`
  )

const readEnded = ({ sql, queryOption }: Db["Service"], id: string) =>
  queryOption(
    "SliceCommands.readEnded",
    EndedSlice,
    sql`
      SELECT s.id, s.order_id, s.stage, s.stage_reason, s.claim_version, s.broker_order_id, s.filled_quantity, s.replaced_by,
        s.carried_quantity, s.in_doubt_at, s.claimed_at, s.scheduled_at, s.not_after, s.stale_at IS NOT NULL AS is_spread_anew,
        EXISTS (SELECT FROM double_placements WHERE tag = s.tag) AS is_double,
        (SELECT max(revision) FROM order_plans WHERE order_id = o.id AND cause = 'AMENDMENT' AND s.is_waived
          AND created_at >= s.updated_at) AS waived_by,
        o.order_queue_status, o.cancel_requested_at IS NOT NULL AS is_cancelled,
        o.lateness_policy = 'SKIP' AS is_skipped_late,
        coalesce(o.max_lateness_seconds, ${defaultMaxLatenessSeconds}::int)::float8 AS max_lateness_seconds,
        (SELECT completes_at FROM order_plans WHERE order_id = o.id ORDER BY revision DESC LIMIT 1) AS completes_at
      FROM slice_rows s JOIN orders o ON o.id = s.order_id
      WHERE s.id = ${id}`
  )

/** Makes a finished order unfinished, because a slice of it is sent again. */
const reopenOrder = ({ sql, execute }: Db["Service"], { orderId }: EndedSlice, now: DateTime.Utc) =>
  execute(
    "SliceCommands.reopenOrder",
    sql`
      UPDATE orders SET
        status_reason = CASE WHEN settled_at IS NULL THEN status_reason END,
        reason_code = CASE WHEN settled_at IS NULL THEN reason_code END, settled_at = NULL, updated_at = ${instant(now)}
      WHERE id = ${orderId}`
  )

/** Moves the slice back to the queue, and notifies; none if it is not there as it was read. */
const sendAgain = (
  { sql, queryOption }: Db["Service"],
  slice: EndedSlice,
  { isLookedUpFirst, notAfter, notBefore, staleAt }: Retry,
  asked: Asked,
  now: DateTime.Utc
) =>
  queryOption(
    "SliceCommands.sendAgain",
    Id,
    sql`
      WITH ended AS MATERIALIZED (
        SELECT s.slice AS key, s.id, s.order_id, s.tag, s.scheduled_at,
          -- scheduled_at has microseconds and parameters have milliseconds, so a rounded time may be too early.
          ${dueInQueue(sql, sql`greatest(${instant(notBefore)}, s.scheduled_at)`, atInstant(sql, now))} AS again_at,
          s.market IS NOT NULL AS keeps_hours, s.limit_price IS NULL AND o.reference_price IS NULL AS is_unpriced,
          o.hold_reason IS NOT NULL AS is_held, slice_format(s.order_type, s.product_type, s.validity) AS format,
          slice_facts(s.order_id, s.instrument, s.side, s.order_type, s.limit_price, s.product_type, s.validity, s.request_id,
            s.trace_id, s.market, o.reference_price, o.algo_id) AS facts,
          (SELECT max(revision) FROM order_plans WHERE order_id = o.id) AS revision
        FROM slice_rows s JOIN orders o ON o.id = s.order_id
        WHERE s.id = ${slice.id} AND s.stage = ${slice.stage}
      ), gone AS (${takeResults(sql, {
        using: sql`ended e`,
        where: sql`r.slice = e.key AND r.version = ${slice.claimVersion}`,
        more: sql`e.*`
      })}), again AS (
        INSERT INTO slice_queue (
          slice, due_at, not_after, claim, version, quantity, attempts, format, is_held, keeps_hours, is_unpriced, tag, facts, stale_at,
          scheduled_at, unknown_at, in_doubt_at, placed_at, updated_at, last_claim, window_revision, reason, reason_code, id)
        SELECT slice, again_at, ${instant(notAfter)},
          CASE WHEN ${isLookedUpFirst}::boolean THEN -coalesce(claim, 1) ELSE 0 END,
          version + 1, quantity, 0, format, is_held, keeps_hours, is_unpriced, tag, facts,
          ${staleAt === null ? null : instant(staleAt)}::timestamptz, scheduled_at,
          -- The quarantine begins anew with the retry.
          CASE WHEN ${isLookedUpFirst}::boolean THEN ${instant(now)}::timestamptz END,
          in_doubt_at, placed_at, ${instant(now)}, claim, revision,
          ${`retried by ${asked.by} for ${DateTime.formatIso(notBefore)}: ${asked.reason}`},
          ${reasonCode(sql, "retried_by_operator")}, id
        FROM gone
      ), recorded AS (${insertActions(
        sql,
        { name: "slice retry", asked, now },
        sql`
          SELECT order_id, id, jsonb_build_object('was', ${slice.stage}::text, 'because', ${slice.stageReason}::text,
            'not_before', again_at, 'looked_up_first', ${isLookedUpFirst}::boolean)
          FROM gone`
      )})
      SELECT id, pg_notify(${channel}, 'slices') FROM gone`
  )
