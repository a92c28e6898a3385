import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import { cancelUnfilledAfter, isHalted } from "./conditions.ts"

/** Joins as `p` what {@link isCancelWanted} needs of the latest plan of the order `o`. */
export const joinCompletion = (sql: Sql): Fragment => sql`
  LEFT JOIN LATERAL (
    SELECT cause, completes_at FROM order_plans WHERE order_id = o.id ORDER BY revision DESC LIMIT 1
  ) p ON o.completion = 'CROSS'`

/**
 * Whether the open broker order of the row `w` of slice_working should be cancelled now: its order `o` is cancelled, is about to
 * be completed, or gives it no more time to fill.
 */
export const isCancelWanted = (sql: Sql, now: DateTime.Utc): Fragment => sql`(
  o.cancel_requested_at IS NOT NULL
  OR (coalesce(p.completes_at <= ${instant(now)}, false) AND o.hold_reason IS NULL AND NOT ${isHalted(sql)})
  OR (p.cause IS DISTINCT FROM 'COMPLETION' AND coalesce(
    w.acknowledged_at + ${cancelUnfilledAfter(sql, "o")} <= ${instant(now)}, false)))`
