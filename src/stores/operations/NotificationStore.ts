import { Context, DateTime, Duration, Effect, Layer } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { placementsPerDay, requestShare } from "../../domain/limits/requestShares.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { maxMessage, type Notification } from "../../domain/operations/notification.ts"
import { slicesInDoubt } from "../sql/claims.ts"
import { isEndedUnfilled, isFollowedThrough, isOrderUnfinished } from "../sql/conditions.ts"
import { isOfOrder } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { refusedCancels } from "../sql/refusedCancels.ts"
import { requestsOfDay } from "../sql/requestsOfDay.ts"
import { shellWord } from "../sql/shellWord.ts"
import { maxName, orderWords, writeFacts } from "../sql/writeFacts.ts"
import { noteWaiting } from "./noteWaiting.ts"

/** Facts older than this are not noted: they are no longer worth a message. */
const lookBack = Duration.days(1)
/** Orders split longer ago than this are not examined. It covers the longest order, nights and holidays included. */
const maxOrder = Duration.days(8)
/** A retried slice may end this long after its order's window. */
const lateEnd = Duration.days(3)

/**
 * The facts that people are notified of: halts, double placements, differences from the broker's order list, unknown outcomes, refused
 * cancels and credentials, limits, unfilled
 * orders. Each statement finds its facts in the tables where they arise and writes each one once, under its key, so a crash
 * loses nothing: the next look finds the same facts again. Each returns how many are new. Called by the notifier; `DeliveryStore`
 * hands the notifications out.
 */
export class NotificationStore extends Context.Service<
  NotificationStore,
  {
    /** Notes one fact that the caller has found. */
    readonly note: (fact: Omit<Notification, "foundAt">, now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes operators' halts and resumes. */
    readonly noteHalts: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes that the database may have forgotten what it had committed: once for each loss. */
    readonly noteLoss: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes double placements. */
    readonly noteDoubles: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes critical differences between slices and the broker's order list. */
    readonly noteDifferences: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /**
     * Notes the orders with slices that have been in doubt for `timeout`, or whose broker order the broker's order list no
     * longer shows. Once a day for each order, and again when another slice becomes its oldest.
     */
    readonly noteUnknown: (timeout: Duration.Duration, now: DateTime.Utc) => Effect.Effect<number, DbError>
    /**
     * Notes the orders of which open broker orders should be cancelled and only a person can do it, at the broker: once a day for
     * each order and reason code.
     */
    readonly noteCancels: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes that nothing can be placed without new credentials: once for each token and day in India. */
    readonly noteCredentials: (broker: string, reason: string, now: DateTime.Utc) => Effect.Effect<number, DbError>
    /**
     * Notes that placements are near their share of the `perDay` order requests that the account may send today: at least `from` of
     * it are used.
     */
    readonly noteRequests: (
      broker: string,
      from: number,
      perDay: number,
      now: DateTime.Utc
    ) => Effect.Effect<number, DbError>
    /** Notes orders that the service itself has put on hold for a person, except for double placements. */
    readonly noteHeld: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes that orders wait for days that the trading calendar does not know: once for each market and its last known day. */
    readonly noteWaiting: (now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes finished orders that are not filled, including those of which nothing was placed, and ignored ones. */
    readonly noteUnfilled: (now: DateTime.Utc) => Effect.Effect<number, DbError>
  }
>()("pulse-background/NotificationStore") {
  static readonly layer: Layer.Layer<NotificationStore, never, Db> = Layer.effect(
    NotificationStore,
    Effect.map(Db, (db) =>
      NotificationStore.of({
        note: note(db),
        noteHalts: noteHalts(db),
        noteLoss: noteLoss(db),
        noteDoubles: noteDoubles(db),
        noteDifferences: noteDifferences(db),
        noteUnknown: noteUnknown(db),
        noteCancels: noteCancels(db),
        noteCredentials: noteCredentials(db),
        noteRequests: noteRequests(db),
        noteHeld: noteHeld(db),
        noteWaiting: noteWaiting(db),
        noteUnfilled: noteUnfilled(db)
      })
    )
  )
}

/** The most broker orders that a message names. */
const maxBrokerOrders = 10

const since = (now: DateTime.Utc) => instant(DateTime.subtractDuration(now, lookBack))

const note =
  (db: Db["Service"]) =>
  (
    { key, kind, severity, message, orderId, sliceId, reasonCode: code }: Omit<Notification, "foundAt">,
    now: DateTime.Utc
  ) =>
    writeFacts(
      db,
      "NotificationStore.note",
      now,
      db.sql`SELECT ${key}::text, ${kind}::text, ${severity}::text, ${message}::text, ${orderId}::text, ${sliceId}::text, ${code}::text`
    )

const noteHalts = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteHalts",
    now,
    db.sql`
      SELECT 'halt:' || id, CASE WHEN is_halted THEN 'halted' ELSE 'resumed' END,
        CASE WHEN is_halted THEN 'critical' ELSE 'info' END,
        concat(CASE WHEN is_halted THEN 'Placements are halted by ' ELSE 'Placements go on: resumed by ' END,
          left(requested_by, ${maxName}::int), ', at ', to_char(requested_at AT TIME ZONE 'UTC', 'HH24:MI:SS'), ' (UTC): ', reason),
        NULL::text, NULL::text, NULL::text
      FROM placement_halts WHERE requested_at >= ${since(now)}`
  )

const noteLoss = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteLoss",
    now,
    db.sql`
      SELECT concat('loss:', extract(epoch FROM unsettled_since)), 'database_loss', 'critical',
        concat('The database may have forgotten what it had committed, since ',
          to_char(unsettled_since AT TIME ZONE 'UTC', 'HH24:MI:SS'), ' (UTC): ', unsettled_reason,
          '. Nothing is placed until all that the broker has is known again'),
        NULL::text, NULL::text, NULL::text
      FROM server_history WHERE unsettled_since IS NOT NULL`
  )

