import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"

/** The operator who asks for a change, and the reason. */
export interface Asked {
  readonly by: string
  readonly reason: string
}

/**
 * What is recorded, because it changes something: the commands, what the settlement mends by itself, and what one person asks
 * for and another approves.
 */
export type ActionName =
  | "order submit"
  | "order pause"
  | "order resume"
  | "order cancel"
  | "order amend"
  | "order retry"
  | "slice retry"
  | "slice skip"
  | "slice placed"
  | "halt"
  | "restored"
  | "resume"
  | "settle --repair"
  | "settlement"
  | "profile set"
  | "profile remove"
  | "calendar import"
  | "calendar remove"
  | "freeze import"
  | "freeze set"
  | "zerodha login"
  | "zerodha token set"
  | "prune"
  | "approval request"
  | "approval"

/**
 * The INSERT that records an operator's action, one row for each of `rows` (order id, slice id, details as jsonb). It
 * stands in the WITH of the statement that makes the change, or beside it in its transaction. Details hold no secrets.
 */
export const insertActions = (
  sql: Sql,
  { name, asked, now }: { readonly name: ActionName; readonly asked: Asked; readonly now: DateTime.Utc },
  rows: Fragment
) => sql`
  INSERT INTO operator_actions (at, operator, action, reason, order_id, slice_id, details)
  SELECT ${instant(now)}::timestamptz, ${asked.by}::text, ${name}::text, ${asked.reason}::text, done.*
  FROM (${rows}) AS done (order_id, slice_id, details)`
