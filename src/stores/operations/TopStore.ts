import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, texts } from "../../db/parameters.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { Stage } from "../../domain/model/OrderSlice.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { inDoubtSince, isInDoubt, isInHand, isLost, isOpenAtBroker, shownReasonCode } from "../sql/conditions.ts"
import { heldForDouble } from "../sql/heldForDouble.ts"
import { OrderProgress, progressColumns } from "../sql/orderProgress.ts"

/** A slice on its way: due soon, placed lately, in doubt, or lost. */
export const MovingSlice = Schema.Struct({
  /** `lost`: its broker order was open when the broker's order list ceased to show it. */
  kind: Schema.Literals(["due", "placed", "doubt", "lost"]),
  id: Schema.String,
  orderId: Schema.String,
  sequenceNumber: Schema.Int,
  instrument: Schema.String,
  side: Schema.String,
  quantity: Schema.Int,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode,
  claimedBy: Schema.NullOr(Schema.String),
  /** The earliest time it may be placed: its due time, or later after a refusal that is retried. */
  notBefore: Schema.DateTimeUtcFromDate,
  placedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  latenessMillis: Schema.NullOr(Schema.Number),
  /** Since when it is in doubt; null when it is not. */
  doubtfulSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  brokerOrderId: Schema.NullOr(Schema.String),
  brokerStatus: Schema.NullOr(Schema.String),
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.String)
})
export type MovingSlice = typeof MovingSlice.Type

/** An order in the overview. */
export const OverviewOrder = Schema.Struct({
  ...OrderProgress.fields,
  /** On hold because the broker has more orders for it than it should. */
  isDouble: Schema.Boolean
})
export type OverviewOrder = typeof OverviewOrder.Type

/** How many unfinished slices there are, each counted up to {@link maxCounted}. */
const SliceCounts = Schema.Struct({
  scheduled: Schema.Int,
  /** Due for longer than {@link overdueAfter}, and neither claimed nor of an order on hold. */
  overdue: Schema.Int,
  claimed: Schema.Int,
  inDoubt: Schema.Int,
  open: Schema.Int
})
export type SliceCounts = typeof SliceCounts.Type

export const maxCounted = 10_000