/** Broker orders: the first ones, and how many more. `count` is the SQL of how many there are. */
const brokerOrderWords = (sql: Sql, count = "cardinality(broker_order_ids)") => sql`
  concat(left(array_to_string(broker_order_ids[1:${maxBrokerOrders}::int], ', '), ${maxBrokerOrders * maxName}::int),
    CASE WHEN ${sql.literal(count)} > ${maxBrokerOrders}::int
      THEN concat(' and ', ${sql.literal(count)} - ${maxBrokerOrders}::int, ' more') END)`

const noteDoubles = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteDoubles",
    now,
    db.sql`
      SELECT 'double:' || tag || ':' || cardinality(broker_order_ids), 'double_placement', 'critical',
        concat('DOUBLE PLACEMENT: the broker has ', ${brokerOrderWords(db.sql)}, ' for slice ', slice_id,
          ', more than there should be. Its order is on hold. Cancel what is too much by hand at the broker, then run: ',
          'order resume ', ${shellWord(db.sql, db.sql`order_id`)}),
        order_id, slice_id, ${reasonCode(db.sql, "double_placement")}
      FROM double_placements WHERE seen_at >= ${since(now)}`
  )

const noteDifferences = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteDifferences",
    now,
    db.sql`
      SELECT concat('differs:', order_id, ':', kind, ':', extract(epoch FROM seen_at)), 'broker_differs', 'critical',
        concat('The broker''s order list differs: ', left(min(words), ${maxMessage - 400}::int),
          CASE WHEN count(*) > 1 THEN concat('; and ', count(*) - 1, ' more') END,
          CASE WHEN order_id IS NULL THEN '. See "settle" and the broker''s own pages' ELSE concat(
            '. Its order is on hold. Settle it at the broker, then run: order resume ', ${shellWord(db.sql, db.sql`order_id`)}) END),
        order_id, CASE WHEN count(*) = 1 THEN min(slice_id) END, ${reasonCode(db.sql, "broker_differs")}
      FROM broker_differences WHERE is_critical AND seen_at >= ${since(now)}
      GROUP BY order_id, kind, seen_at`
  )

/** The most slices in doubt that are looked at. */
const maxInDoubt = 100_000

