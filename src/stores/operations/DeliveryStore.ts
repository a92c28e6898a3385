import { Context, DateTime, Duration, Effect, Layer, type Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { Notification } from "../../domain/operations/notification.ts"

/** A notification that one daemon is delivering. */
export const ClaimedNotification = Schema.Struct({ ...Notification.fields, attempts: Schema.Int })
export type ClaimedNotification = typeof ClaimedNotification.Type

/** Notifications that wait for their delivery, and those given up. */
const DeliveryState = Schema.Struct({
  waiting: Schema.Int,
  oldestFoundAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  givenUp: Schema.Int,
  /** Of the last delivery that failed. */
  lastError: Schema.NullOr(Schema.String)
})
export type DeliveryState = typeof DeliveryState.Type

/** A daemon that dies during a delivery keeps the notification from the others for this long. */
const deliveryLease = Duration.minutes(1)

/**
 * Hands out the notifications that `NotificationStore` has noted, each to one daemon at a time, and records how their delivery
 * went. A notification is delivered at least once: a daemon that dies after sending leaves it for the next one. Called by
 * the notifier, and by the doctor for the state.
 */
export class DeliveryStore extends Context.Service<
  DeliveryStore,
  {
    /** Gives up the notifications found before `foundBefore` that no daemon is delivering, and returns them. */
    readonly giveUpOlder: (
      foundBefore: DateTime.Utc,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<ClaimedNotification>, DbError>
    /** The next notification to deliver, reserved for this daemon for a minute. */
    readonly claim: (now: DateTime.Utc) => Effect.Effect<Option.Option<ClaimedNotification>, DbError>
    /** The notifications that wait for their delivery, and those that were given up since then. */
    readonly deliveryState: (givenUpSince: DateTime.Utc) => Effect.Effect<DeliveryState, DbError>
    readonly delivered: (key: string, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** A delivery failed; the next attempt is at `nextAttemptAt`, or, if that is null, the notification is given up. */
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
        giveUpOlder: giveUpOlder(db),
        claim: claim(db),
        deliveryState: deliveryState(db),
        delivered: delivered(db),
        failed: failed(db)
      })
    )
  )
}

const giveUpOlder =
  ({ sql, query }: Db["Service"]) =>
  (foundBefore: DateTime.Utc, now: DateTime.Utc) =>
    query(
      "DeliveryStore.giveUpOlder",
      ClaimedNotification,
      sql`
        UPDATE notifications SET given_up_at = ${instant(now)}
        WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= ${instant(now)}
          AND found_at < ${instant(foundBefore)}
        RETURNING key, kind, severity, message, order_id, slice_id, reason_code, found_at, attempts`
    )

const claim =
  ({ sql, queryOption }: Db["Service"]) =>
  (now: DateTime.Utc) =>
    queryOption(
      "DeliveryStore.claim",
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
        RETURNING n.key, n.kind, n.severity, n.message, n.order_id, n.slice_id, n.reason_code, n.found_at, n.attempts`
    )

const deliveryState =
  ({ sql, queryOne }: Db["Service"]) =>
  (givenUpSince: DateTime.Utc) =>
    queryOne(
      "DeliveryStore.deliveryState",
      DeliveryState,
      sql`
          SELECT (count(*) FILTER (WHERE given_up_at IS NULL))::int AS waiting,
            min(found_at) FILTER (WHERE given_up_at IS NULL) AS oldest_found_at,
            (count(*) FILTER (WHERE given_up_at IS NOT NULL))::int AS given_up,
            (array_agg(last_error ORDER BY next_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error
          FROM notifications
          WHERE delivered_at IS NULL AND (given_up_at IS NULL OR given_up_at >= ${instant(givenUpSince)})`
    )

const delivered =
  ({ sql, execute }: Db["Service"]) =>
  (key: string, now: DateTime.Utc) =>
    execute(
      "DeliveryStore.delivered",
      sql`UPDATE notifications SET delivered_at = ${instant(now)}, last_error = NULL WHERE key = ${key} AND delivered_at IS NULL`
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
        WHERE key = ${key} AND delivered_at IS NULL`
    )
