import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"

/** Who asks for a change, and why. */
export interface Asked {
  readonly by: string
  readonly reason: string
}

/** The commands that change something. */
export type ActionName =
  | "order submit"
  | "order pause"
  | "order resume"
  | "order cancel"
  | "order amend"
  | "slice retry"
  | "slice skip"
  | "slice placed"
  | "halt"
  | "resume"
  | "settle --repair"
  | "profile set"
  | "profile remove"
  | "zerodha login"
  | "zerodha token set"
  | "prune"

/**
 * The INSERT that records what an operator did, one row for each of `rows` (order id, slice id, details as jsonb): to stand
 * in the WITH of the statement that does it, or beside it in its transaction. No secrets.
 */
export const insertActions = (
  sql: Sql,
  { name, asked, now }: { readonly name: ActionName; readonly asked: Asked; readonly now: DateTime.Utc },
  rows: Fragment
) => sql`
  INSERT INTO operator_actions (at, operator, action, reason, order_id, slice_id, details)
  SELECT ${instant(now)}::timestamptz, ${asked.by}::text, ${name}::text, ${asked.reason}::text, done.*
  FROM (${rows}) AS done (order_id, slice_id, details)`
