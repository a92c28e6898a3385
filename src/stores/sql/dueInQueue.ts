import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import { maxOverdueMillis } from "../../domain/lifecycle/lookBack.ts"

/** When a slice is due in the queue that comes to it at `now`, as `dueInQueue` of lookBack.ts says. */
export const dueInQueue = (sql: Sql, due: Fragment, now: Fragment): Fragment => sql`
  (CASE WHEN ${due} < ${now} - ${maxOverdueMillis}::float8 * interval '1 millisecond' THEN ${now} ELSE ${due} END)`

/** The time of a statement, for {@link dueInQueue}. */
export const atInstant = (sql: Sql, now: DateTime.Utc): Fragment => sql`${instant(now)}::timestamptz`
