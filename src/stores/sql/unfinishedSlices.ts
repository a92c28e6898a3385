import type { Sql } from "../../db/Db.ts"

/** Whether some slice is to be sent, or was sent and is not over: each part asks one index. */
export const hasUnfinishedSlices = (sql: Sql) => sql`(
  EXISTS (SELECT 1 FROM order_slices WHERE stage = 'IN_PROGRESS')
  OR EXISTS (SELECT 1 FROM order_slices WHERE stage = 'PROCESSED' AND NOT broker_is_final)
  OR EXISTS (SELECT 1 FROM order_slices WHERE stage = 'SCHEDULED'))`