const noteUnknown = (db: Db["Service"]) => (timeout: Duration.Duration, now: DateTime.Utc) => {
  const latest = DateTime.subtractDuration(now, timeout)
  return writeFacts(
    db,
    "NotificationStore.noteUnknown",
    now,
    db.sql`
      SELECT 'unknown:' || order_id || ':' || ${indianDay(now)}::text || ':' || (array_agg(id ORDER BY since, id))[1], 'outcome_unknown', 'critical',
        concat(count(*), ' of the slices of order ', order_id, ' may or may not be at the broker, since ',
          to_char(min(since) AT TIME ZONE 'UTC', 'HH24:MI:SS'), ' (UTC): see "order show ', ${shellWord(db.sql, db.sql`order_id`)},
          '" and the broker''s own pages'),
        order_id, NULL::text, ${reasonCode(db.sql, "outcome_unknown")}
      FROM (
        SELECT p.id, o.id AS order_id, s.since
        FROM (
          SELECT slice, since FROM ${slicesInDoubt(db.sql, latest, maxInDoubt)} doubtful WHERE since <= ${instant(latest)}
          UNION ALL
          SELECT slice, left_book_at FROM slice_working WHERE left_book_at IS NOT NULL
        ) s
        JOIN slice_plan p USING (slice)
        JOIN orders o ON o.number = p.order_number
      ) unknown
      GROUP BY order_id`
  )
}

const noteCancels = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteCancels",
    now,
    db.sql`
      SELECT 'cancel:' || order_id || ':' || ${indianDay(now)}::text || ':' || code, 'cancel_refused', 'critical',
        concat('Order ', left(order_id, ${maxName}::int), ': ', count, ' of its open broker orders should be cancelled. Cancel at the ',
          'broker ', ${brokerOrderWords(db.sql, "count")}, '. The service cannot: ', left(refusal, ${maxMessage - 1000}::int)),
        order_id, NULL::text, code
      FROM ${refusedCancels(db.sql, now)} refused WHERE is_for_people`
  )

const noteCredentials = (db: Db["Service"]) => (broker: string, reason: string, now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteCredentials",
    now,
    db.sql`
      SELECT 'credentials:' || ${broker}::text || ':' || ${indianDay(now)}::text || ':' || coalesce(
          (SELECT floor(extract(epoch FROM set_at))::text FROM broker_credentials WHERE broker = ${broker}), 'none'),
        'credentials', 'critical', concat('Placements are on hold: ', ${reason}::text), NULL::text, NULL::text,
        ${reasonCode(db.sql, "credentials_invalid")}`
  )

const noteRequests = (db: Db["Service"]) => (broker: string, from: number, perDay: number, now: DateTime.Utc) => {
  const today = db.sql`${indianDay(now)}::text::date`
  const used = requestsOfDay(db.sql, today).usedOfPlacements(requestShare("placement", perDay).keptForOther)
  return writeFacts(
    db,
    "NotificationStore.noteRequests",
    now,
    db.sql`
      SELECT 'requests:' || broker || ':' || day, 'daily_limit', 'warning',
        concat(${used}, ' of the ', ${placementsPerDay(perDay)}::int, ' order requests that placements may use today at ', broker, ' are used'),
        NULL::text, NULL::text, ${reasonCode(db.sql, "daily_request_limit")}
      FROM order_budgets
      WHERE broker = ${broker} AND day = ${today} AND ${used} >= ${from}::int`
  )
}

/** A row of a table of slices belongs to the order `o`. */
const isItsSlice = (sql: Sql) => isOfOrder(sql, "slice", sql.literal("o.number"))

/** Split orders that may be unfilled and are not noted yet: candidates, found without reading every order's slices. */
const maybeUnfilled = (sql: Sql, now: DateTime.Utc) => sql`
  WITH found AS MATERIALIZED (
    SELECT id, number, side, total_quantity, instrument, status_reason, reason_code FROM orders o
    WHERE order_queue_status = 'DONE' AND cancel_requested_at IS NULL
      AND split_at >= ${instant(DateTime.subtractDuration(now, maxOrder))}
      AND (settled_at IS NOT NULL OR NOT ${isFollowedThrough(sql)})
      AND NOT EXISTS (SELECT FROM notifications WHERE key = 'shortfall:' || o.id)
      AND EXISTS (SELECT FROM order_plans WHERE order_id = o.id
        AND ends_at >= ${instant(DateTime.subtractDuration(now, lateEnd))})
      AND (EXISTS (SELECT FROM slice_results WHERE ${isItsSlice(sql)} AND ${isEndedUnfilled(sql)})
        -- The index slice_results_skipped.
        OR EXISTS (SELECT FROM slice_results WHERE ${isItsSlice(sql)} AND stage = 'S' AND replaced_by IS NULL AND NOT is_waived))
  )
  SELECT * FROM found`

