import { type DateTime, Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Db, Sql } from "../../db/Db.ts"
import { instant } from "../../db/parameters.ts"
import { maxMessage } from "../../domain/operations/notification.ts"

/** The most characters of a key. A longer one, of a row whose id has no limit, ends with its digest. */
const maxKey = 200
/** The most characters of a name or an id inside a message, so that its end is still told. */
export const maxName = 64

/**
 * Writes facts (key, kind, severity, message, order id, slice id, reason code) whose keys are not there yet. Whatever another
 * program has written into their parts is cut here. Their messages are made by `concat`, which leaves out what is NULL: one
 * odd row must not keep the facts of all other rows from being written.
 */
export const writeFacts = ({ sql, queryOne }: Db["Service"], operation: string, now: DateTime.Utc, facts: Fragment) =>
  queryOne(
    operation,
    Schema.Struct({ count: Schema.Int }),
    sql`
      WITH noted AS (
        INSERT INTO notifications (key, kind, severity, message, order_id, slice_id, reason_code, found_at, next_attempt_at)
        SELECT CASE WHEN length(key) <= ${maxKey}::int THEN key ELSE left(key, ${maxKey - 32}::int) || md5(key) END, kind, severity,
          left(message, ${maxMessage}::int), left(order_id, ${maxName}::int), left(slice_id, ${maxName}::int), left(reason_code, ${maxName}::int),
          ${instant(now)}::timestamptz, ${instant(now)}::timestamptz
        FROM (${facts}) AS facts (key, kind, severity, message, order_id, slice_id, reason_code)
        ON CONFLICT (key) DO NOTHING
        RETURNING 1
      )
      SELECT count(*)::int AS count FROM noted`
  ).pipe(Effect.map(({ count }) => count))

/** An order `o` in words. A row of another program may lack any of its columns, which a FAILED order shows as it is. */
export const orderWords = (sql: Sql) => sql`
  concat('Order ', left(o.id, ${maxName}::int),
    ' (' || nullif(concat_ws(' ', left(o.side, 16), left(o.total_quantity::text, 16) || CASE WHEN length(o.total_quantity::text) > 16 THEN '…' ELSE '' END,
      left(o.instrument, ${maxName}::int)), '') || ')')`
