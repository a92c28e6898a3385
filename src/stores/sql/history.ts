import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import type { ServerPosition } from "../../domain/operations/serverHistory.ts"

/**
 * The database has what every daemon has seen committed: its server writes the history `n` that the row `h` of server_history
 * records as settled. A system identifier that one of them does not know is not compared.
 */
export const isSettledRow = (sql: Sql): Fragment =>
  sql.literal(`(h.unsettled_since IS NULL AND h.timeline = n.timeline
  AND coalesce(h.system_identifier = n.system_identifier, true))`)

/** The one row of server_history, `h`, and what its server writes now, `n`. */
export const recordedAndNow = (sql: Sql): Fragment => sql.literal("server_history h CROSS JOIN server_history_now() n")

/**
 * The settled history, for a statement that must not act on another one: one row with `version_base`, or none. With `seen`, what the
 * daemon has seen, there is none either if the server is on another timeline or has written less by now. It is evaluated once.
 */
export const settledHistory = (sql: Sql, seen: ServerPosition | null): Fragment => sql`
  SELECT h.version_base FROM ${recordedAndNow(sql)}
  WHERE ${isSettledRow(sql)}${
    seen === null
      ? sql.literal("")
      : sql` AND n.timeline = ${seen.timeline}::text AND n.log_position >= ${seen.logPosition}::float8`
  }`

/**
 * An UPDATE that marks the server's history as unsettled, whose condition comes next. Of the two clocks the later one, because the
 * wait for what may arrive begins with it. In milliseconds, as parameters are.
 */
export const markUnsettled = (sql: Sql, reason: string, now: DateTime.Utc): Fragment => sql`
  UPDATE server_history h SET
    unsettled_since = date_trunc('milliseconds', greatest(clock_timestamp(), ${instant(now)}::timestamptz)), unsettled_timeline = n.timeline,
    unsettled_reason = ${reason}::text
  FROM server_history_now() n`
