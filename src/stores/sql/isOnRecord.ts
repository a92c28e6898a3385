import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"

/**
 * The difference from the order list that people were told of with a row of `i`, in its column `noted`, is on record. A database that
 * has forgotten the record and the hold of the order does not take what was found with them either, so that the next look finds
 * the difference once more.
 */
export const isOnRecord = (sql: Sql, tag: Fragment): Fragment =>
  sql`(i.noted IS NULL OR EXISTS (SELECT FROM broker_differences d WHERE d.tag = ${tag} AND d.kind = i.noted))`
