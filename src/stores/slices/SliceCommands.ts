import { BigDecimal, Context, DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import { EndedSlice, type Retry, type RetryOptions, retrySlice } from "../../domain/lifecycle/retrySlice.ts"
import { type BrokerOrderId, SliceId } from "../../domain/model/Ids.ts"
import { defaultMaxLatenessSeconds } from "../../domain/model/Order.ts"
import { Stage } from "../../domain/model/OrderSlice.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { isInDoubt, isLost, shownReasonCode } from "../sql/conditions.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { reasonCode } from "../sql/reasonCode.ts"

const SliceState = Schema.Struct({
  id: SliceId,
  orderId: Schema.String,
  sequenceNumber: Schema.Int,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode,
  quantity: Schema.Int,
  claimedBy: Schema.NullOr(Schema.String),
  leaseExpiresAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  isInDoubt: Schema.Boolean,
  /** Its broker order, if the broker's order list ceased to show it before it was final; else null. */
  lostOrderId: Schema.NullOr(Schema.String)
})
export type SliceState = typeof SliceState.Type

/** A person's finding on a slice that the service could not resolve. */
export interface FoundOrder {
  readonly brokerOrderId: BrokerOrderId
  /** The final filled quantity and its price; null to have the order followed in the broker's order list. */
  readonly fill: { readonly quantity: number; readonly price: BigDecimal.BigDecimal | null } | null
}

/** The slice must not be sent again; the reason says why. Nothing was changed. */
export class CannotRetry extends Schema.TaggedError<CannotRetry>()("CannotRetry", {
  sliceId: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Slice ${this.sliceId} is not sent again: ${this.reason}. Nothing was changed.`
  }
}

/**
 * Operators' decisions on single slices, for the command `slice`. Each is conditional on the slice's state, raises its
 * `claim_version`, so that a daemon that still owns the slice writes nothing more, and is recorded in the same transaction.
 */
export class SliceCommands extends Context.Service<
  SliceCommands,
  {
    /** The slice with this id, or with the name `ORDER/NUMBER`. */
    readonly find: (name: string, now: DateTime.Utc) => Effect.Effect<Option.Option<SliceState>, DbError>
    /** Ids of the slices of the ten newest orders. */
    readonly newestIds: Effect.Effect<ReadonlyArray<string>, DbError>
    /** SCHEDULED or in doubt → SKIPPED, and its quantity is waived; false for a slice that is neither. */
    readonly skip: (id: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /**
     * FAILED or SKIPPED → SCHEDULED, with as many attempts as a new slice. A slice whose request may have reached the
     * broker becomes IN_PROGRESS with an unknown outcome, for the monitor to look it up first.
     */
    readonly retry: (id: string, options: RetryOptions, asked: Asked) => Effect.Effect<Retry, CannotRetry | DbError>
    /** The slice that has this broker order. */
    readonly ownerOf: (brokerOrderId: BrokerOrderId) => Effect.Effect<Option.Option<SliceId>, DbError>
    /**
     * → PROCESSED with this broker order. The slice must be in doubt; or, with its final fill, be one that was given up
     * after it was in doubt and that nothing replaces, or one whose order this is and left the broker's order list. False
     * in every other state, and if another slice has that order.
     */
    readonly placed: (id: string, order: FoundOrder, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/SliceCommands") {
  static readonly layer: Layer.Layer<SliceCommands, never, Db> = Layer.effect(
    SliceCommands,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, query, queryOption, execute, transaction } = db

      /** Serialises the retry with a cancel, a hold or a new plan of the order, which lock it too. */
      const lockOrderOf = (id: string) =>
        execute(
          "SliceCommands.lockOrderOf",
          sql`SELECT id FROM orders WHERE id = (SELECT order_id FROM order_slices WHERE id = ${id}) FOR UPDATE`
        )

      const readEnded = (id: string) =>
        queryOption(
          "SliceCommands.readEnded",
          EndedSlice,
          sql`
            SELECT s.id, s.order_id, s.stage, s.stage_reason, s.claim_version, s.broker_order_id, s.filled_quantity, s.replaced_by,
              s.carried_quantity, s.in_doubt_at, s.claimed_at, s.scheduled_at, s.not_after, s.stale_at IS NOT NULL AS is_spread_anew,
              EXISTS (SELECT FROM double_placements WHERE tag = s.tag) AS is_double,
              (SELECT max(revision) FROM order_plans WHERE order_id = o.id AND cause = 'AMENDMENT' AND s.is_waived
                AND created_at >= s.updated_at) AS waived_by,
              o.order_queue_status, o.cancel_requested_at IS NOT NULL AS is_cancelled,
              o.lateness_policy = 'SKIP' AS is_skipped_late,
              coalesce(o.max_lateness_seconds, ${defaultMaxLatenessSeconds}::int)::float8 AS max_lateness_seconds,
              (SELECT completes_at FROM order_plans WHERE order_id = o.id ORDER BY revision DESC LIMIT 1) AS completes_at
            FROM order_slices s JOIN orders o ON o.id = s.order_id
            WHERE s.id = ${id}
            FOR UPDATE OF s`
        )

      /** Makes a finished order unfinished, because a slice of it is sent again. */
      const reopenOrder = ({ orderId }: EndedSlice, now: DateTime.Utc) =>
        execute(
          "SliceCommands.reopenOrder",
          sql`
            UPDATE orders SET
              status_reason = CASE WHEN settled_at IS NULL THEN status_reason END,
              reason_code = CASE WHEN settled_at IS NULL THEN reason_code END, settled_at = NULL, updated_at = ${instant(now)}
            WHERE id = ${orderId}`
        )

      const sendAgain = (slice: EndedSlice, retry: Retry, asked: Asked, now: DateTime.Utc) =>
        execute(
          "SliceCommands.sendAgain",
          sql`
            WITH again AS (
              UPDATE order_slices s SET
                stage = CASE WHEN ${retry.isLookedUpFirst} THEN 'IN_PROGRESS' ELSE 'SCHEDULED' END,
                -- The quarantine begins anew with the retry.
                outcome_unknown_at = CASE WHEN ${retry.isLookedUpFirst} THEN ${instant(now)}::timestamptz END,
                stage_reason = ${`retried by ${asked.by} for ${DateTime.formatIso(retry.notBefore)}: ${asked.reason}`},
                reason_code = ${reasonCode(sql, "retried_by_operator")},
                claim_version = s.claim_version + 1, attempts = 0,
                -- scheduled_at has microseconds and parameters have milliseconds, so a rounded not_before may be too early.
                not_before = greatest(${instant(retry.notBefore)}, s.scheduled_at), not_after = ${instant(retry.notAfter)},
                stale_at = ${retry.staleAt === null ? null : instant(retry.staleAt)}::timestamptz,
                is_held = o.hold_reason IS NOT NULL, is_waived = false, updated_at = ${instant(now)}
              FROM orders o
              WHERE s.id = ${slice.id} AND s.stage = ${slice.stage} AND s.claim_version = ${slice.claimVersion} AND o.id = s.order_id
              RETURNING s.*
            ), recorded AS (${insertActions(
              sql,
              { name: "slice retry", asked, now },
              sql`
                SELECT order_id, id, jsonb_build_object('was', ${slice.stage}::text, 'because', ${slice.stageReason}::text,
                  'not_before', not_before, 'looked_up_first', stage = 'IN_PROGRESS')
                FROM again`
            )})
            SELECT pg_notify(${channel}, 'slices') FROM again`
        )

      return SliceCommands.of({
        find: (name, now) => {
          const [, orderId = null, number = null] = /^(.+)\/(\d{1,9})$/.exec(name) ?? []
          return queryOption(
            "SliceCommands.find",
            SliceState,
            sql`
              SELECT id, order_id, sequence_number, stage, stage_reason, ${shownReasonCode(sql, now)} AS reason_code, quantity, claimed_by, lease_expires_at,
                ${isInDoubt(sql, now)} AS is_in_doubt, CASE WHEN ${isLost(sql)} THEN broker_order_id END AS lost_order_id
              FROM order_slices
              WHERE id = ${name} OR (order_id = ${orderId} AND sequence_number = ${number === null ? null : Number(number)}::int)`
          )
        },

        newestIds: query(
          "SliceCommands.newestIds",
          Id,
          sql`
            SELECT s.id FROM (SELECT id FROM orders ORDER BY created_at DESC LIMIT 10) o
            JOIN order_slices s ON s.order_id = o.id`
        ).pipe(Effect.map(idsOf)),

        skip: (id, asked, now) =>
          query(
            "SliceCommands.skip",
            Id,
            sql`
              WITH skipped AS (
                UPDATE order_slices SET
                  stage = 'SKIPPED', stage_reason = ${`skipped by ${asked.by}: ${asked.reason}`},
                  reason_code = ${reasonCode(sql, "skipped_by_operator")}, is_waived = true,
                  claim_version = claim_version + 1,
                  in_doubt_at = CASE WHEN stage = 'IN_PROGRESS' THEN ${instant(now)}::timestamptz ELSE in_doubt_at END,
                  updated_at = ${instant(now)}
                WHERE id = ${id} AND (stage = 'SCHEDULED' OR ${isInDoubt(sql, now)})
                RETURNING *
              ), recorded AS (${insertActions(
                sql,
                { name: "slice skip", asked, now },
                sql`SELECT order_id, id, jsonb_build_object('quantity', quantity) FROM skipped`
              )})
              SELECT id FROM skipped`
          ).pipe(Effect.map((rows) => rows.length === 1)),

        retry: (id, options, asked) =>
          transaction(
            "SliceCommands.retry",
            Effect.gen(function* () {
              yield* lockOrderOf(id)
              const found = yield* readEnded(id)
              if (Option.isNone(found)) return yield* new CannotRetry({ sliceId: id, reason: "there is no such slice" })
              const slice = found.value
              const decided = retrySlice(slice, options)
              if (Result.isFailure(decided)) return yield* new CannotRetry({ sliceId: id, reason: decided.failure })
              yield* reopenOrder(slice, options.now)
              yield* sendAgain(slice, decided.success, asked, options.now)
              return decided.success
            })
          ),

        ownerOf: (brokerOrderId) =>
          queryOption(
            "SliceCommands.ownerOf",
            Schema.Struct({ id: SliceId }),
            sql`SELECT id FROM order_slices WHERE broker_order_id = ${brokerOrderId} LIMIT 1`
          ).pipe(Effect.map(Option.map((row) => row.id))),

        placed: placed(db)
      })
    })
  )
}

/** The slice was in doubt, was given up, and nothing replaces it. */
const isGivenUpInDoubt = (sql: Sql) =>
  sql`(stage IN ('FAILED', 'SKIPPED') AND in_doubt_at IS NOT NULL AND replaced_by IS NULL AND carried_quantity = 0)`

const placed =
  (db: Db["Service"]): SliceCommands["Service"]["placed"] =>
  (id, order, asked, now) =>
    db.transaction(
      "SliceCommands.placed",
      Effect.andThen(lockBrokerOrder(db, order.brokerOrderId), writePlaced(db, id, order, asked, now))
    )

/** Of two people who give one broker order to two slices, the second must see the slice of the first. */
const lockBrokerOrder = ({ sql, execute }: Db["Service"], id: BrokerOrderId) =>
  execute(
    "SliceCommands.lockBrokerOrder",
    sql`SELECT pg_advisory_xact_lock(hashtext('pulse_background_broker_order'), hashtext(${id}))`
  )

const writePlaced = (
  { sql, query }: Db["Service"],
  id: string,
  { brokerOrderId, fill }: FoundOrder,
  asked: Asked,
  now: DateTime.Utc
) =>
  query(
    "SliceCommands.placed",
    Id,
    sql`
        WITH placed AS (
          UPDATE order_slices SET
            stage = 'PROCESSED', stage_reason = ${`found by ${asked.by}: ${asked.reason}`},
            reason_code = ${reasonCode(sql, "found_by_operator")}, claim_version = claim_version + 1,
            broker_order_id = ${brokerOrderId}, acknowledged_at = coalesce(acknowledged_at, ${instant(now)}),
            in_doubt_at = CASE WHEN stage = 'IN_PROGRESS' THEN ${instant(now)}::timestamptz ELSE in_doubt_at END,
            left_book_at = NULL, broker_is_final = ${fill !== null},
            broker_status = CASE WHEN ${fill !== null} THEN
              CASE WHEN ${fill?.quantity ?? 0}::int = quantity THEN 'COMPLETE' ELSE 'CANCELLED' END END,
            filled_quantity = ${fill?.quantity ?? 0}::int,
            average_price = ${fill === null || fill.price === null ? null : BigDecimal.format(fill.price)}::numeric,
            updated_at = ${instant(now)}
          WHERE id = ${id} AND ${fill?.quantity ?? 0}::int <= quantity
            AND NOT EXISTS (SELECT FROM order_slices other WHERE other.broker_order_id = ${brokerOrderId} AND other.id <> ${id})
            AND (${isInDoubt(sql, now)} OR (${isGivenUpInDoubt(sql)} AND ${fill !== null}) OR (${isLost(sql)} AND ${fill !== null} AND broker_order_id = ${brokerOrderId}
              AND ${fill?.quantity ?? 0}::int >= filled_quantity))
          RETURNING *
        ), recorded AS (${insertActions(
          sql,
          { name: "slice placed", asked, now },
          sql`
            SELECT order_id, id, jsonb_build_object('broker_order_id', broker_order_id, 'filled', ${fill?.quantity ?? null}::int)
            FROM placed`
        )})
        SELECT id FROM placed`
  ).pipe(Effect.map((rows) => rows.length === 1))
