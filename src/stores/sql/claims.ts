import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"

/**
 * The slices of the claims `c` that `where` names, with their claim's lease: `slice`, `due_at`, `owner`, `lease_expires_at`.
 * Found by the claim's due times, because no index has what a claim changes.
 */
const slicesOfClaims = (sql: Sql, where: Fragment, limit: number): Fragment => sql`
  SELECT q.slice, q.due_at, c.owner, c.lease_expires_at
  FROM slice_claims c CROSS JOIN LATERAL (
    SELECT slice, due_at FROM slice_queue
    WHERE NOT is_held AND due_at BETWEEN c.first_due_at AND c.last_due_at AND claim = c.id
    ORDER BY due_at, slice LIMIT ${limit}
  ) q
  WHERE NOT c.is_over AND ${where}`

/** Claimed slices whose lease is over at `now`: in doubt, and their owner has not said so. Those that lapsed first come first. */
const lapsedSlices = (sql: Sql, now: DateTime.Utc, limit: number): Fragment => sql`
  (${slicesOfClaims(sql, sql`c.lease_expires_at <= ${instant(now)}`, limit)} ORDER BY c.lease_expires_at LIMIT ${limit})`

/** Claimed slices in a worker's hands. */
export const slicesInHand = (sql: Sql, now: DateTime.Utc, limit: number): Fragment => sql`
  (${slicesOfClaims(sql, sql`c.lease_expires_at > ${instant(now)}`, limit)} ORDER BY q.due_at, q.slice LIMIT ${limit})`

/** The part `ended` of a WITH: the claims whose lease is over at `now` and that are not closed. */
export const endedClaims = (sql: Sql, now: DateTime.Utc): Fragment => sql`
  ended AS MATERIALIZED (
    SELECT id, first_due_at, last_due_at FROM slice_claims WHERE NOT is_over AND lease_expires_at <= ${instant(now)}
  )`

/**
 * A row of slice_queue is claimed, and due when the slices of `ended` are. For all of these claims at once, because many may have
 * slices of the same due time.
 */
export const isDueAsEnded = (sql: Sql): Fragment => sql`(
  NOT is_held AND claim > 0
  AND due_at BETWEEN (SELECT min(first_due_at) FROM ended) AND (SELECT max(last_due_at) FROM ended))`

/** Slices in doubt, and since when, those longest in doubt first: `slice`, `since`. */
export const slicesInDoubt = (sql: Sql, now: DateTime.Utc, limit: number): Fragment => sql`
  (SELECT slice, since FROM (
    (SELECT slice, unknown_at AS since FROM slice_queue WHERE unknown_at IS NOT NULL ORDER BY unknown_at LIMIT ${limit})
    UNION ALL
    SELECT slice, lease_expires_at FROM ${lapsedSlices(sql, now, limit)} lapsed
  ) doubtful ORDER BY since, slice LIMIT ${limit})`
