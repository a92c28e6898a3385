import type { DateTime, Effect } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { texts } from "../../db/parameters.ts"
import { venueIds } from "../../domain/market/Venue.ts"
import { isWaitingForCalendar } from "../sql/conditions.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { orderWords, writeFacts } from "../sql/writeFacts.ts"

/** The most waiting orders that a message counts. */
const maxWaiting = 10_000

/** Notes that orders wait for the trading calendar: `NotificationStore`. */
export const noteWaiting =
  (db: Db["Service"]) =>
  (now: DateTime.Utc): Effect.Effect<number, DbError> => {
    const { sql } = db
    const isItsWait = sql`${isWaitingForCalendar(sql)} AND calendar_market = venue.market`
    return writeFacts(
      db,
      "NotificationStore.noteWaiting",
      now,
      sql`
      SELECT key, 'calendar_ends', 'warning',
        concat(CASE WHEN waiting.count > ${maxWaiting}::int THEN 'more than ' END, least(waiting.count, ${maxWaiting}::int),
          CASE WHEN waiting.count = 1 THEN ' order waits' ELSE ' orders wait' END, ' for trading days of ', market, ' after ', calendar_until,
          ', the last one that is known. Add the exchanges'' next ones with "calendar import FILE"; the orders go on by themselves then. One of them is ', ${orderWords(sql)}),
        o.id, NULL::text, ${reasonCode(sql, "calendar_ends")}
      FROM unnest(${texts(venueIds)}) AS venue (market)
      CROSS JOIN LATERAL (
        SELECT *, concat('calendar:', market, ':', calendar_until) AS key FROM orders WHERE ${isItsWait}
        ORDER BY calendar_until DESC, created_at DESC LIMIT 1
      ) o
      CROSS JOIN LATERAL (
        SELECT count(*)::int AS count FROM (SELECT FROM orders w WHERE ${isItsWait} AND w.calendar_until = o.calendar_until
          LIMIT ${maxWaiting + 1}::int) counted
      ) waiting
      WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.key = o.key)`
    )
  }
