import type { DateTime, Effect } from "effect"
import type { Db, Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import type { MarketLimits } from "../../domain/limits/marketLimits.ts"
import type { SliceId } from "../../domain/model/Ids.ts"
import { maxQuantity } from "../../domain/model/Order.ts"
import { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { factColumns, marketFacts } from "../account/QuoteStore.ts"
import { claimableFormat, isHalted, isWindowOver } from "../sql/conditions.ts"

export interface ClaimOptions {
  readonly now: DateTime.Utc
  readonly horizon: DateTime.Utc
  readonly leaseExpiresAt: DateTime.Utc
  readonly owner: string
  readonly limit: number
  readonly after?: SliceId | null
  readonly from?: DateTime.Utc | null
  readonly isLatestFirst?: boolean
  /** False without a trading calendar: slices that were planned with one are left to other daemons. */
  readonly keepsHours?: boolean
  readonly quotes?: Pick<MarketLimits, "volumePeriod" | "quoteAge"> | null
}

const dueFrom = (sql: Sql, from: DateTime.Utc | null) =>
  from === null ? sql.literal("") : sql`AND due_at >= ${instant(from)}`

/** Later than a slice that may have left the queue since. */
const laterThan = (sql: Sql, after: SliceId | null) =>
  after === null
    ? sql.literal("")
    : sql`AND (due_at, slice) > ((SELECT not_before FROM slice_rows WHERE id = ${after}), (SELECT slice FROM slice_plan WHERE id = ${after}))`

/** The part `facts` of a claim's WITH when no limit needs quotes: no rows. */
const noFacts = `
  facts AS (
    SELECT NULL::text AS instrument, NULL::numeric AS last_price, NULL::float8 AS last_price_millis,
      NULL::float8 AS recent_volume, NULL::float8 AS recent_volume_millis
    WHERE false
  )`

/** Claims due slices: one row in slice_claims for all of them, and a new version for each. See SliceStore. */
export const claimDue =
  ({ sql, queryReadable }: Db["Service"]) =>
  (options: ClaimOptions): Effect.Effect<ReadonlyArray<ClaimedSlice>, DbError> =>
    queryReadable(
      "SliceStore.claimDue",
      ClaimedSlice,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT slice, due_at${sql.literal(options.quotes ? ", facts::jsonb->>'instrument' AS instrument" : "")} FROM slice_queue
          WHERE NOT is_held AND claim = 0 AND due_at <= ${instant(options.horizon)}
            ${laterThan(sql, options.after ?? null)} ${dueFrom(sql, options.from ?? null)}
            AND NOT ${isWindowOver(sql, options.now)}
            AND format = ${claimableFormat} AND (NOT keeps_hours OR ${options.keepsHours ?? true})
            AND (stale_at IS NULL OR stale_at >= ${instant(options.now)}) AND version < ${maxQuantity}::int
            AND NOT ${isHalted(sql)}
          ORDER BY ${sql.literal(options.isLatestFirst ? "due_at DESC, slice DESC" : "due_at, slice")}
          LIMIT ${options.limit}
          FOR UPDATE SKIP LOCKED
        ), lease AS (
          INSERT INTO slice_claims (owner, claimed_at, lease_expires_at, first_due_at, last_due_at)
          SELECT ${options.owner}, ${instant(options.now)}::timestamptz, ${instant(options.leaseExpiresAt)}::timestamptz,
            min(due_at), max(due_at)
          FROM picked HAVING count(*) > 0
          RETURNING id
        ), claimed AS (
          UPDATE slice_queue q SET claim = lease.id, version = q.version + 1
          FROM picked, lease
          WHERE q.slice = picked.slice
          RETURNING q.*
        ), ${options.quotes ? marketFacts(sql, { ...options.quotes, now: options.now }) : sql.literal(noFacts)}
        SELECT p.id, f.order_id, q.tag, (q.slice & 1048575)::int AS sequence_number, q.quantity, f.instrument, f.side, f.order_type,
          f.limit_price, f.product_type, f.validity, q.version AS claim_version, q.attempts,
          ceil(extract(epoch FROM q.due_at) * 1000)::float8 AS not_before_millis,
          floor(extract(epoch FROM q.not_after) * 1000)::float8 AS not_after_millis,
          floor(extract(epoch FROM ${instant(options.leaseExpiresAt)}::timestamptz) * 1000)::float8 AS lease_expires_millis,
          ceil(extract(epoch FROM coalesce(q.scheduled_at, q.due_at)) * 1000)::float8 AS scheduled_millis,
          CASE WHEN q.is_unpriced THEN (SELECT last_price FROM instruments i WHERE i.instrument = f.instrument)::text
            ELSE f.reference_price END AS reference_price,
          f.request_id, f.trace_id, f.market, ${sql.literal(factColumns)}
        FROM claimed q
        JOIN slice_plan p ON p.slice = q.slice
        CROSS JOIN LATERAL jsonb_to_record(q.facts::jsonb) AS f (
          order_id text, instrument text, side text, order_type text, limit_price text, product_type text, validity text,
          request_id text, trace_id text, market text, reference_price text)
        LEFT JOIN facts m ON m.instrument = f.instrument`
    )
