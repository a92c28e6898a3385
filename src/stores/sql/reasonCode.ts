import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import type { ReasonCode } from "../../domain/model/reason.ts"

/** A reason code that a statement writes, as a literal: only codes of the table in `domain/model/reason.ts` compile. */
export const reasonCode = (sql: Sql, code: ReasonCode): Fragment => sql.literal(`'${code}'`)