const noteHeld = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteHeld",
    now,
    db.sql`
      SELECT concat('held:', o.id, ':', extract(epoch FROM o.held_at)), 'order_held', 'warning',
        concat(${orderWords(db.sql)}, ' is on hold: ', left(o.hold_reason, ${maxMessage - 300}::int),
          '. Mend the cause and take it off hold, or cancel it'),
        o.id, NULL::text, o.hold_reason_code
      FROM orders o
      WHERE o.hold_reason IS NOT NULL AND o.held_at >= ${since(now)} AND o.cancel_requested_at IS NULL
        AND o.hold_reason_code IN (${reasonCode(db.sql, "refused_repeatedly")}, ${reasonCode(db.sql, "replan_impossible")},
          ${reasonCode(db.sql, "instrument_changed")})
        -- Another program may have inserted the order with a hold.
        AND EXISTS (SELECT FROM order_plans WHERE order_id = o.id)`
  )

/** The most orders noted in one pass; the next pass goes on with the others. */
const maxUnfilled = 10_000

const noteUnfilled = (db: Db["Service"]) => (now: DateTime.Utc) =>
  writeFacts(
    db,
    "NotificationStore.noteUnfilled",
    now,
    db.sql`
      (SELECT 'shortfall:' || o.id, 'shortfall', 'warning',
        concat(${orderWords(db.sql)}, ' is over, and ', s.missing, ' are missing', ': ' || left(o.status_reason, ${maxMessage}::int)),
        o.id, NULL::text, coalesce(o.reason_code, ${reasonCode(db.sql, "unfilled")})
      FROM (${maybeUnfilled(db.sql, now)}) o CROSS JOIN LATERAL (
        SELECT max(updated_at) AS ended_at, sum(greatest(quantity - filled - carried, 0)) FILTER (WHERE NOT is_waived) AS missing
        FROM slice_results WHERE ${isItsSlice(db.sql)} AND replaced_by IS NULL
      ) s
      WHERE s.missing > 0 AND s.ended_at >= ${since(now)}
        AND NOT ${isOrderUnfinished(db.sql, db.sql.literal("o.number"))}
      LIMIT ${maxUnfilled}::int)
      UNION ALL
      (SELECT 'shortfall:' || o.id, 'shortfall', 'warning',
        concat(${orderWords(db.sql)}, ' is ', o.order_queue_status, ', and nothing of it was placed', ': ' || left(o.status_reason, ${maxMessage}::int)),
        o.id, NULL::text, o.reason_code
      FROM orders o
      WHERE o.order_queue_status IN ('FAILED', 'SKIPPED') AND o.cancel_requested_at IS NULL AND o.updated_at >= ${since(now)}
        AND NOT EXISTS (SELECT FROM notifications WHERE key = 'shortfall:' || o.id)
        AND NOT EXISTS (SELECT FROM slice_plan WHERE order_number = o.number)
      LIMIT ${maxUnfilled}::int)
      UNION ALL
      (SELECT 'shortfall:' || o.id, 'shortfall', 'warning',
        concat(${orderWords(db.sql)}, ' was not inserted as PENDING, and nothing of it is placed', ': ' || left(o.status_reason, ${maxMessage}::int)),
        o.id, NULL::text, o.reason_code
      FROM orders o
      WHERE o.reason_code = ${reasonCode(db.sql, "not_pending")} AND o.order_queue_status = 'DONE' AND o.updated_at >= ${since(now)}
        AND NOT EXISTS (SELECT FROM notifications WHERE key = 'shortfall:' || o.id)
      LIMIT ${maxUnfilled}::int)`
  )
