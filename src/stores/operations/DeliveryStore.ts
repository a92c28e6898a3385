import { Array, Context, DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { type Delivery, deliveredWithin, Notification } from "../../domain/operations/notification.ts"
import { maxSingle, maxSummedUp, summaryOf } from "../../domain/operations/summary.ts"
import { isAttempted } from "../sql/isAttempted.ts"

/** A notification or a summary that one daemon is delivering, or that was given up. */
export interface Claimed {
  readonly delivery: Delivery
  /** Attempts to deliver it, the current one included. */
  readonly attempts: number
  /** When the newest of its notifications was found. */
  readonly newestFoundAt: DateTime.Utc
}

/** A notification, and of all those that were taken with it: how many, their attempts, the newest. */
const Taken = Schema.Struct({
  ...Notification.fields,
  summaryKey: Schema.NullOr(Schema.String),
  count: Schema.Int,
  attempts: Schema.Int,
  newestFoundAt: Schema.DateTimeUtcFromDate
})
type Taken = typeof Taken.Type

/** Notifications that wait for their delivery, and those given up. */
const DeliveryState = Schema.Struct({
  waiting: Schema.Int,
  /** Of those that wait. */
  critical: Schema.Int,
  oldestFoundAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  givenUp: Schema.Int,
  /** Of those given up. */
  criticalGivenUp: Schema.Int,
  /** Of the last delivery that failed. */
  lastError: Schema.NullOr(Schema.String)
})
export type DeliveryState = typeof DeliveryState.Type

/** A daemon that dies during a delivery keeps its notifications from the others for this long. */
const deliveryLease = Duration.minutes(1)

/**
 * Hands out the notifications that `NotificationStore` has noted, each to one daemon at a time, and records how their delivery
 * went. Critical ones come before warnings, and those before the rest; of the same severity the oldest comes first. Of many of
 * one kind that are due, a summary is handed out, which stands for them from then on. Each is delivered at least once: a
 * daemon that dies after sending leaves it for the next one. Called by the notifier, and by the doctor for the state.
 */
export class DeliveryStore extends Context.Service<
  DeliveryStore,
  {
    /** Gives up the notifications that are too old and that no daemon is delivering; returns them, many of a kind as one. */
    readonly giveUpOld: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<Claimed>, DbError>
    /** The next notification or summary to deliver, reserved for this daemon for a minute. */
    readonly claim: (now: DateTime.Utc) => Effect.Effect<Option.Option<Claimed>, DbError>
    /** The notifications that wait for their delivery, and those that were given up since then. */
    readonly deliveryState: (givenUpSince: DateTime.Utc) => Effect.Effect<DeliveryState, DbError>
    /** The delivery with this key was accepted: of a summary, all its notifications are delivered. */
    readonly delivered: (key: string, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** The delivery failed; the next attempt is at `nextAttemptAt`, or, if that is null, it is given up. */
    readonly failed: (
      key: string,
      error: string,
      nextAttemptAt: DateTime.Utc | null,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>
  }
>()("pulse-background/DeliveryStore") {
  static readonly layer: Layer.Layer<DeliveryStore, never, Db> = Layer.effect(
    DeliveryStore,
    Effect.map(Db, (db) =>
      DeliveryStore.of({
        giveUpOld: giveUpOld(db),
        claim: claim(db),
        deliveryState: deliveryState(db),
        delivered: delivered(db),
        failed: failed(db)
      })
    )
  )
}

const isDue = (sql: Sql, now: DateTime.Utc) =>
  sql`(delivered_at IS NULL AND given_up_at IS NULL AND ${isAttempted(sql, now)})`

/** Of the same instant, a shorter key comes first: halt:9 before halt:10. */
const oldestFirst = (sql: Sql) => sql.literal("found_at, length(key), key")

const takenColumns = (sql: Sql) =>
  sql.literal("key, kind, severity, message, order_id, slice_id, reason_code, found_at, summary_key")

const giveUpOld =
  ({ sql, queryReadable }: Db["Service"]) =>
  (now: DateTime.Utc) =>
    Effect.map(
      queryReadable(
        "DeliveryStore.giveUpOld",
        Taken,
        sql`
          WITH old AS (
            UPDATE notifications SET given_up_at = ${instant(now)}
            WHERE ${isDue(sql, now)} AND found_at < CASE severity
              WHEN 'critical' THEN ${instant(DateTime.subtractDuration(now, deliveredWithin("critical")))}::timestamptz
              ELSE ${instant(DateTime.subtractDuration(now, deliveredWithin("warning")))}::timestamptz END
            RETURNING *
          ), counted AS (
            SELECT *, row_number() OVER (kinds ORDER BY ${oldestFirst(sql)}) AS place, (count(*) OVER kinds)::int AS count,
              max(found_at) OVER kinds AS newest_found_at
            FROM old WINDOW kinds AS (PARTITION BY kind, severity)
          )
          SELECT ${takenColumns(sql)}, attempts, count, newest_found_at FROM counted
          WHERE place <= ${maxSummedUp.otherKinds} ORDER BY ${oldestFirst(sql)}`
      ),
      (rows) =>
        Object.values(Array.groupBy(rows, ({ kind, severity }) => `${kind} ${severity}`)).flatMap((kind) =>
          kind[0].count <= maxSingle ? kind.map((one) => claimedOf([{ ...one, count: 1 }])) : [claimedOf(kind)]
        )
    )

const claim =
  ({ sql, queryReadable }: Db["Service"]) =>
  (now: DateTime.Utc) =>
    Effect.map(
      queryReadable(
        "DeliveryStore.claim",
        Taken,
        sql`
          WITH first AS MATERIALIZED (
            SELECT key, kind, severity, summary_key FROM notifications WHERE ${isDue(sql, now)}
            ORDER BY array_position('{critical,warning,info}'::text[], severity), ${oldestFirst(sql)} LIMIT 1
            FOR UPDATE SKIP LOCKED
          ), alike AS MATERIALIZED (
            SELECT key FROM notifications
            WHERE ${isDue(sql, now)} AND (kind, severity) = (SELECT kind, severity FROM first)
              AND summary_key IS NOT DISTINCT FROM (SELECT summary_key FROM first)
            ORDER BY ${oldestFirst(sql)}
            LIMIT (SELECT CASE kind WHEN 'shortfall' THEN ${maxSummedUp.shortfall}::int ELSE ${maxSummedUp.otherKinds}::int END FROM first)
            FOR UPDATE SKIP LOCKED
          ), picked AS MATERIALIZED (
            SELECT key FROM first
            UNION SELECT key FROM alike
            WHERE (SELECT count(*) FROM alike) > ${maxSingle}::int OR (SELECT summary_key FROM first) IS NOT NULL
          ), taken AS (
            UPDATE notifications n SET
              attempts = n.attempts + 1, next_attempt_at = ${instant(DateTime.addDuration(now, deliveryLease))},
              summary_key = coalesce(n.summary_key, (SELECT 'summary:' || key FROM first WHERE (SELECT count(*) FROM picked) > 1))
            FROM picked WHERE n.key = picked.key
            RETURNING n.*
          )
          SELECT ${takenColumns(sql)}, (max(attempts) OVER ())::int AS attempts, (count(*) OVER ())::int AS count,
            max(found_at) OVER () AS newest_found_at
          FROM taken ORDER BY ${oldestFirst(sql)} LIMIT ${maxSummedUp.otherKinds}`
      ),
      (rows) => (Array.isReadonlyArrayNonEmpty(rows) ? Option.some(claimedOf(rows)) : Option.none())
    )

const claimedOf = (rows: Array.NonEmptyReadonlyArray<Taken>): Claimed => {
  const [{ summaryKey, count, attempts, newestFoundAt, ...notification }] = rows
  const key = summaryKey ?? notification.key
  return {
    delivery: count === 1 ? { ...notification, key } : summaryOf(key, rows, count),
    attempts,
    newestFoundAt
  }
}

const deliveryState =
  ({ sql, queryOne }: Db["Service"]) =>
  (givenUpSince: DateTime.Utc) =>
    queryOne(
      "DeliveryStore.deliveryState",
      DeliveryState,
      sql`
          SELECT (count(*) FILTER (WHERE given_up_at IS NULL))::int AS waiting,
            (count(*) FILTER (WHERE given_up_at IS NULL AND severity = 'critical'))::int AS critical,
            min(found_at) FILTER (WHERE given_up_at IS NULL) AS oldest_found_at,
            (count(*) FILTER (WHERE given_up_at IS NOT NULL))::int AS given_up,
            (count(*) FILTER (WHERE given_up_at IS NOT NULL AND severity = 'critical'))::int AS critical_given_up,
            (array_agg(last_error ORDER BY next_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error
          FROM notifications
          WHERE delivered_at IS NULL AND (given_up_at IS NULL OR given_up_at >= ${instant(givenUpSince)})`
    )

/** The undelivered notifications of a delivery. */
const isPartOf = (sql: Sql, key: string) =>
  sql`(summary_key = ${key} OR (key = ${key} AND summary_key IS NULL)) AND delivered_at IS NULL`

const delivered =
  ({ sql, execute }: Db["Service"]) =>
  (key: string, now: DateTime.Utc) =>
    execute(
      "DeliveryStore.delivered",
      sql`UPDATE notifications SET delivered_at = ${instant(now)}, last_error = NULL WHERE ${isPartOf(sql, key)}`
    )

const failed =
  ({ sql, execute }: Db["Service"]) =>
  (key: string, error: string, nextAttemptAt: DateTime.Utc | null, now: DateTime.Utc) =>
    execute(
      "DeliveryStore.failed",
      sql`
        UPDATE notifications SET
          last_error = ${error}, next_attempt_at = coalesce(${nextAttemptAt === null ? null : instant(nextAttemptAt)}, next_attempt_at),
          given_up_at = ${nextAttemptAt === null ? instant(now) : null}::timestamptz
        WHERE ${isPartOf(sql, key)}`
    )
