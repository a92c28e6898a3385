import type { Sql } from "../../db/Db.ts"

/**
 * Stands behind a column of text in a condition, and keeps the planner from reading an index on it: the rows are known by
 * their ids. The statistics never say how many rows are in a stage or status at this moment, so the planner may take an index
 * on the few that there were, and read it for each id.
 */
export const unindexed = (sql: Sql) => sql.literal("|| ''")
