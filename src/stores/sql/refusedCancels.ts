import type { DateTime } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import { texts } from "../../db/parameters.ts"
import { codesForPeople, triesForPeople } from "../../domain/lifecycle/cancels.ts"
import { maxShown } from "./bounded.ts"
import { isCancelWanted, joinCompletion } from "./wantedCancels.ts"

/** The most broker orders that are named of each order. */
const maxNamed = 10

/**
 * The open broker orders that should be cancelled now and are not, by order and reason code: `order_id`, `code`, `count`, `tries` (the
 * most of any), `refusal`, `broker_order_ids` (the first of them), `is_for_people`: only a person can help.
 */
export const refusedCancels = (sql: Sql, now: DateTime.Utc): Fragment => sql`(
  SELECT o.id AS order_id, w.cancel_refusal_code AS code, count(*)::int AS count, max(w.cancel_tries)::int AS tries,
    left((array_agg(w.cancel_refusal ORDER BY w.cancel_tries DESC, w.slice))[1], ${maxShown}::int) AS refusal,
    (array_agg(w.broker_order_id ORDER BY w.slice))[1:${maxNamed}::int] AS broker_order_ids,
    max(w.cancel_tries) >= ${triesForPeople}::int
      OR w.cancel_refusal_code = ANY(${texts(codesForPeople)}) AS is_for_people
  FROM slice_working w JOIN orders o ON o.number = w.slice >> 20 ${joinCompletion(sql)}
  WHERE w.cancel_refusal IS NOT NULL AND w.left_book_at IS NULL AND ${isCancelWanted(sql, now)}
  GROUP BY o.id, w.cancel_refusal_code)`
