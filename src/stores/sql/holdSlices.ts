import type { DateTime } from "effect"
import type { Db } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import { atInstant, dueInQueue } from "./dueInQueue.ts"
import { isOfOrder } from "./moves.ts"

/**
 * Copies the hold of an order, or its end, to the SCHEDULED slices. It must be a statement of its own, after the one that
 * changes the order and in the same transaction: only then does it see slices that were written while that one waited for
 * the order's lock.
 */
export const holdSlices = ({ sql, execute }: Db["Service"], orderId: string, now: DateTime.Utc) => {
  const dueAgain = dueInQueue(sql, sql.literal("q.due_at"), atInstant(sql, now))
  return execute(
    "holdSlices",
    sql`
      UPDATE slice_queue q SET is_held = o.hold_reason IS NOT NULL, updated_at = ${instant(now)},
        due_at = CASE WHEN o.hold_reason IS NULL THEN ${dueAgain} ELSE q.due_at END,
        scheduled_at = CASE WHEN o.hold_reason IS NULL AND ${dueAgain} > q.due_at THEN coalesce(q.scheduled_at, q.due_at)
          ELSE q.scheduled_at END
      FROM orders o
      WHERE o.id = ${orderId} AND ${isOfOrder(sql, "q.slice", sql`o.number`)} AND q.claim = 0
        AND q.is_held <> (o.hold_reason IS NOT NULL)`
  )
}
