import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant, texts } from "../../db/parameters.ts"
import { type PerVenue, venueIds } from "../../domain/market/Venue.ts"
import { maxQuantity } from "../../domain/model/Order.ts"
import { isOfOrder } from "./moves.ts"
import { reasonCode } from "./reasonCode.ts"

/*
 * The states of a slice, of an order and of all placements, each defined once as a condition for the statements of all
 * stores; `domain/model/sliceState.ts` defines the same for rows in memory. The conditions over orders take the alias of their
 * table, where the statement gives it one. The planner uses a partial index only for a condition that contains the index's
 * predicate, so a condition that names an index must keep its text.
 */

const prefixOf = (sql: Sql, alias: string | undefined): Fragment => sql.literal(alias === undefined ? "" : `${alias}.`)

/**
 * In doubt: the slice of the view order_slices may have been placed. Its owner reported an unknown outcome, or its lease is over
 * at `now`. `sql/claims.ts` finds all that are in doubt.
 */
export const isInDoubt = (sql: Sql, now: DateTime.Utc): Fragment =>
  sql`(stage = 'IN_PROGRESS' AND (outcome_unknown_at IS NOT NULL OR lease_expires_at <= ${instant(now)}))`

/**
 * The slice of the view order_slices was open at the broker when the broker's order list ceased to show it: only a person can
 * find out its outcome.
 */
export const isLost = (sql: Sql): Fragment =>
  sql`(stage = 'PROCESSED' AND NOT broker_is_final AND left_book_at IS NOT NULL)`

/**
 * The reason code of a slice of the view order_slices as it is shown: for a claim that ended without an outcome, and for an order
 * that left the broker's list, none is stored. A code without words is of an earlier state: an older daemon, which knows no
 * codes, wrote the slice.
 */
export const shownReasonCode = (sql: Sql, now: DateTime.Utc): Fragment => sql`
  CASE WHEN ${isInDoubt(sql, now)} AND outcome_unknown_at IS NULL THEN ${reasonCode(sql, "claim_lapsed")}
    WHEN ${isLost(sql)} THEN ${reasonCode(sql, "left_order_list")}
    WHEN stage_reason IS NOT NULL THEN reason_code END`

/**
 * Some slice of the order with this number is unfinished: it may still be placed or filled. EXISTS would do, but the planner may make a join of it that reads a
 * whole table for each order.
 */
export const isOrderUnfinished = (sql: Sql, number: Fragment): Fragment => {
  const firstOf = sql`WHERE ${isOfOrder(sql, "slice", number)} ORDER BY slice LIMIT 1`
  return sql`(
  (SELECT slice FROM slice_queue ${firstOf}) IS NOT NULL OR (SELECT slice FROM slice_working ${firstOf}) IS NOT NULL)`
}

/** Some slice is unfinished. */
export const hasUnfinishedSlices = (sql: Sql): Fragment =>
  sql`(EXISTS (SELECT FROM slice_queue) OR EXISTS (SELECT FROM slice_working))`

/**
 * A row of slice_results that ended with an unfilled quantity, not waived, which no other slice replaces. The index
 * slice_results_missing.
 */
export const isEndedUnfilled = (sql: Sql): Fragment => sql`(
  replaced_by IS NULL AND NOT is_waived AND filled + carried < quantity AND stage IN ('P', 'F'))`

/** The format of `slice_queue.facts` that this version reads: a slice with another one is of a kind that it does not know. */
export const claimableFormat = 1

/** The window of a row of slice_queue is over: the slice must not be placed any more. */
export const isWindowOver = (sql: Sql, now: DateTime.Utc): Fragment => sql`(not_after < ${instant(now)})`

/**
 * A claim of the order can count: a row whose counters are at their maximum would fail the statement for all others, and one with
 * negative attempts would be tried for ever. Only another program writes such counters.
 */
export const isClaimable = (sql: Sql): Fragment => sql`(
  claim_version BETWEEN 0 AND ${maxQuantity - 1}::int AND split_attempts BETWEEN 0 AND ${maxQuantity - 1}::int)`

/** The order is PENDING and waits for nothing but a splitter. The index orders_to_split. */
export const isToSplit = (sql: Sql): Fragment => sql`(order_queue_status = 'PENDING' AND calendar_until IS NULL)`

/** The order is PENDING and waits for days of its venue that the trading calendar did not know. The index orders_waiting. */
export const isWaitingForCalendar = (sql: Sql): Fragment =>
  sql`(order_queue_status = 'PENDING' AND calendar_until IS NOT NULL)`

/**
 * The oldest orders of each venue that wait for days that are known now, as the subquery `read` gets them from the condition on
 * `orders` and the order to read them in: for a venue whose known days have not grown since an order was looked at, none.
 */
export const waitingForKnownDays = (
  sql: Sql,
  knownUntil: PerVenue<string> | null,
  read: (isWaiting: Fragment, inTurn: Fragment) => Fragment
): Fragment => {
  const venues = knownUntil === null ? [] : venueIds
  return sql`
    unnest(${texts(venues)}, ${texts(venues.flatMap((venue) => knownUntil?.[venue] ?? []))}) AS known (market, until)
    CROSS JOIN LATERAL (${read(
      sql`${isWaitingForCalendar(sql)} AND calendar_market = known.market AND calendar_until < known.until::date`,
      sql`calendar_until, created_at, id`
    )}) waiting`
}

/** The order is followed through: its unfilled quantity is carried to later slices, or completed. */
export const isFollowedThrough = (sql: Sql, alias?: string): Fragment => {
  const o = prefixOf(sql, alias)
  return sql`(${o}carry_unfilled OR ${o}carry_rejected OR ${o}completion = 'CROSS')`
}

/** The order may need another plan, now or later. The index orders_to_settle. */
export const mayWantPlan = (sql: Sql, alias?: string): Fragment => {
  const o = prefixOf(sql, alias)
  return sql`(
  ${isFollowedThrough(sql, alias)} AND ${o}order_queue_status = 'DONE' AND ${o}settled_at IS NULL
  AND ${o}cancel_requested_at IS NULL AND ${o}hold_reason IS NULL)`
}

/**
 * The interval after which the unfilled rest of a slice is cancelled, counted from its acknowledgement; NULL for never, and for
 * what another program has made of it, which would fail the statement for all orders.
 */
export const cancelUnfilledAfter = (sql: Sql, alias: string): Fragment => {
  const seconds = sql`${prefixOf(sql, alias)}cancel_unfilled_after_seconds`
  return sql`(CASE WHEN ${seconds} BETWEEN 1 AND 86400 THEN ${seconds}::float8 * interval '1 second' END)`
}

/** Halted: the latest row of placement_halts is a halt. False if there is none. */
export const isHalted = (sql: Sql): Fragment =>
  sql`((SELECT is_halted FROM placement_halts ORDER BY id DESC LIMIT 1) IS TRUE)`
