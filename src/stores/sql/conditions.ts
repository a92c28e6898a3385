import { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import { maxQuantity } from "../../domain/model/Order.ts"
import { reasonCode } from "./reasonCode.ts"

/*
 * The states of a slice, of an order and of all placements, each defined once as a condition for the statements of all
 * stores; `domain/model/sliceState.ts` defines the same for rows in memory. The conditions over slices and orders take the
 * alias of their table, where the statement gives it one. The planner uses a partial index only for a condition that
 * contains the index's predicate, so a condition that names an index must keep its text.
 */

const prefixOf = (sql: Sql, alias: string | undefined): Fragment => sql.literal(alias === undefined ? "" : `${alias}.`)

/** In doubt: the slice may have been placed. Its owner reported an unknown outcome, or its lease is over at `now`. */
export const isInDoubt = (sql: Sql, now: DateTime.Utc | Fragment, alias?: string): Fragment => {
  const s = prefixOf(sql, alias)
  const at = DateTime.isDateTime(now) ? instant(now) : now
  return sql`(${s}stage = 'IN_PROGRESS' AND (${s}outcome_unknown_at IS NOT NULL OR ${s}lease_expires_at <= ${at}))`
}

/** In a worker's hands: IN_PROGRESS and not in doubt. */
export const isInHand = (sql: Sql, now: DateTime.Utc): Fragment =>
  sql`(stage = 'IN_PROGRESS' AND outcome_unknown_at IS NULL AND lease_expires_at > ${instant(now)})`

/** Since when a slice has been in doubt; for one in a worker's hands, when its lease ends. */
export const inDoubtSince = (sql: Sql): Fragment => sql`coalesce(outcome_unknown_at, lease_expires_at)`

/** Open at the broker: placed, and its broker order may still change. The index order_slices_open. */
export const isOpenAtBroker = (sql: Sql, alias?: string): Fragment => {
  const s = prefixOf(sql, alias)
  return sql`(${s}stage = 'PROCESSED' AND NOT ${s}broker_is_final)`
}

/** Open at the broker, and not known to have left the broker's order list: its state is looked up. */
export const isFollowed = (sql: Sql, alias?: string): Fragment =>
  sql`(${isOpenAtBroker(sql, alias)} AND ${prefixOf(sql, alias)}left_book_at IS NULL)`

/** Open at the broker when the broker's order list ceased to show it: only a person can find out its outcome. */
export const isLost = (sql: Sql): Fragment => sql`(${isOpenAtBroker(sql)} AND left_book_at IS NOT NULL)`

/**
 * A slice's reason code as it is shown: for a claim that ended without an outcome, and for an order that left the broker's
 * list, none is stored. A code without words is of an earlier state: an older daemon, which knows no codes, wrote the slice.
 */
export const shownReasonCode = (sql: Sql, now: DateTime.Utc): Fragment => sql`
  CASE WHEN ${isInDoubt(sql, now)} AND outcome_unknown_at IS NULL THEN ${reasonCode(sql, "claim_lapsed")}
    WHEN ${isLost(sql)} THEN ${reasonCode(sql, "left_order_list")}
    WHEN stage_reason IS NOT NULL THEN reason_code END`

/** Unfinished: the slice may still be placed or filled. */
export const isUnfinished = (sql: Sql, alias?: string): Fragment =>
  sql`(${prefixOf(sql, alias)}stage IN ('SCHEDULED', 'IN_PROGRESS') OR ${isOpenAtBroker(sql, alias)})`

/** Some slice is unfinished. Each part reads one index. */
export const hasUnfinishedSlices = (sql: Sql): Fragment => sql`(
  EXISTS (SELECT 1 FROM order_slices WHERE stage = 'IN_PROGRESS')
  OR EXISTS (SELECT 1 FROM order_slices WHERE ${isOpenAtBroker(sql)})
  OR EXISTS (SELECT 1 FROM order_slices WHERE stage = 'SCHEDULED'))`

/** Ended with an unfilled quantity that was not waived and that no other slice replaces. The index order_slices_missing. */
export const isEndedUnfilled = (sql: Sql): Fragment => sql`(
  replaced_by IS NULL AND NOT is_waived AND filled_quantity + carried_quantity < quantity
  AND (stage = 'FAILED' OR (stage = 'PROCESSED' AND broker_is_final)))`

/** The window is over: the slice must not be placed any more. */
export const isWindowOver = (sql: Sql, now: DateTime.Utc, alias?: string): Fragment =>
  sql`(${prefixOf(sql, alias)}not_after < ${instant(now)})`

/**
 * A claim of the order can count: a row whose counters are at their maximum would fail the statement for all others, and one with
 * negative attempts would be tried for ever. Only another program writes such counters.
 */
export const isClaimable = (sql: Sql): Fragment => sql`(
  claim_version BETWEEN 0 AND ${maxQuantity - 1}::int AND split_attempts BETWEEN 0 AND ${maxQuantity - 1}::int)`

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
