import type { Sql } from "../../db/Db.ts"

/**
 * Stands behind a text column in a condition and keeps the planner from an index on it, where the rows are known by their
 * ids. The statistics do not say how many rows are in a stage or status at this moment, so the planner may expect few, and
 * read that index once for each id.
 */
export const unindexed = (sql: Sql) => sql.literal("|| ''")
