import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"

/** The requests that a row of order_budgets has of a day in India (an expression), by kind. */
export const requestsOfDay = (sql: Sql, day: Fragment) => {
  const all = sql`CASE WHEN day = ${day} THEN granted_today ELSE 0 END`
  const cancels = sql`CASE WHEN day = ${day} AND cancels_day = ${day} THEN least(cancels_today, granted_today) ELSE 0 END`
  const placements = sql`(${all} - ${cancels})`
  return {
    all,
    cancels,
    placements,
    /** What counts against the part of placements: cancels beyond the part that is kept for them, too. */
    usedOfPlacements: (keptForCancels: number) =>
      sql`(${placements} + greatest(${cancels} - ${keptForCancels}::int, 0))`
  }
}
