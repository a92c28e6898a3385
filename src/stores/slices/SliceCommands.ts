import { Context, type DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import type { Retry, RetryOptions } from "../../domain/lifecycle/retrySlice.ts"
import { type BrokerOrderId, SliceId } from "../../domain/model/Ids.ts"
import { Stage } from "../../domain/model/OrderSlice.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { isInDoubt, isLost, shownReasonCode } from "../sql/conditions.ts"
import { isQueuedInDoubt, withBrokerOrder } from "../sql/foundMoves.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { skipQueued } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { type FoundOrder, placed } from "./placed.ts"
import { type CannotRetry, retry } from "./retry.ts"

export type { FoundOrder } from "./placed.ts"
export { CannotRetry } from "./retry.ts"

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
    Effect.map(Db, (db) =>
      SliceCommands.of({
        find: find(db),
        newestIds: newestIds(db),
        skip: skip(db),
        retry: retry(db),
        ownerOf: ownerOf(db),
        placed: placed(db)
      })
    )
  )
}

const find =
  ({ sql, queryOption }: Db["Service"]): SliceCommands["Service"]["find"] =>
  (name, now) => {
    const [, orderId = null, number = null] = /^(.+)\/(\d{1,9})$/.exec(name) ?? []
    return queryOption(
      "SliceCommands.find",
      SliceState,
      sql`
        WITH named AS MATERIALIZED (
          SELECT slice FROM slice_plan WHERE id = ${name}
          UNION ALL
          SELECT p.slice FROM orders o JOIN slice_plan p
            ON p.order_number = o.number AND p.slice = (o.number << 20) + ${number === null ? null : Number(number)}::int
          WHERE o.id = ${orderId}
        )
        SELECT id, order_id, sequence_number, stage, stage_reason, ${shownReasonCode(sql, now)} AS reason_code, quantity, claimed_by,
          lease_expires_at, ${isInDoubt(sql, now)} AS is_in_doubt, CASE WHEN ${isLost(sql)} THEN broker_order_id END AS lost_order_id
        FROM named JOIN slice_rows USING (slice)`
    )
  }

const newestIds = ({ sql, query }: Db["Service"]): SliceCommands["Service"]["newestIds"] =>
  query(
    "SliceCommands.newestIds",
    Id,
    sql`
      SELECT p.id FROM (SELECT number FROM orders ORDER BY created_at DESC LIMIT 10) o
      JOIN slice_plan p ON p.order_number = o.number`
  ).pipe(Effect.map(idsOf))

const skip =
  ({ sql, query }: Db["Service"]): SliceCommands["Service"]["skip"] =>
  (id, asked, now) =>
    query(
      "SliceCommands.skip",
      Id,
      sql`
        WITH input AS MATERIALIZED (
          SELECT p.slice, p.id, o.id AS order_id FROM slice_plan p JOIN orders o ON o.number = p.order_number WHERE p.id = ${id}
        ), ${skipQueued(sql, {
          using: sql`input i`,
          where: sql`q.slice = i.slice AND (q.claim = 0 OR ${isQueuedInDoubt(sql, now)})`,
          returning: sql`i.id, i.order_id, q.claim <> 0 AS was_claimed`,
          updates: {
            reason: sql`${`skipped by ${asked.by}: ${asked.reason}`}::text`,
            reason_code: reasonCode(sql, "skipped_by_operator"),
            is_waived: sql`true`,
            version: sql`version + 1`,
            in_doubt_at: sql`CASE WHEN was_claimed THEN ${instant(now)}::timestamptz ELSE in_doubt_at END`,
            updated_at: sql`${instant(now)}::timestamptz`
          }
        })}, recorded AS (${insertActions(
          sql,
          { name: "slice skip", asked, now },
          sql`SELECT order_id, id, jsonb_build_object('quantity', quantity) FROM gone`
        )})
        SELECT id FROM gone`
    ).pipe(Effect.map((rows) => rows.length === 1))

const ownerOf =
  ({ sql, queryOption }: Db["Service"]): SliceCommands["Service"]["ownerOf"] =>
  (brokerOrderId) =>
    queryOption(
      "SliceCommands.ownerOf",
      Schema.Struct({ id: SliceId }),
      sql`SELECT p.id FROM ${withBrokerOrder(sql, brokerOrderId)} b JOIN slice_plan p ON p.slice = b.slice LIMIT 1`
    ).pipe(Effect.map(Option.map((row) => row.id)))
