import { type DateTime, Effect, Option } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import type { Topic } from "../../db/Wakeups.ts"
import { because, type Reason } from "../../domain/model/reason.ts"
import { holdSlices } from "../sql/holdSlices.ts"
import { Id } from "../sql/ids.ts"
import { type ActionName, type Asked, insertActions } from "../sql/insertActions.ts"
import { isOfOrder, skipQueued } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"

/*
 * The changes of OrderCommands to running orders: on hold, off hold, cancelled. Each is one transaction that locks the
 * order before its slices, records the operator's action and notifies the executors.
 */

/** Puts an order on hold for a person; false when it is on hold already, or there is none. */
export const pause =
  (db: Db["Service"]) =>
  (orderId: string, asked: Asked, now: DateTime.Utc): Effect.Effect<boolean, DbError> =>
    changeHold(
      db,
      "OrderCommands.pause",
      "cancels",
      startHold(db, orderId, because("paused_by_operator", `paused by ${asked.by}: ${asked.reason}`), now),
      now,
      record(db, "order pause", orderId, asked, now)
    )

/** Puts an order on hold for the service itself; false when it is on hold already, or there is none. */
export const hold =
  (db: Db["Service"]) =>
  (orderId: string, reason: Reason, now: DateTime.Utc): Effect.Effect<boolean, DbError> =>
    changeHold(db, "OrderCommands.hold", "cancels", startHold(db, orderId, reason, now), now)

/** Takes an order off hold; false when it was not on hold. */
export const resume =
  (db: Db["Service"]) =>
  (orderId: string, asked: Asked, now: DateTime.Utc): Effect.Effect<boolean, DbError> =>
    changeHold(
      db,
      "OrderCommands.resume",
      "slices",
      endHold(db, orderId, now),
      now,
      record(db, "order resume", orderId, asked, now)
    )

/** Requests an order's cancel, and skips its SCHEDULED slices. */
export const requestCancel =
  (db: Db["Service"]) =>
  (orderId: string, asked: Asked, now: DateTime.Utc): Effect.Effect<void, DbError> =>
    db.transaction(
      "OrderCommands.requestCancel",
      Effect.gen(function* () {
        yield* markCancelled(db, orderId, asked, now)
        yield* skipScheduled(db, orderId, now)
        yield* notify(db, "cancels")
      })
    )

/** Changes the hold of an order and of its slices; false when there was nothing to change. */
const changeHold = (
  db: Db["Service"],
  operation: string,
  topic: Topic,
  change: Effect.Effect<Option.Option<typeof Id.Type>, DbError>,
  now: DateTime.Utc,
  recorded: Effect.Effect<void, DbError> = Effect.void
) =>
  db.transaction(
    operation,
    Effect.gen(function* () {
      const changed = yield* change
      if (Option.isNone(changed)) return false
      yield* holdSlices(db, changed.value.id, now)
      yield* recorded
      yield* notify(db, topic)
      return true
    })
  )

const startHold = ({ sql, queryOption }: Db["Service"], orderId: string, reason: Reason, now: DateTime.Utc) =>
  queryOption(
    "OrderCommands.startHold",
    Id,
    sql`
      UPDATE orders SET
        held_at = ${instant(now)}, hold_reason = ${reason.text}, hold_reason_code = ${reason.code}, updated_at = ${instant(now)}
      WHERE id = ${orderId} AND hold_reason IS NULL
      RETURNING id`
  )

const endHold = ({ sql, queryOption }: Db["Service"], orderId: string, now: DateTime.Utc) =>
  queryOption(
    "OrderCommands.endHold",
    Id,
    sql`
      UPDATE orders SET
        hold_reason = NULL, hold_reason_code = NULL, resumed_at = ${instant(now)}, updated_at = ${instant(now)}
      WHERE id = ${orderId} AND hold_reason IS NOT NULL
      RETURNING id`
  )

const record = ({ sql, execute }: Db["Service"], name: ActionName, orderId: string, asked: Asked, now: DateTime.Utc) =>
  execute(
    "OrderCommands.record",
    insertActions(sql, { name, asked, now }, sql`SELECT ${orderId}::text, NULL::text, '{}'::jsonb`)
  )

const notify = ({ sql, execute }: Db["Service"], topic: Topic) =>
  execute("OrderCommands.notify", sql`SELECT pg_notify(${channel}, ${topic})`)

const markCancelled = ({ sql, execute }: Db["Service"], orderId: string, asked: Asked, now: DateTime.Utc) =>
  execute(
    "OrderCommands.markCancelled",
    sql`
      WITH cancelled AS (
        UPDATE orders SET
          cancel_requested_at = ${instant(now)}, cancel_requested_by = ${asked.by}, updated_at = ${instant(now)},
          order_queue_status = CASE WHEN order_queue_status = 'PENDING' THEN 'SKIPPED' ELSE order_queue_status END,
          status_reason = CASE WHEN order_queue_status = 'PENDING' THEN 'cancelled before the split' ELSE status_reason END,
          reason_code = CASE WHEN order_queue_status = 'PENDING' THEN ${reasonCode(sql, "order_cancelled")} ELSE reason_code END
        WHERE id = ${orderId} AND cancel_requested_at IS NULL
        RETURNING id
      )
      ${insertActions(
        sql,
        { name: "order cancel", asked, now },
        sql`SELECT id, NULL::text, '{}'::jsonb FROM cancelled`
      )}`
  )

const skipScheduled = ({ sql, execute }: Db["Service"], orderId: string, now: DateTime.Utc) =>
  execute(
    "OrderCommands.skipScheduled",
    sql`
      WITH ${skipQueued(sql, {
        using: sql`orders o`,
        where: sql`o.id = ${orderId} AND ${isOfOrder(sql, "q.slice", sql`o.number`)} AND q.claim = 0`,
        updates: {
          reason: sql`'order cancelled'`,
          reason_code: reasonCode(sql, "order_cancelled"),
          updated_at: sql`${instant(now)}::timestamptz`
        }
      })}
      SELECT count(*) FROM gone`
  )
