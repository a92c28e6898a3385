import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"

/** A text column as one word of a suggested command, as `domain/text/shellWord.ts` quotes it for texts in memory. */
export const shellWord = (sql: Sql, column: Fragment): Fragment => sql`
  CASE WHEN ${column} ~ '^[A-Za-z0-9_.:/][A-Za-z0-9_.:/-]*$' THEN ${column}
    ELSE '''' || regexp_replace(${column}, '([$\`"\\\\!''])', '''\\\\\\1''', 'g') || '''' END`
