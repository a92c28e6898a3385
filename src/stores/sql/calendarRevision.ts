import type { Sql } from "../../db/Db.ts"

/** The number of changes of the trading calendar: of what was imported, and of what was removed again. */
export const calendarRevision = (sql: Sql) => sql`
  (SELECT count(*) + count(removed_at) FROM calendar_imports)::float8`
