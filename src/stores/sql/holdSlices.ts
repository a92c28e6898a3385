import type { DateTime } from "effect"
import type { Db } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"

/**
 * An order's SCHEDULED slices take over its hold, or the end of it. Always a statement of its own, after the one that
 * changes the order and in its transaction: only so it sees the slices that were written while the order's lock was waited for.
 */
export const holdSlices = ({ sql, execute }: Db["Service"], orderId: string, now: DateTime.Utc) =>
  execute(
    "holdSlices",
    sql`
      UPDATE order_slices s SET is_held = o.hold_reason IS NOT NULL, updated_at = ${instant(now)}
      FROM orders o
      WHERE o.id = ${orderId} AND s.order_id = o.id AND s.stage = 'SCHEDULED' AND s.is_held <> (o.hold_reason IS NOT NULL)`
  )
