import { Context, type DateTime, type Duration, Effect, Layer, Schema } from "effect"
import { Db, type DbError } from "../db/Db.ts"
import { channel, durationMillis, instant, integers, jsons, texts } from "../db/parameters.ts"
import { type BrokerOrderId, OrderId, type SliceId, type Tag } from "../domain/Ids.ts"
import { defaultMaxLatenessSeconds, OrderQueueStatus } from "../domain/Order.ts"
import { Profile } from "../domain/schedule/Curve.ts"
import { algorithmVersion, type ScheduleInput } from "../domain/schedule/Schedule.ts"
import { UntrustedOrder } from "../domain/validateOrder.ts"
import { orderColumns } from "./orderColumns.ts"

/** A PENDING order as found, nothing about it trusted yet. */
export const ClaimedOrder = Schema.Struct({
  ...UntrustedOrder.fields,
  claimVersion: Schema.Int,
  orderQueueStatus: OrderQueueStatus,
  statusReason: Schema.NullOr(Schema.String),
  /** The instrument's own; null for the built-in one. */
  volumeProfile: Schema.NullOr(Profile),
  requestId: Schema.NullOr(Schema.String),
  originTraceId: Schema.NullOr(Schema.String),
  /** Whether the window begins within a year from now; a time beyond is a mistake, or cannot be reckoned with at all. */
  hasNearStart: Schema.Boolean
})
export type ClaimedOrder = typeof ClaimedOrder.Type

/** One slice of a finished split. */
export interface NewSlice {
  readonly id: SliceId
  readonly orderId: string
  readonly sequenceNumber: number
  readonly tag: Tag
  readonly quantity: number
  readonly offsetMillis: number
}

export interface SplitOrder {
  readonly id: string
  readonly claimVersion: number
  readonly slices: ReadonlyArray<NewSlice>
  /** What decided them. */
  readonly plan: ScheduleInput
}

export interface FailedSplit {
  readonly id: string
  readonly claimVersion: number
  readonly reason: string
}

const ReleasedOrder = Schema.Struct({ id: Schema.String, orderQueueStatus: OrderQueueStatus })

/** One slice that the broker has several orders for. */
export interface DoublePlacement {
  readonly tag: Tag
  readonly orderId: OrderId
  readonly sliceId: SliceId
  readonly brokerOrderIds: ReadonlyArray<BrokerOrderId>
}

