import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"

/*
 * All moves of a slice between the tables that it can be in: slice_queue, slice_working and slice_results. Each is one DELETE
 * whose RETURNING feeds one INSERT of the same statement, so a slice is always in exactly one of them; the view `slice_places`
 * shows any that is not. A part of a WITH that deletes answers with the columns below, whatever the table; a part that inserts
 * takes them from there, except those that the move changes.
 *
 * Locks are taken in this order: orders, slice_queue, slice_working, slice_results, and in each by slice. Whoever has a row
 * with a claim waits for no order, and nobody but the claim's owner, the reconciliation and a person's command, which name the
 * row's version, touches it.
 */

/** What a slice takes along from one table to the next. */
const columns = [
  "slice",
  "claim",
  "placed_at",
  "acknowledged_at",
  "version",
  "attempts",
  "quantity",
  "filled",
  "carried",
  "is_waived",
  "broker_order_id",
  "broker_status",
  "broker_status_text",
  "average_price",
  "due_at",
  "not_after",
  "stale_at",
  "in_doubt_at",
  "cancel_sent_at",
  "left_book_at",
  "reason",
  "reason_code"
] as const

/** Columns of slice_results alone. A slice in slice_working is PROCESSED, and has no `updated_at` unless it changed since then. */
type ResultColumn = "stage" | "updated_at" | "replaced_by"

export type Changes = Partial<Record<(typeof columns)[number] | "updated_at", Fragment>>
type ResultChanges = Partial<Record<(typeof columns)[number], Fragment>> &
  Record<"stage" | "updated_at", Fragment> & {
    readonly replaced_by?: Fragment
  }

/** What a slice in the queue has of {@link columns}: nothing that a broker's order has. Times as planned stay in the plan. */
const fromQueue: Readonly<Record<string, string>> = {
  claim: "CASE WHEN q.claim = 0 THEN q.last_claim ELSE abs(q.claim) END",
  acknowledged_at: "NULL::timestamptz",
  filled: "0",
  carried: "0",
  is_waived: "false",
  broker_order_id: "NULL::text",
  broker_status: "NULL::text",
  broker_status_text: "NULL::text",
  average_price: "NULL::numeric",
  due_at: "CASE WHEN q.scheduled_at IS NOT NULL THEN q.due_at END",
  not_after: "CASE WHEN q.scheduled_at IS NOT NULL THEN q.not_after END",
  cancel_sent_at: "NULL::timestamptz",
  left_book_at: "NULL::timestamptz"
}

const returned = (alias: string, from: Readonly<Record<string, string>> = {}): string =>
  columns.map((column) => `${from[column] ?? `${alias}.${column}`} AS ${column}`).join(", ")

/** The rows that a DELETE takes: `where` is over the alias, and over `using`, whose columns `more` may answer too. */
interface Taken {
  readonly using?: Fragment
  readonly where: Fragment
  readonly more?: Fragment
}

const take = (sql: Sql, table: string, answer: string, { using, where, more }: Taken): Fragment => sql`
  DELETE FROM ${sql.literal(table)} ${using === undefined ? sql.literal("") : sql`USING ${using}`}
  WHERE ${where}
  RETURNING ${sql.literal(answer)}${more === undefined ? sql.literal("") : sql`, ${more}`}`

/** Takes slices out of slice_queue, with the alias `q`. */
export const takeQueued = (sql: Sql, taken: Taken): Fragment =>
  take(sql, "slice_queue q", returned("q", fromQueue), taken)

/** Takes slices out of slice_working, with the alias `w`. */
export const takeWorking = (sql: Sql, taken: Taken): Fragment => take(sql, "slice_working w", returned("w"), taken)

/** Takes slices out of slice_results, with the alias `r`. */
export const takeResults = (sql: Sql, taken: Taken): Fragment => take(sql, "slice_results r", returned("r"), taken)

const put = (
  sql: Sql,
  table: string,
  names: ReadonlyArray<string>,
  source: Fragment,
  changes: Readonly<Record<string, Fragment | undefined>>
): Fragment => sql`
  INSERT INTO ${sql.literal(`${table} (${names.join(", ")})`)}
  SELECT ${sql.csv(names.map((name) => changes[name] ?? sql.literal(name)))} FROM ${source}`

/** Puts slices of a part of the WITH into slice_working. `source` may have a WHERE. */
export const putWorking = (sql: Sql, source: Fragment, changes: Changes): Fragment =>
  put(sql, "slice_working", changes.updated_at === undefined ? columns : [...columns, "updated_at"], source, changes)

/** Puts slices of a part of the WITH into slice_results. `source` may have a WHERE. */
export const putResults = (sql: Sql, source: Fragment, changes: ResultChanges): Fragment => {
  const own: ReadonlyArray<ResultColumn> =
    changes.replaced_by === undefined ? ["stage", "updated_at"] : ["stage", "updated_at", "replaced_by"]
  return put(sql, "slice_results", [...columns, ...own], source, changes)
}

/** Stages as slice_results has them. */
export const processed = (sql: Sql): Fragment => sql.literal(`'P'::"char"`)
export const skipped = (sql: Sql): Fragment => sql.literal(`'S'::"char"`)

/** A slice's key is in the range of its order's number. */
export const isOfOrder = (sql: Sql, slice: string, number: Fragment): Fragment =>
  sql`(${sql.literal(slice)} > (${number} << 20) AND ${sql.literal(slice)} < ((${number} + 1) << 20))`

/** Slices that leave the queue as SKIPPED: which they are, as for {@link takeQueued}, and what changes. */
interface Skipping {
  readonly using?: Fragment
  readonly where: Fragment
  readonly updates: Omit<ResultChanges, "stage">
  readonly returning?: Fragment
}

/**
 * Two parts of a WITH: `gone` takes slices out of the queue, and `skipped` makes them SKIPPED. `gone` answers what moves, as it was,
 * and `returning`; `updates` may use both.
 */
export const skipQueued = (sql: Sql, { updates, returning, ...taken }: Skipping): Fragment => sql`
  gone AS (${takeQueued(sql, returning === undefined ? taken : { ...taken, more: returning })}),
  skipped AS (${putResults(sql, sql`gone`, { ...updates, stage: skipped(sql) })})`
