import type { Sql } from "../../db/Db.ts"

/**
 * To stand behind a column of text in a condition. Rows that are known by their ids are to be found by them: how many are in a stage or status at
 * this moment the planner's statistics never know, and an index on the few that there were would be read for each id.
 */
export const unindexed = (sql: Sql) => sql.literal("|| ''")