export class OrderStore extends Context.Service<
  OrderStore,
  {
    /** PENDING → IN_PROGRESS for up to `limit` orders, oldest first; → SKIPPED for those that are over or cancelled. */
    readonly claimPending: (options: {
      readonly now: DateTime.Utc
      readonly owner: string
      readonly limit: number
      readonly windowGrace: Duration.Duration
    }) => Effect.Effect<ReadonlyArray<ClaimedOrder>, DbError>

    /**
     * IN_PROGRESS → DONE with all slices, for each order this owner still owns; returns their ids. The slices of an order
     * whose cancel was asked for meanwhile are SKIPPED from the start.
     */
    readonly completeSplits: (
      orders: ReadonlyArray<SplitOrder>,
      options: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration }
    ) => Effect.Effect<ReadonlyArray<string>, DbError>

    /** IN_PROGRESS → FAILED, each with its reason. */
    readonly failSplits: (orders: ReadonlyArray<FailedSplit>, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /** IN_PROGRESS since before `claimedBefore` → PENDING while attempts are left, else FAILED. */
    readonly releaseStuck: (options: {
      readonly now: DateTime.Utc
      readonly claimedBefore: DateTime.Utc
      readonly maxAttempts: number
    }) => Effect.Effect<ReadonlyArray<typeof ReleasedOrder.Type>, DbError>

    /** Gives claimed orders back at once, for a splitter that stops before it split them. */
    readonly release: (
      orders: ReadonlyArray<{ readonly id: string; readonly claimVersion: number }>,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>

    /** Which of these orders somebody wants cancelled, or are on hold. */
    readonly stoppedAmong: (ids: ReadonlySet<OrderId>) => Effect.Effect<ReadonlyArray<OrderId>, DbError>

    /**
     * Notes that the broker has several orders with one tag, and puts their order on hold: what is SCHEDULED of it is not
     * claimed any more. False, and no change, when it was noted before.
     */
    readonly noteDouble: (double: DoublePlacement, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/OrderStore") {
  static readonly layer: Layer.Layer<OrderStore, never, Db> = Layer.effect(
    OrderStore,
    Effect.gen(function* () {
      const { sql, query, execute } = yield* Db

      const claimPending = Effect.fn("OrderStore.claimPending")(
        (options: {
          readonly now: DateTime.Utc
          readonly owner: string
          readonly limit: number
          readonly windowGrace: Duration.Duration
        }) =>
          query(
            "OrderStore.claimPending",
            ClaimedOrder,
            sql`
              WITH picked AS MATERIALIZED (
                SELECT id,
                  CASE
                    WHEN cancel_requested_at IS NOT NULL THEN 'cancelled before the split'
                    WHEN duration_minutes BETWEEN 0 AND 1440
                      -- Reckoned from now: created_at may be any time that PostgreSQL can hold, up to its very last.
                      AND created_at < ${instant(options.now)}::timestamptz - duration_minutes * interval '1 minute'
                        - ${durationMillis(options.windowGrace)}::float8 * interval '1 millisecond'
                      THEN 'the order''s window and its grace were over before the split'
                  END AS skip_reason
                FROM orders
                WHERE order_queue_status = 'PENDING'
                ORDER BY created_at, id
                LIMIT ${options.limit}
                FOR UPDATE SKIP LOCKED
              )
              UPDATE orders o SET
                order_queue_status = CASE WHEN p.skip_reason IS NULL THEN 'IN_PROGRESS' ELSE 'SKIPPED' END,
                status_reason = p.skip_reason,
                claim_version = o.claim_version + 1,
                split_attempts = o.split_attempts + 1,
                claimed_by = ${options.owner},
                claimed_at = ${instant(options.now)},
                updated_at = ${instant(options.now)}
              FROM picked p
              WHERE o.id = p.id
              RETURNING ${sql.literal(orderColumns)}, o.claim_version, o.order_queue_status, o.status_reason,
                o.request_id, o.origin_trace_id,
                (SELECT volumes FROM volume_profiles v WHERE v.instrument = o.instrument) AS volume_profile,
                o.created_at < ${instant(options.now)}::timestamptz + interval '366 days' AS has_near_start`
          )
      )

      const completeSplits = Effect.fn("OrderStore.completeSplits")((
        orders: ReadonlyArray<SplitOrder>,
        options: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration }
      ) => {
        const slices = orders.flatMap((order) => order.slices)
        const tooLateAt = sql`
          o.created_at + s.offset_millis * interval '1 millisecond'
            + coalesce(o.max_lateness_seconds, ${defaultMaxLatenessSeconds}::int) * interval '1 second'`
        return query(
          "OrderStore.completeSplits",
          Schema.Struct({ id: Schema.String }),
          sql`
              WITH done AS (
                UPDATE orders o SET
                  order_queue_status = 'DONE', status_reason = NULL,
                  split_at = ${instant(options.now)}, updated_at = ${instant(options.now)}
                FROM unnest(${texts(orders.map((order) => order.id))},
                            ${integers(orders.map((order) => order.claimVersion))}) AS mine (id, claim_version)
                WHERE o.id = mine.id AND o.order_queue_status = 'IN_PROGRESS'
                  AND o.claim_version = mine.claim_version
                RETURNING o.*
              ), plans AS (
                INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, reason, created_at)
                SELECT p.id, 1, 1, ${algorithmVersion}, p.input, o.created_at, 'split', ${instant(options.now)}
                FROM unnest(${texts(orders.map((order) => order.id))}, ${jsons(orders.map((order) => order.plan))}) AS p (id, input)
                JOIN done o ON o.id = p.id
              ), inserted AS (
                INSERT INTO order_slices (
                  id, order_id, sequence_number, tag, instrument, side, quantity, order_type, limit_price,
                  product_type, validity, request_id, trace_id, scheduled_at, not_before, not_after,
                  stale_at, stage, stage_reason, is_held, created_at, updated_at)
                SELECT s.id, o.id, s.sequence_number, s.tag, o.instrument, o.side, s.quantity, o.order_type,
                  o.limit_price, o.product_type, o.validity, o.request_id, o.origin_trace_id,
                  o.created_at + s.offset_millis * interval '1 millisecond',
                  o.created_at + s.offset_millis * interval '1 millisecond',
                  least(
                    o.created_at + o.duration_minutes * interval '1 minute'
                      + ${durationMillis(options.windowGrace)}::float8 * interval '1 millisecond',
                    CASE WHEN o.lateness_policy = 'SKIP' THEN ${tooLateAt} END),
                  CASE WHEN o.lateness_policy = 'RESPREAD' THEN ${tooLateAt} END,
                  CASE WHEN o.cancel_requested_at IS NULL THEN 'SCHEDULED' ELSE 'SKIPPED' END,
                  CASE WHEN o.cancel_requested_at IS NULL THEN NULL ELSE 'order cancelled' END,
                  o.hold_reason IS NOT NULL,
                  ${instant(options.now)}, ${instant(options.now)}
                FROM unnest(
                  ${texts(slices.map((slice) => slice.id))},
                  ${texts(slices.map((slice) => slice.orderId))},
                  ${integers(slices.map((slice) => slice.sequenceNumber))},
                  ${texts(slices.map((slice) => slice.tag))},
                  ${integers(slices.map((slice) => slice.quantity))},
                  ${integers(slices.map((slice) => slice.offsetMillis))}
                ) AS s (id, order_id, sequence_number, tag, quantity, offset_millis)
                JOIN done o ON o.id = s.order_id
              )
              SELECT id, pg_notify(${channel}, 'slices') FROM done`
        ).pipe(Effect.map((rows) => rows.map((row) => row.id)))
      })

      const failSplits = Effect.fn("OrderStore.failSplits")((orders: ReadonlyArray<FailedSplit>, now: DateTime.Utc) =>
        execute(
          "OrderStore.failSplits",
          sql`
            UPDATE orders o SET
              order_queue_status = 'FAILED', status_reason = mine.reason, updated_at = ${instant(now)}
            FROM unnest(${texts(orders.map((order) => order.id))},
                        ${integers(orders.map((order) => order.claimVersion))},
                        ${texts(orders.map((order) => order.reason))}) AS mine (id, claim_version, reason)
            WHERE o.id = mine.id AND o.order_queue_status = 'IN_PROGRESS' AND o.claim_version = mine.claim_version`
        )
      )

      const release = Effect.fn("OrderStore.release")(
        (orders: ReadonlyArray<{ readonly id: string; readonly claimVersion: number }>, now: DateTime.Utc) =>
          execute(
            "OrderStore.release",
            sql`
              UPDATE orders o SET
                order_queue_status = 'PENDING', claimed_by = NULL, claimed_at = NULL,
                split_attempts = o.split_attempts - 1, updated_at = ${instant(now)}
              FROM unnest(${texts(orders.map((order) => order.id))},
                          ${integers(orders.map((order) => order.claimVersion))}) AS mine (id, claim_version)
              WHERE o.id = mine.id AND o.order_queue_status = 'IN_PROGRESS' AND o.claim_version = mine.claim_version`
          )
      )

      const releaseStuck = Effect.fn("OrderStore.releaseStuck")(
        (options: { readonly now: DateTime.Utc; readonly claimedBefore: DateTime.Utc; readonly maxAttempts: number }) =>
          query(
            "OrderStore.releaseStuck",
            ReleasedOrder,
            sql`
              WITH stuck AS MATERIALIZED (
                SELECT id FROM orders
                WHERE order_queue_status = 'IN_PROGRESS' AND claimed_at < ${instant(options.claimedBefore)}
                LIMIT 1000
                FOR UPDATE SKIP LOCKED
              )
              UPDATE orders o SET
                order_queue_status = CASE WHEN o.split_attempts < ${options.maxAttempts}::int THEN 'PENDING' ELSE 'FAILED' END,
                status_reason = 'the split did not finish in time, attempt ' || o.split_attempts || ' of '
                  || ${options.maxAttempts}::int,
                claimed_by = NULL, claimed_at = NULL, updated_at = ${instant(options.now)}
              FROM stuck
              WHERE o.id = stuck.id
              RETURNING o.id, o.order_queue_status`
          )
      )

      const stoppedAmong = Effect.fn("OrderStore.stoppedAmong")((ids: ReadonlySet<OrderId>) =>
        query(
          "OrderStore.stoppedAmong",
          Schema.Struct({ id: OrderId }),
          sql`
            SELECT id FROM orders
            WHERE id = ANY(${texts([...ids])}) AND (cancel_requested_at IS NOT NULL OR hold_reason IS NOT NULL)`
        ).pipe(Effect.map((rows) => rows.map((row) => row.id)))
      )

      const noteDouble = Effect.fn("OrderStore.noteDouble")((double: DoublePlacement, now: DateTime.Utc) =>
        query(
          "OrderStore.noteDouble",
          Schema.Struct({ orderId: OrderId }),
          sql`
            WITH noted AS (
              INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
              VALUES (${double.tag}, ${double.orderId}, ${double.sliceId}, ${texts(double.brokerOrderIds)}, ${instant(now)})
              ON CONFLICT (tag) DO NOTHING
              RETURNING order_id
            ), held AS (
              UPDATE orders o SET held_at = ${instant(now)}, updated_at = ${instant(now)},
                hold_reason = ${`the broker has ${double.brokerOrderIds.length} orders with tag ${double.tag}`}
              FROM noted WHERE o.id = noted.order_id
            ), slices AS (
              UPDATE order_slices s SET is_held = true, updated_at = ${instant(now)}
              FROM noted WHERE s.order_id = noted.order_id AND s.stage = 'SCHEDULED'
            )
            SELECT order_id, pg_notify(${channel}, 'cancels') FROM noted`
        ).pipe(Effect.map((rows) => rows.length === 1))
      )

      return OrderStore.of({
        claimPending,
        completeSplits,
        failSplits,
        release,
        releaseStuck,
        stoppedAmong,
        noteDouble
      })
    })
  )
}
