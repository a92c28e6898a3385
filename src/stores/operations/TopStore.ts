import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, texts } from "../../db/parameters.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { longestAhead } from "../../domain/model/Order.ts"
import { Stage } from "../../domain/model/OrderSlice.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { slicesInDoubt, slicesInHand } from "../sql/claims.ts"
import { isToSplit, isWaitingForCalendar, shownReasonCode } from "../sql/conditions.ts"
import { heldForDouble } from "../sql/heldForDouble.ts"
import { isOfOrder } from "../sql/moves.ts"
import { OrderProgress, progressColumns } from "../sql/orderProgress.ts"
import { requestsOfDay } from "../sql/requestsOfDay.ts"

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
  /** How many of today's are cancels. */
  cancelsToday: Schema.Int,
  lastMinute: Schema.Int,
  lastSecond: Schema.Int,
  /**
   * No request is granted before these: the broker asked for a pause, or said to a placement, or to a cancel, that the day's requests
   * are used up.
   */
  blockedUntil: Schema.NullOr(Schema.DateTimeUtcFromDate),
  cappedUntil: Schema.NullOr(Schema.DateTimeUtcFromDate),
  cancelsCappedUntil: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
export type RateUse = typeof RateUse.Type

/**
 * The present state of all work, for the command top. Every statement starts from the tables of unfinished slices, or from
 * the newest orders, and reads a limited number of rows, so its cost does not grow with the history.
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

const noRequests: RateUse = {
  today: 0,
  cancelsToday: 0,
  lastMinute: 0,
  lastSecond: 0,
  blockedUntil: null,
  cappedUntil: null,
  cancelsCappedUntil: null
}

/** When every lease is over: a claimed slice counts, whether it is in doubt or in a worker's hands. */
const endOfTime = DateTime.makeUnsafe("9999-12-31T00:00:00Z")

