import { Context, DateTime, Duration, Effect, Layer, type Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { Notification } from "../../domain/operations/notification.ts"

/** A notification whose delivery is one daemon's, for a while. */
export const ClaimedNotification = Schema.Struct({ ...Notification.fields, attempts: Schema.Int })
export type ClaimedNotification = typeof ClaimedNotification.Type

/** How it goes with telling people: what waits to be delivered, and since when, and how many were given up. */
const DeliveryState = Schema.Struct({
  waiting: Schema.Int,
  oldestFoundAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  givenUp: Schema.Int,
  /** Of the last delivery that failed. */
  lastError: Schema.NullOr(Schema.String)
})
export type DeliveryState = typeof DeliveryState.Type

/** Nobody has told of it by then: it is no news any more. */
const lookBack = Duration.days(1)
/** An order may go on for days, over nights and holidays. */
const maxOrder = Duration.days(8)
/** Of so long ago the window of an order may be that ended today: a slice of it was retried. */
const lateEnd = Duration.days(3)
/** A daemon that died delivering holds nothing up for longer. */
const deliveryLease = Duration.minutes(1)

/**
 * What people are to be told of. Facts are read from where they are, never counted or passed on: whatever dies in between, the
 * next look finds them, and each is told once, by its key.
 */
export class NotificationStore extends Context.Service<
  NotificationStore,
  {
    /** Notes one fact that somebody has found. */
    readonly note: (fact: Omit<Notification, "foundAt">, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Notes operators' halts and resumes. */
    readonly noteHalts: (now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Notes slices that the broker has more for than there should be. */
    readonly noteDoubles: (now: DateTime.Utc) => Effect.Effect<void, DbError>
    /**
     * Notes, order by order, slices whose outcome is unknown for so long, or will never be known by itself: once a day, and
     * anew when another of them is the one that waits longest.
     */
    readonly noteUnknown: (patience: Duration.Duration, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Notes that nothing can be placed without new credentials: once for each token, and day in India. */
    readonly noteCredentials: (broker: string, reason: string, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Notes that of a day's requests of the broker account so many are used, of so many. */
    readonly noteRequests: (broker: string, from: number, of: number, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Notes orders that are over, and not filled as they should be; also those of which nothing was ever placed. */
    readonly noteUnfilled: (now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Gives up what was found before that and is in no daemon's hands: it is news no more. Returns it. */
    readonly giveUpOlder: (
      foundBefore: DateTime.Utc,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<ClaimedNotification>, DbError>
    /** The next one to deliver, this daemon's for a minute. */
    readonly claim: (now: DateTime.Utc) => Effect.Effect<Option.Option<ClaimedNotification>, DbError>
    /** What waits for its delivery, and what was given up since then. */
    readonly deliveryState: (givenUpSince: DateTime.Utc) => Effect.Effect<DeliveryState, DbError>
    readonly delivered: (key: string, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** A delivery failed; it is tried again then, or given up. */
    readonly failed: (
      key: string,
      error: string,
      nextAttemptAt: DateTime.Utc | null,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>
  }
>()("pulse-background/NotificationStore") {
  static readonly layer: Layer.Layer<NotificationStore, never, Db> = Layer.effect(
    NotificationStore,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { sql, query, queryOne, queryOption, execute } = yield* Db

  /** Writes facts (key, kind, severity, message, order id, slice id), each unless it was written before. */
  const noteAll = (operation: string, now: DateTime.Utc, facts: Fragment) =>
    execute(
      operation,
      sql`
        INSERT INTO notifications (key, kind, severity, message, order_id, slice_id, found_at, next_attempt_at)
        SELECT facts.*, ${instant(now)}::timestamptz, ${instant(now)}::timestamptz
        FROM (${facts}) AS facts (key, kind, severity, message, order_id, slice_id)
        ON CONFLICT (key) DO NOTHING`
    )

  const since = (now: DateTime.Utc) => instant(DateTime.subtractDuration(now, lookBack))

  /** Split orders that lack something and are not told of, found without a look at the slices of all the others. */
  const maybeShort = (now: DateTime.Utc) => sql`
    WITH found AS MATERIALIZED (
      SELECT id, side, total_quantity, instrument, status_reason FROM orders o
      WHERE order_queue_status = 'DONE' AND cancel_requested_at IS NULL
        AND split_at >= ${instant(DateTime.subtractDuration(now, maxOrder))}
        AND (settled_at IS NOT NULL OR NOT (carry_unfilled OR carry_rejected OR completion = 'CROSS'))
        AND NOT EXISTS (SELECT FROM notifications WHERE key = 'shortfall:' || o.id)
        AND EXISTS (SELECT FROM order_plans WHERE order_id = o.id
          AND ends_at >= ${instant(DateTime.subtractDuration(now, lateEnd))})
        AND (EXISTS (SELECT FROM order_slices WHERE order_id = o.id AND replaced_by IS NULL AND NOT is_waived
            AND filled_quantity + carried_quantity < quantity
            AND (stage = 'FAILED' OR (stage = 'PROCESSED' AND broker_is_final)))
          OR EXISTS (SELECT FROM order_slices WHERE order_id = o.id AND replaced_by IS NULL AND NOT is_waived AND stage = 'SKIPPED'))
    )
    SELECT * FROM found`

  return NotificationStore.of({
    note: ({ key, kind, severity, message, orderId, sliceId }, now) =>
      noteAll(
        "NotificationStore.note",
        now,
        sql`SELECT ${key}::text, ${kind}::text, ${severity}::text, ${message}::text, ${orderId}::text, ${sliceId}::text`
      ),

    noteHalts: (now) =>
      noteAll(
        "NotificationStore.noteHalts",
        now,
        sql`
          SELECT 'halt:' || id, CASE WHEN is_halted THEN 'halted' ELSE 'resumed' END,
            CASE WHEN is_halted THEN 'warning' ELSE 'info' END,
            CASE WHEN is_halted THEN 'Placements are halted by ' ELSE 'Placements go on: resumed by ' END
              || requested_by || ': ' || reason,
            NULL::text, NULL::text
          FROM placement_halts WHERE requested_at >= ${since(now)}`
      ),

    noteDoubles: (now) =>
      noteAll(
        "NotificationStore.noteDoubles",
        now,
        sql`
          SELECT 'double:' || tag || ':' || cardinality(broker_order_ids), 'double_placement', 'critical',
            'DOUBLE PLACEMENT: the broker has ' || array_to_string(broker_order_ids, ', ') || ' for slice ' || slice_id
              || ', more than there should be. Its order is on hold. Cancel what is too much by hand at the broker, then run: '
              || 'order resume ' || order_id,
            order_id, slice_id
          FROM double_placements WHERE seen_at >= ${since(now)}`
      ),

    noteUnknown: (patience, now) =>
      noteAll(
        "NotificationStore.noteUnknown",
        now,
        sql`
          SELECT 'unknown:' || order_id || ':' || ${indianDay(now)}::text || ':' || (array_agg(id ORDER BY since, id))[1], 'outcome_unknown', 'critical',
            count(*) || ' of the slices of order ' || order_id || ' may or may not be at the broker, since ' || to_char(min(since) AT TIME ZONE 'UTC', 'HH24:MI:SS') || ' (UTC): see "order show '
              || order_id || '" and the broker''s own pages',
            order_id, NULL::text
          FROM (
            SELECT id, order_id, coalesce(outcome_unknown_at, lease_expires_at) AS since FROM order_slices
            WHERE stage = 'IN_PROGRESS'
              AND coalesce(outcome_unknown_at, lease_expires_at) <= ${instant(DateTime.subtractDuration(now, patience))}
            UNION ALL
            SELECT id, order_id, left_book_at FROM order_slices
            WHERE stage = 'PROCESSED' AND NOT broker_is_final AND left_book_at IS NOT NULL
          ) unknown
          GROUP BY order_id`
      ),

    noteCredentials: (broker, reason, now) =>
      noteAll(
        "NotificationStore.noteCredentials",
        now,
        sql`
          SELECT 'credentials:' || ${broker}::text || ':' || ${indianDay(now)}::text || ':' || coalesce(
              (SELECT floor(extract(epoch FROM set_at))::text FROM broker_credentials WHERE broker = ${broker}), 'none'),
            'credentials', 'critical', 'Placements are on hold: ' || ${reason}::text, NULL::text, NULL::text`
      ),

    noteRequests: (broker, from, of, now) =>
      noteAll(
        "NotificationStore.noteRequests",
        now,
        sql`
          SELECT 'requests:' || broker || ':' || day, 'daily_limit', 'warning',
            granted_today || ' of the ' || ${of}::int || ' order requests that placements may use today at ' || broker || ' are used',
            NULL::text, NULL::text
          FROM order_budgets
          WHERE broker = ${broker} AND day = ${indianDay(now)}::text::date AND granted_today >= ${from}::int`
      ),

    noteUnfilled: (now) =>
      noteAll(
        "NotificationStore.noteUnfilled",
        now,
        sql`
          SELECT 'shortfall:' || o.id, 'shortfall', 'warning',
            'Order ' || o.id || ' (' || o.side || ' ' || o.total_quantity || ' ' || o.instrument || ') is over, and '
              || s.missing || ' are missing' || coalesce(': ' || o.status_reason, ''),
            o.id, NULL::text
          FROM (${maybeShort(now)}) o CROSS JOIN LATERAL (
            SELECT max(updated_at) AS ended_at,
              sum(greatest(quantity - filled_quantity - carried_quantity, 0)) FILTER (WHERE NOT is_waived) AS missing,
              bool_or(stage IN ('SCHEDULED', 'IN_PROGRESS') OR (stage = 'PROCESSED' AND NOT broker_is_final)) AS is_pending
            FROM order_slices WHERE order_id = o.id AND replaced_by IS NULL
          ) s
          WHERE s.missing > 0 AND NOT s.is_pending AND s.ended_at >= ${since(now)}
          UNION ALL
          SELECT 'shortfall:' || o.id, 'shortfall', 'warning',
            'Order ' || o.id || ' (' || o.side || ' ' || o.total_quantity || ' ' || o.instrument || ') is ' || o.order_queue_status
              || ', and nothing of it was placed' || coalesce(': ' || o.status_reason, ''),
            o.id, NULL::text
          FROM orders o
          WHERE o.order_queue_status IN ('FAILED', 'SKIPPED') AND o.cancel_requested_at IS NULL AND o.updated_at >= ${since(now)}
            AND NOT EXISTS (SELECT FROM order_slices WHERE order_id = o.id)`
      ),

    giveUpOlder: (foundBefore, now) =>
      query(
        "NotificationStore.giveUpOlder",
        ClaimedNotification,
        sql`
          UPDATE notifications SET given_up_at = ${instant(now)}
          WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= ${instant(now)}
            AND found_at < ${instant(foundBefore)}
          RETURNING key, kind, severity, message, order_id, slice_id, found_at, attempts`
      ),

    claim: (now) =>
      queryOption(
        "NotificationStore.claim",
        ClaimedNotification,
        sql`
          WITH picked AS MATERIALIZED (
            SELECT key FROM notifications
            WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= ${instant(now)}
            ORDER BY next_attempt_at, key LIMIT 1
            FOR UPDATE SKIP LOCKED
          )
          UPDATE notifications n SET
            attempts = n.attempts + 1, next_attempt_at = ${instant(DateTime.addDuration(now, deliveryLease))}
          FROM picked WHERE n.key = picked.key
          RETURNING n.key, n.kind, n.severity, n.message, n.order_id, n.slice_id, n.found_at, n.attempts`
      ),

    deliveryState: (givenUpSince) =>
      queryOne(
        "NotificationStore.deliveryState",
        DeliveryState,
        sql`
            SELECT (count(*) FILTER (WHERE given_up_at IS NULL))::int AS waiting,
              min(found_at) FILTER (WHERE given_up_at IS NULL) AS oldest_found_at,
              (count(*) FILTER (WHERE given_up_at IS NOT NULL))::int AS given_up,
              (array_agg(last_error ORDER BY next_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error
            FROM notifications
            WHERE delivered_at IS NULL AND (given_up_at IS NULL OR given_up_at >= ${instant(givenUpSince)})`
      ),

    delivered: (key, now) =>
      execute(
        "NotificationStore.delivered",
        sql`UPDATE notifications SET delivered_at = ${instant(now)}, last_error = NULL WHERE key = ${key} AND delivered_at IS NULL`
      ),

    failed: (key, error, nextAttemptAt, now) =>
      execute(
        "NotificationStore.failed",
        sql`
          UPDATE notifications SET
            last_error = ${error}, next_attempt_at = coalesce(${nextAttemptAt === null ? null : instant(nextAttemptAt)}, next_attempt_at),
            given_up_at = ${nextAttemptAt === null ? instant(now) : null}::timestamptz
          WHERE key = ${key} AND delivered_at IS NULL`
      )
  })
})