/** The order requests sent to a broker account, and until when it may not be sent more. */
const RateUse = Schema.Struct({
  today: Schema.Int,
  lastMinute: Schema.Int,
  lastSecond: Schema.Int,
  /** No request is granted before these: the broker asked for a pause, or said that the day's requests are used up. */
  blockedUntil: Schema.NullOr(Schema.DateTimeUtcFromDate),
  cappedUntil: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
export type RateUse = typeof RateUse.Type

/**
 * The present state of all work, for the command top. Every statement starts from the partial indexes of unfinished rows,
 * or from the newest orders, and reads a limited number of rows, so its cost does not grow with the history.
 */
export class TopStore extends Context.Service<
  TopStore,
  {
    /** Up to `limit` orders, newest first; unfinished ones are preferred to the newest of all. */
    readonly orders: (limit: number) => Effect.Effect<ReadonlyArray<OverviewOrder>, DbError>
    /**
     * Up to `limit` slices of each kind: those due next, soonest first, without orders on hold; those in doubt or lost,
     * oldest first; and, of the given orders, those placed last, latest first.
     */
    readonly slices: (
      orderIds: ReadonlyArray<string>,
      limit: number,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<MovingSlice>, DbError>
    readonly counts: (now: DateTime.Utc) => Effect.Effect<SliceCounts, DbError>
    /** The order requests of a broker account, counted over all replicas. */
    readonly rateUse: (broker: string, now: DateTime.Utc) => Effect.Effect<RateUse, DbError>
  }
>()("pulse-background/TopStore") {
  static readonly layer: Layer.Layer<TopStore, never, Db> = Layer.effect(
    TopStore,
    Effect.map(Db, (db) =>
      TopStore.of({ orders: orders(db), slices: slices(db), counts: counts(db), rateUse: rateUse(db) })
    )
  )
}

/** A slice that became due this recently counts as on its way: claims are made ahead of time. */
const overdueAfter = { seconds: 2 }

const noRequests: RateUse = { today: 0, lastMinute: 0, lastSecond: 0, blockedUntil: null, cappedUntil: null }

const orders =
  ({ sql, query }: Db["Service"]) =>
  (limit: number) =>
    query(
      "TopStore.orders",
      OverviewOrder,
      sql`
        WITH busy AS (
          (SELECT order_id, 1 AS rank FROM order_slices WHERE stage = 'IN_PROGRESS' ORDER BY lease_expires_at LIMIT 500)
          UNION ALL
          (SELECT id, 2 FROM orders WHERE order_queue_status = 'IN_PROGRESS' ORDER BY claimed_at LIMIT ${limit})
          UNION ALL
          (SELECT id, 2 FROM orders WHERE order_queue_status = 'PENDING' ORDER BY created_at, id LIMIT ${limit})
          UNION ALL
          (SELECT order_id, 2 FROM order_slices WHERE stage = 'SCHEDULED' AND NOT is_held ORDER BY not_before, id LIMIT 1000)
          UNION ALL
          (SELECT order_id, 2 FROM order_slices WHERE stage = 'SCHEDULED' AND is_held ORDER BY not_before, id LIMIT 1000)
          UNION ALL
          (SELECT order_id, 3 FROM order_slices
            WHERE ${isOpenAtBroker(sql)} ORDER BY acknowledged_at DESC LIMIT 500)
          UNION ALL
          (SELECT id, 4 FROM orders ORDER BY created_at DESC LIMIT ${limit})
        ), picked AS MATERIALIZED (
          SELECT b.order_id AS id, min(rank) AS rank FROM busy b JOIN orders o ON o.id = b.order_id
          GROUP BY b.order_id, o.created_at
          ORDER BY rank, o.created_at DESC
          LIMIT ${limit}
        )
        SELECT ${sql.literal(progressColumns)},
          (SELECT ${sql.literal(heldForDouble)} FROM orders o WHERE o.id = picked.id) AS is_double
        FROM picked
        -- OFFSET 0 makes the view read one order at a time, instead of all orders to find these among them.
        CROSS JOIN LATERAL (SELECT * FROM order_progress WHERE order_id = picked.id OFFSET 0) p
        ORDER BY p.created_at DESC, order_id`
    )

const sliceColumns = (sql: Sql, now: DateTime.Utc): Fragment => sql`
  id, order_id, sequence_number, instrument, side, quantity, stage, stage_reason, ${shownReasonCode(sql, now)} AS reason_code,
  claimed_by, not_before, placed_at, (extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS lateness_millis,
  broker_order_id, broker_status, filled_quantity, average_price::text AS average_price`

const slices =
  ({ sql, query }: Db["Service"]) =>
  (orderIds: ReadonlyArray<string>, limit: number, now: DateTime.Utc) => {
    return query(
      "TopStore.slices",
      MovingSlice,
      sql`
        SELECT * FROM (
          (SELECT 'due' AS kind, ${sliceColumns(sql, now)}, NULL::timestamptz AS doubtful_since FROM order_slices
            WHERE stage = 'SCHEDULED' AND NOT is_held ORDER BY not_before, id LIMIT ${limit})
          UNION ALL
          (SELECT 'due', ${sliceColumns(sql, now)}, NULL FROM order_slices
            WHERE ${isInHand(sql, now)} ORDER BY not_before, id LIMIT ${limit})
          UNION ALL
          (SELECT 'doubt', ${sliceColumns(sql, now)}, ${inDoubtSince(sql)} FROM order_slices
            WHERE ${isInDoubt(sql, now)} ORDER BY ${inDoubtSince(sql)} LIMIT ${limit})
          UNION ALL
          (SELECT 'lost', ${sliceColumns(sql, now)}, left_book_at FROM order_slices
            WHERE ${isLost(sql)} ORDER BY acknowledged_at LIMIT ${limit})
          UNION ALL
          -- Later slices have higher numbers: of each order only the unsent slices and the last ones are read.
          (SELECT placed.* FROM unnest(${texts(orderIds)}) AS o (id) CROSS JOIN LATERAL (
              SELECT 'placed', ${sliceColumns(sql, now)}, NULL::timestamptz FROM order_slices
              WHERE order_id = o.id AND placed_at IS NOT NULL AND stage IN ('PROCESSED', 'FAILED')
              ORDER BY sequence_number DESC LIMIT ${limit}
            ) placed
            ORDER BY placed.placed_at DESC LIMIT ${limit})
        ) moving
        ORDER BY CASE WHEN kind = 'placed' THEN placed_at END DESC, coalesce(doubtful_since, not_before), id`
    )
  }

const counts =
  ({ sql, queryOne }: Db["Service"]) =>
  (now: DateTime.Utc) => {
    const counted = (condition: Fragment) =>
      sql`(SELECT count(*)::int FROM (SELECT FROM order_slices WHERE ${condition} LIMIT ${maxCounted}) counted)`
    return queryOne(
      "TopStore.counts",
      SliceCounts,
      sql`
        SELECT ${counted(sql`stage = 'SCHEDULED'`)} AS scheduled,
          ${counted(sql`stage = 'SCHEDULED' AND NOT is_held AND not_before < ${instant(DateTime.subtract(now, overdueAfter))}`)} AS overdue,
          ${counted(isInHand(sql, now))} AS claimed,
          ${counted(isInDoubt(sql, now))} AS in_doubt,
          ${counted(isOpenAtBroker(sql))} AS open`
    )
  }

const rateUse =
  ({ sql, queryOption }: Db["Service"]) =>
  (broker: string, now: DateTime.Utc) => {
    const since = (seconds: number) => sql`
      (SELECT count(*)::int FROM unnest(granted) AS at
        WHERE at > ${instant(DateTime.subtract(now, { seconds }))} AND at <= ${instant(now)})`
    return queryOption(
      "TopStore.rateUse",
      RateUse,
      sql`
        SELECT CASE WHEN day = ${indianDay(now)}::text::date THEN granted_today ELSE 0 END AS today,
          ${since(60)} AS last_minute, ${since(1)} AS last_second,
          CASE WHEN blocked_until > ${instant(now)} THEN blocked_until END AS blocked_until,
          CASE WHEN capped_until > ${instant(now)} THEN capped_until END AS capped_until
        FROM order_budgets WHERE broker = ${broker}`
    ).pipe(Effect.map(Option.getOrElse(() => noRequests)))
  }
