import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import type { ReasonCode } from "../../domain/model/reason.ts"
import { type Changes, processed, putResults, putWorking, takeQueued, takeResults, takeWorking } from "./moves.ts"
import { reasonCode } from "./reasonCode.ts"

/** The slices that a broker order was found for, and what is written with it. */
interface Found {
  /** Which slices of slice_queue are moved: a condition over `q` and `i`, a row of the part `input`. */
  readonly queue: Fragment
  /** The same of slice_working, over `w` and `i`. Without it, none is. */
  readonly working?: Fragment
  /** The same of slice_results, over `r` and `i`. */
  readonly results: Fragment
  readonly reason: string
  readonly code: ReasonCode
  readonly now: DateTime.Utc
  /** What is written otherwise. */
  readonly updates?: Changes
  /** The slices of the queue were in doubt until now. */
  readonly endsDoubt?: boolean
  /** Columns of `input` that the part `found` answers. */
  readonly answers: string
}

/**
 * Parts of a WITH that make slices PROCESSED with their broker orders, from wherever they are, and then `found`. They stand after the
 * part `input`, a row for each slice: `key`, `is_open`, `found_order_id`, `found_status`, `found_status_text`, `found_filled`,
 * `found_price`, and whatever the conditions need, under names that no table of slices has. The late arrivals, `slice placed` and
 * `settle --repair` share it. A slice that is in another table by now stays as it is: it is to be read again.
 */
export const foundMoves = (sql: Sql, found: Found): Fragment => {
  const updates = updatesOf(sql, found)
  const { answers, now, queue, results, working } = found
  const input = (doubtedUntil: Fragment) => ({
    using: sql`input i`,
    more: sql`i.*, ${doubtedUntil}::timestamptz AS doubted_until`
  })
  const never = input(sql`NULL`)
  const moved = { ...updates, in_doubt_at: sql`coalesce(doubted_until, in_doubt_at)` }
  const final = { stage: processed(sql), updated_at: instantOf(sql, now) }
  return sql`
    from_queue AS (${takeQueued(sql, {
      ...input(found.endsDoubt === true ? instantOf(sql, now) : sql`NULL`),
      where: sql`q.slice = i.key AND ${queue}`
    })}), from_working AS (${takeWorking(sql, {
      ...never,
      where: sql`w.slice = i.key AND NOT i.is_open AND ${working ?? sql`false`}`
    })}), from_results AS (${takeResults(sql, { ...never, where: sql`r.slice = i.key AND i.is_open AND ${results}` })}),
    gone AS (
      SELECT * FROM from_queue UNION ALL SELECT * FROM from_working UNION ALL SELECT * FROM from_results
    ), to_working AS (${putWorking(sql, sql`gone WHERE is_open`, moved)}
    ), to_results AS (${putResults(sql, sql`gone WHERE NOT is_open`, { ...moved, ...final })}
    ), in_working AS (
      UPDATE slice_working w SET ${assignments(sql, updates)} FROM input i
      WHERE w.slice = i.key AND i.is_open AND ${working ?? sql`false`}
      RETURNING ${sql.literal(answers)}
    ), in_results AS (
      UPDATE slice_results r SET ${assignments(sql, { ...updates, ...final })} FROM input i
      WHERE r.slice = i.key AND NOT i.is_open AND ${results}
      RETURNING ${sql.literal(answers)}
    ), found AS (
      SELECT ${sql.literal(answers)} FROM gone UNION ALL SELECT * FROM in_working UNION ALL SELECT * FROM in_results
    )`
}

const instantOf = (sql: Sql, at: DateTime.Utc) => sql`${instant(at)}::timestamptz`

const updatesOf = (sql: Sql, { code, now, reason, updates }: Found): Changes => ({
  version: sql`version + 1`,
  acknowledged_at: sql`coalesce(acknowledged_at, ${instantOf(sql, now)})`,
  broker_order_id: sql`found_order_id`,
  broker_status: sql`found_status`,
  broker_status_text: sql`found_status_text`,
  filled: sql`found_filled`,
  average_price: sql`coalesce(found_price, average_price)`,
  left_book_at: sql`NULL::timestamptz`,
  reason: sql`${reason}::text`,
  reason_code: reasonCode(sql, code),
  updated_at: instantOf(sql, now),
  ...updates
})

const assignments = (sql: Sql, changes: Readonly<Record<string, Fragment>>): Fragment =>
  sql.csv(Object.entries(changes).map(([column, value]) => sql`${sql.literal(column)} = ${value}`))

/** A slice in the queue, `q`, is in doubt: its owner has said so, or the lease of its claim is over. */
export const isQueuedInDoubt = (sql: Sql, now: DateTime.Utc): Fragment => sql`(
  q.claim < 0
  OR (q.claim > 0 AND EXISTS (SELECT FROM slice_claims l WHERE l.id = q.claim AND l.lease_expires_at <= ${instant(now)})))`

/** The slices with a broker order: `slice`. */
export const withBrokerOrder = (sql: Sql, brokerOrderId: string): Fragment => sql`(
  SELECT slice FROM slice_working WHERE broker_order_id = ${brokerOrderId}
  UNION ALL SELECT slice FROM slice_results WHERE broker_order_id = ${brokerOrderId})`
