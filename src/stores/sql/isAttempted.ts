import { DateTime, Duration } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import { maxPause } from "../../domain/operations/notification.ts"

/** Daemons' clocks differ by less than the second of these pauses. */
const longestAhead = Duration.times(maxPause, 2)

/** The next attempt to deliver a notification is due. One that lies further ahead than it can was set before the clock was set back. */
export const isAttempted = (sql: Sql, now: DateTime.Utc): Fragment => sql`(
  next_attempt_at <= ${instant(now)} OR next_attempt_at > ${instant(DateTime.addDuration(now, longestAhead))})`