const orders =
  ({ sql, query }: Db["Service"]) =>
  (limit: number) =>
    Effect.flatMap(DateTime.now, (now) =>
      query(
        "TopStore.orders",
        OverviewOrder,
        sql`
        WITH busy AS (
          SELECT slice >> 20 AS number, 1 AS rank FROM ${slicesInDoubt(sql, endOfTime, 500)} claimed
          UNION ALL
          (SELECT number, 2 FROM orders WHERE order_queue_status = 'IN_PROGRESS' ORDER BY claimed_at LIMIT ${limit})
          UNION ALL
          (SELECT number, 2 FROM orders WHERE ${isToSplit(sql)} ORDER BY created_at, id LIMIT ${limit})
          UNION ALL
          (SELECT number, 3 FROM orders WHERE ${isWaitingForCalendar(sql)} LIMIT ${limit})
          UNION ALL
          (SELECT slice >> 20, 2 FROM slice_queue WHERE claim = 0 AND NOT is_held ORDER BY due_at, slice LIMIT 1000)
          UNION ALL
          (SELECT slice >> 20, 2 FROM slice_queue WHERE claim = 0 AND is_held ORDER BY due_at, slice LIMIT 1000)
          UNION ALL
          (SELECT slice >> 20, 3 FROM slice_working ORDER BY acknowledged_at DESC LIMIT 500)
          UNION ALL
          (SELECT number, 4 FROM orders WHERE created_at <= ${instant(DateTime.addDuration(now, longestAhead))}
            ORDER BY created_at DESC LIMIT ${limit})
        ), picked AS MATERIALIZED (
          SELECT o.id, min(rank) AS rank FROM busy b JOIN orders o ON o.number = b.number
          GROUP BY o.id, o.created_at
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
    )

const sliceColumns = (sql: Sql, now: DateTime.Utc): Fragment => sql`
  id, order_id, sequence_number, instrument, side, quantity, stage, stage_reason, ${shownReasonCode(sql, now)} AS reason_code,
  claimed_by, not_before, placed_at, (extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS lateness_millis,
  broker_order_id, broker_status, filled_quantity, average_price::text AS average_price`

/** The slices placed last of each of these orders: later slices have higher numbers, so only the last ones are read. */
const lastPlaced = (sql: Sql, orderIds: ReadonlyArray<string>, limit: number): Fragment => {
  const isPlaced = sql`${isOfOrder(sql, "slice", sql.literal("o.number"))} AND placed_at IS NOT NULL`
  return sql`(
    SELECT placed.slice FROM orders o CROSS JOIN LATERAL (
      (SELECT slice, placed_at FROM slice_working WHERE ${isPlaced} ORDER BY slice DESC LIMIT ${limit})
      UNION ALL
      (SELECT slice, placed_at FROM slice_results WHERE ${isPlaced} AND stage IN ('P', 'F') ORDER BY slice DESC LIMIT ${limit})
      ORDER BY slice DESC LIMIT ${limit}
    ) placed
    WHERE o.id = ANY(${texts(orderIds)})
    ORDER BY placed.placed_at DESC LIMIT ${limit})`
}

const slices =
  ({ sql, query }: Db["Service"]) =>
  (orderIds: ReadonlyArray<string>, limit: number, now: DateTime.Utc) =>
    query(
      "TopStore.slices",
      MovingSlice,
      sql`
        WITH found AS MATERIALIZED (
          (SELECT 'due' AS kind, slice, NULL::timestamptz AS doubtful_since FROM slice_queue
            WHERE claim = 0 AND NOT is_held ORDER BY due_at, slice LIMIT ${limit})
          UNION ALL
          SELECT 'due', slice, NULL FROM ${slicesInHand(sql, now, limit)} held
          UNION ALL
          SELECT 'doubt', slice, since FROM ${slicesInDoubt(sql, now, limit)} doubtful
          UNION ALL
          (SELECT 'lost', slice, left_book_at FROM slice_working
            WHERE left_book_at IS NOT NULL ORDER BY acknowledged_at LIMIT ${limit})
          UNION ALL
          SELECT 'placed', slice, NULL FROM ${lastPlaced(sql, orderIds, limit)} placed
        )
        SELECT kind, ${sliceColumns(sql, now)}, doubtful_since FROM found JOIN slice_rows USING (slice)
        ORDER BY CASE WHEN kind = 'placed' THEN placed_at END DESC, coalesce(doubtful_since, not_before), id`
    )

const counts =
  ({ sql, queryOne }: Db["Service"]) =>
  (now: DateTime.Utc) => {
    const counted = (slices: Fragment) =>
      sql`(SELECT count(*)::int FROM (SELECT FROM ${slices} LIMIT ${maxCounted}) counted)`
    return queryOne(
      "TopStore.counts",
      SliceCounts,
      sql`
        SELECT ${counted(sql`slice_queue WHERE claim = 0`)} AS scheduled,
          ${counted(sql`slice_queue WHERE claim = 0 AND NOT is_held AND due_at < ${instant(DateTime.subtract(now, overdueAfter))}`)} AS overdue,
          ${counted(sql`${slicesInHand(sql, now, maxCounted)} held`)} AS claimed,
          ${counted(sql`${slicesInDoubt(sql, now, maxCounted)} doubtful`)} AS in_doubt,
          ${counted(sql`slice_working`)} AS open`
    )
  }

const rateUse =
  ({ sql, queryOption }: Db["Service"]) =>
  (broker: string, now: DateTime.Utc) => {
    const since = (seconds: number) => sql`
      (SELECT count(*)::int FROM unnest(granted) AS at
        WHERE at > ${instant(DateTime.subtract(now, { seconds }))} AND at <= ${instant(now)})`
    const { all, cancels } = requestsOfDay(sql, sql`${indianDay(now)}::text::date`)
    return queryOption(
      "TopStore.rateUse",
      RateUse,
      sql`
        SELECT ${all} AS today, ${cancels} AS cancels_today,
          ${since(60)} AS last_minute, ${since(1)} AS last_second,
          CASE WHEN blocked_until > ${instant(now)} THEN blocked_until END AS blocked_until,
          CASE WHEN capped_until > ${instant(now)} THEN capped_until END AS capped_until,
          CASE WHEN cancels_capped_until > ${instant(now)} THEN cancels_capped_until END AS cancels_capped_until
        FROM order_budgets WHERE broker = ${broker}`
    ).pipe(Effect.map(Option.getOrElse(() => noRequests)))
  }
