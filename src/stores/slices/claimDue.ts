import type { DateTime, Effect } from "effect"
import type { Db, Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import type { Readable } from "../../db/Readable.ts"
import type { MarketLimits } from "../../domain/limits/marketLimits.ts"
import { maxQuantity } from "../../domain/model/Order.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import type { ServerPosition } from "../../domain/operations/serverHistory.ts"
import { marketFacts } from "../account/QuoteStore.ts"
import { claimableFormat, isHalted, isWindowOver } from "../sql/conditions.ts"
import { settledHistory } from "../sql/history.ts"
import { claimedColumns, columnNames, makeDecodeClaimed } from "./claimedSlices.ts"

export interface ClaimOptions {
  readonly now: DateTime.Utc
  readonly horizon: DateTime.Utc
  readonly leaseExpiresAt: DateTime.Utc
  readonly owner: string
  readonly limit: number
  /** A slice that was claimed: only those behind it. */
  readonly after?: Pick<ClaimedSlice, "notBeforeMillis" | "key"> | null
  readonly from?: DateTime.Utc | null
  readonly isLatestFirst?: boolean
  /** False without a trading calendar: slices that were planned with one are left to other daemons. */
  readonly keepsHours?: boolean
  readonly quotes?: Pick<MarketLimits, "volumePeriod" | "quoteAge"> | null
  /** What this daemon has seen of the server's history; null if nothing yet. */
  readonly seen?: ServerPosition | null
}

const dueFrom = (sql: Sql, from: DateTime.Utc | null) =>
  from === null ? sql.literal("") : sql`AND due_at >= ${instant(from)}`

/** `to_timestamp` rounds a double to the microsecond that it is nearest to. */
const laterThan = (sql: Sql, after: ClaimOptions["after"]) =>
  after === null || after === undefined
    ? sql.literal("")
    : sql`AND (due_at, slice) > (to_timestamp(${after.notBeforeMillis / 1000}::float8), ${after.key}::float8::bigint)`

/** What limits on quotes and values need to know of the slices. */
const market = {
  instrument: ", slice_instrument(facts) AS instrument",
  source: "picked LEFT JOIN facts m ON m.instrument = picked.instrument",
  answer: `json_build_object(
    'listPrice', CASE WHEN q.is_unpriced
      THEN (SELECT last_price FROM instruments i WHERE i.instrument = picked.instrument)::text END,
    'lastPrice', m.last_price::text, 'lastPriceMillis', m.last_price_millis,
    'recentVolume', m.recent_volume, 'recentVolumeMillis', m.recent_volume_millis)::text`
}
const noMarket = { instrument: "", source: "picked", answer: "NULL::text" }

/**
 * Claims due slices: one row in slice_claims for all of them, and a new version for each. Nothing is claimed unless the server's
 * history is settled, and no version is lower than one of a history that was lost. See SliceStore.
 */
export const claimDue = ({ sql, queryValues }: Db["Service"]) => {
  const decodeClaimed = makeDecodeClaimed()
  return (options: ClaimOptions): Effect.Effect<Readable<ClaimedSlice>, DbError> => {
    const { quotes = null } = options
    const { instrument, source, answer } = quotes === null ? noMarket : market
    return queryValues(
      "SliceStore.claimDue",
      columnNames,
      decodeClaimed(options.leaseExpiresAt),
      sql`
        WITH history AS MATERIALIZED (${settledHistory(sql, options.seen ?? null)}
        ), picked AS MATERIALIZED (
          SELECT slice, due_at${sql.literal(instrument)} FROM slice_queue
          WHERE NOT is_held AND claim = 0 AND due_at <= ${instant(options.horizon)}
            ${laterThan(sql, options.after)} ${dueFrom(sql, options.from ?? null)}
            AND NOT ${isWindowOver(sql, options.now)}
            AND format = ${claimableFormat} AND (NOT keeps_hours OR ${options.keepsHours ?? true})
            AND (stale_at IS NULL OR stale_at >= ${instant(options.now)}) AND version < ${maxQuantity}::int
            AND NOT ${isHalted(sql)} AND EXISTS (SELECT FROM history)
          ORDER BY ${sql.literal(options.isLatestFirst ? "due_at DESC, slice DESC" : "due_at, slice")}
          LIMIT ${options.limit}
          FOR UPDATE SKIP LOCKED
        ), lease AS (
          INSERT INTO slice_claims (owner, claimed_at, lease_expires_at, first_due_at, last_due_at)
          SELECT ${options.owner}, ${instant(options.now)}::timestamptz, ${instant(options.leaseExpiresAt)}::timestamptz,
            min(due_at), max(due_at)
          FROM picked HAVING count(*) > 0
          RETURNING id
        )${quotes === null ? sql.literal("") : sql`, ${marketFacts(sql, { ...quotes, now: options.now })}`}
        UPDATE slice_queue q SET claim = lease.id, version = greatest(q.version, history.version_base) + 1
        FROM ${sql.literal(source)} CROSS JOIN lease CROSS JOIN history
        WHERE q.slice = picked.slice
        RETURNING ${claimedColumns(sql, sql.literal(answer))}`
    )
  }
}
