import { type BigDecimal, Context, type DateTime, type Duration, Effect, Layer, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, decimals, instant, integers, texts } from "../../db/parameters.ts"
import type { KnownEnd } from "../../domain/market/orderTime.ts"
import { type BrokerOrderId, OrderId, type SliceId, type Tag } from "../../domain/model/Ids.ts"
import type { Instrument, Price, Side } from "../../domain/model/Order.ts"
import type { Reason } from "../../domain/model/reason.ts"
import type { OrderPlan } from "../../domain/planning/planOrder.ts"
import { mayWantPlan } from "../sql/conditions.ts"
import { holdSlices } from "../sql/holdSlices.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { isOfOrder } from "../sql/moves.ts"
import { holdOrphaned, plannedSlices, planRows } from "../sql/planRows.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { unindexed } from "../sql/skipIndex.ts"
import { claimPending } from "./claimPending.ts"
import { releaseStuck } from "./releaseStuck.ts"

export interface SplitOrder {
  readonly claimVersion: number
  readonly plan: OrderPlan
  readonly instrument: Instrument
  readonly side: Side
  /** The last known price of the instrument; null when none is known. */
  readonly referencePrice: Price | null
  /** The value that the order adds to the day's total; null when that is not known. */
  readonly value: BigDecimal.BigDecimal | null
}

/** An order that cannot be planned before the trading calendar knows more days. */
export interface WaitingOrder {
  readonly id: string
  readonly claimVersion: number
  readonly reason: Reason
  readonly waitsFor: KnownEnd
}

export interface FailedSplit {
  readonly id: string
  readonly status: "FAILED" | "SKIPPED"
  readonly claimVersion: number
  readonly reason: Reason
}

/** The broker's words about the last slices of an order, the latest first; null for a slice that it did not refuse. */
const LastRefusals = Schema.Struct({ id: OrderId, refusals: Schema.Array(Schema.NullOr(Schema.String)) })

/** A slice for which the broker has several orders. */
export interface DoublePlacement {
  readonly tag: Tag
  readonly orderId: OrderId
  readonly sliceId: SliceId
  readonly brokerOrderIds: ReadonlyArray<BrokerOrderId>
  /** The reason that the order's hold shows. */
  readonly reason: string
}

/**
 * The queue of orders: claims, splits, failures, releases, and the record of double placements. A claim's owner writes
 * under its `claim_version`, so the owner of an older claim writes nothing, and a split is written in one statement with
 * its plan and all slices, so an order is never split in part or twice. The OrderSplitter claims and writes splits; the
 * SliceExecutor asks which orders were stopped; the TimeoutMonitor releases stuck claims and records doubles.
 */
export class OrderStore extends Context.Service<
  OrderStore,
  {
    /** Claims PENDING orders: see {@link claimPending}. */
    readonly claimPending: ReturnType<typeof claimPending>

    /**
     * IN_PROGRESS → DONE with plan and slices, for each order whose claim is current; returns their ids. The slices of an
     * order that was cancelled meanwhile start as SKIPPED.
     */
    readonly completeSplits: (
      orders: ReadonlyArray<SplitOrder>,
      options: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration }
    ) => Effect.Effect<ReadonlyArray<string>, DbError>

    /** IN_PROGRESS → FAILED or SKIPPED with a reason, for each order whose claim is current. */
    readonly failSplits: (orders: ReadonlyArray<FailedSplit>, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /**
     * IN_PROGRESS → PENDING with a reason, for each order whose claim is current, until the trading calendar of a splitter knows
     * days of its venue beyond the ones that were known; → SKIPPED if it was cancelled meanwhile. The attempt does not count.
     */
    readonly waitForCalendar: (orders: ReadonlyArray<WaitingOrder>, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /**
     * IN_PROGRESS → PENDING while attempts are left, else FAILED, for up to 1000 orders claimed before `claimedBefore`.
     * PENDING → FAILED for orders that cannot be claimed, because another program has set their counters to the maximum.
     * Orders that another program has inserted as IN_PROGRESS become FAILED, and as DONE get a reason: both are ignored.
     */
    readonly releaseStuck: ReturnType<typeof releaseStuck>

    /** IN_PROGRESS → PENDING for a splitter that stops before it has split them. The attempt does not count. */
    readonly release: (
      orders: ReadonlyArray<{ readonly id: string; readonly claimVersion: number }>,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>

    /** Returns those of the orders that are cancelled or on hold. */
    readonly stoppedAmong: (ids: ReadonlySet<OrderId>) => Effect.Effect<ReadonlyArray<OrderId>, DbError>

    /**
     * What the broker refused of the last `count` slices that it answered for, for each of these orders that goes on and is
     * not on hold. Answers from before a person last took the order off hold do not count.
     */
    readonly lastRefusals: (
      ids: ReadonlySet<OrderId>,
      count: number
    ) => Effect.Effect<ReadonlyArray<typeof LastRefusals.Type>, DbError>

    /**
     * Records that the broker has more orders for a slice than it should, and puts the slice's order on hold, so that none
     * of its SCHEDULED slices is claimed. Nothing changes if as many broker orders were recorded before. The alarm is
     * raised before the commit: a daemon that dies in between raises it twice instead of never.
     */
    readonly noteDouble: (
      double: DoublePlacement,
      now: DateTime.Utc,
      alarm: Effect.Effect<void>
    ) => Effect.Effect<void, DbError>
  }
>()("pulse-background/OrderStore") {
  static readonly layer: Layer.Layer<OrderStore, never, Db> = Layer.effect(
    OrderStore,
    Effect.map(Db, (db) =>
      OrderStore.of({
        claimPending: claimPending(db),
        completeSplits: completeSplits(db),
        failSplits: failSplits(db),
        waitForCalendar: waitForCalendar(db),
        releaseStuck: releaseStuck(db),
        release: release(db),
        stoppedAmong: stoppedAmong(db),
        lastRefusals: lastRefusals(db),
        noteDouble: noteDouble(db)
      })
    )
  )
}

const completeSplits =
  ({ sql, query }: Db["Service"]): OrderStore["Service"]["completeSplits"] =>
  (orders, options) =>
    query(
      "OrderStore.completeSplits",
      Id,
      sql`
        WITH ${plannedSlices(
          sql,
          orders.map(({ plan }) => plan)
        )}, planned AS (
          UPDATE orders o SET
            order_queue_status = 'DONE', status_reason = NULL, reason_code = NULL, settled_at = NULL, resumed_at = NULL,
            reference_price = mine.reference_price, claimed_layout = NULL,
            -- The service itself holds no order before its split.
            hold_reason_code = CASE WHEN o.hold_reason IS NOT NULL THEN ${reasonCode(sql, "paused_by_operator")}
              WHEN o.id IN (SELECT order_id FROM orphaned) THEN ${reasonCode(sql, "orphaned_orders")} END,
            ${holdOrphaned(sql, options.now)},
            split_at = ${instant(options.now)}, updated_at = ${instant(options.now)}
          FROM unnest(${texts(orders.map(({ plan }) => plan.orderId))},
                      ${integers(orders.map((order) => order.claimVersion))},
                      ${decimals(orders.map((order) => order.referencePrice))})
            AS mine (id, claim_version, reference_price)
          WHERE o.id = mine.id AND o.order_queue_status ${unindexed(sql)} = 'IN_PROGRESS'
            AND o.claim_version = mine.claim_version
          RETURNING o.*
        ), ${planRows(
          sql,
          orders.map(({ plan }) => plan),
          options
        )}
        SELECT id, pg_notify(${channel}, 'slices') FROM planned`
    ).pipe(Effect.map(idsOf))

const failSplits =
  ({ sql, execute }: Db["Service"]): OrderStore["Service"]["failSplits"] =>
  (orders, now) =>
    execute(
      "OrderStore.failSplits",
      sql`
        UPDATE orders o SET
          order_queue_status = mine.status, status_reason = mine.reason, reason_code = mine.code, claimed_layout = NULL,
          updated_at = ${instant(now)}
        FROM unnest(${texts(orders.map((order) => order.id))},
                    ${texts(orders.map((order) => order.status))},
                    ${integers(orders.map((order) => order.claimVersion))},
                    ${texts(orders.map((order) => order.reason.text))},
                    ${texts(orders.map((order) => order.reason.code))}) AS mine (id, status, claim_version, reason, code)
        WHERE o.id = mine.id AND o.order_queue_status ${unindexed(sql)} = 'IN_PROGRESS' AND o.claim_version = mine.claim_version`
    )

const waitForCalendar =
  ({ sql, execute }: Db["Service"]): OrderStore["Service"]["waitForCalendar"] =>
  (orders, now) => {
    const unlessCancelled = (cancelled: Fragment, otherwise: Fragment) =>
      sql`CASE WHEN o.cancel_requested_at IS NULL THEN ${otherwise} ELSE ${cancelled} END`
    return execute(
      "OrderStore.waitForCalendar",
      sql`
        UPDATE orders o SET
          order_queue_status = ${unlessCancelled(sql`'SKIPPED'`, sql`'PENDING'`)},
          status_reason = ${unlessCancelled(sql`'cancelled before the split'`, sql`mine.reason`)},
          reason_code = ${unlessCancelled(reasonCode(sql, "order_cancelled"), sql`mine.code`)},
          calendar_market = mine.market, calendar_until = mine.until::date,
          claimed_by = NULL, claimed_at = NULL, claimed_layout = NULL, split_attempts = o.split_attempts - 1,
          updated_at = ${instant(now)}
        FROM unnest(${texts(orders.map((order) => order.id))},
                    ${integers(orders.map((order) => order.claimVersion))},
                    ${texts(orders.map((order) => order.reason.text))},
                    ${texts(orders.map((order) => order.reason.code))},
                    ${texts(orders.map((order) => order.waitsFor.market))},
                    ${texts(orders.map((order) => order.waitsFor.until))})
          AS mine (id, claim_version, reason, code, market, until)
        WHERE o.id = mine.id AND o.order_queue_status ${unindexed(sql)} = 'IN_PROGRESS' AND o.claim_version = mine.claim_version`
    )
  }

const release =
  ({ sql, execute }: Db["Service"]): OrderStore["Service"]["release"] =>
  (orders, now) =>
    execute(
      "OrderStore.release",
      sql`
        UPDATE orders o SET
          order_queue_status = 'PENDING', claimed_by = NULL, claimed_at = NULL, claimed_layout = NULL,
          split_attempts = o.split_attempts - 1, updated_at = ${instant(now)}
        FROM unnest(${texts(orders.map((order) => order.id))},
                    ${integers(orders.map((order) => order.claimVersion))}) AS mine (id, claim_version)
        WHERE o.id = mine.id AND o.order_queue_status ${unindexed(sql)} = 'IN_PROGRESS' AND o.claim_version = mine.claim_version`
    )

const stoppedAmong =
  ({ sql, query }: Db["Service"]): OrderStore["Service"]["stoppedAmong"] =>
  (ids) =>
    query(
      "OrderStore.stoppedAmong",
      Schema.Struct({ id: OrderId }),
      sql`
        SELECT id FROM orders
        WHERE id = ANY(${texts([...ids])}) AND (cancel_requested_at IS NOT NULL OR hold_reason IS NOT NULL)`
    ).pipe(Effect.map(idsOf))

const lastRefusals =
  ({ sql, query }: Db["Service"]): OrderStore["Service"]["lastRefusals"] =>
  (ids, count) => {
    const number = sql.literal("o.number")
    const isRecent = sql.literal("placed_at > coalesce(o.resumed_at, '-infinity')")
    // One that the broker has taken, and may refuse yet, is no answer: there always is one while slices are dense.
    const isAnswered = sql.literal("broker_status NOT IN ('PENDING', 'UNRECOGNISED')")
    const rejection = sql.literal(
      "CASE WHEN broker_status = 'REJECTED' THEN coalesce(broker_status_text, broker_status) END"
    )
    return query(
      "OrderStore.lastRefusals",
      LastRefusals,
      sql`
        SELECT o.id, to_jsonb(answered.refusals) AS refusals
        FROM orders o CROSS JOIN LATERAL (
          SELECT array_agg(words ORDER BY placed_at DESC, slice DESC) AS refusals
          FROM (
            SELECT placed_at, slice, ${rejection} AS words FROM slice_working
            WHERE ${isOfOrder(sql, "slice", number)} AND ${isAnswered} AND ${isRecent}
            UNION ALL
            SELECT placed_at, slice, CASE WHEN stage = 'F' THEN reason ELSE ${rejection} END FROM slice_results
            WHERE ${isOfOrder(sql, "slice", number)} AND ${isRecent}
              AND (stage = 'F' AND reason_code = ${reasonCode(sql, "broker_refused")} OR stage = 'P' AND ${isAnswered})
            ORDER BY placed_at DESC, slice DESC
            LIMIT ${count}
          ) last
        ) answered
        WHERE o.id = ANY(${texts([...ids])}) AND answered.refusals IS NOT NULL
          AND o.cancel_requested_at IS NULL AND o.hold_reason IS NULL
          AND (EXISTS (SELECT FROM slice_queue WHERE ${isOfOrder(sql, "slice", number)} AND claim = 0)
            OR ${mayWantPlan(sql, "o")})`
    )
  }

const noteDouble =
  (db: Db["Service"]): OrderStore["Service"]["noteDouble"] =>
  (double, now, alarm) =>
    db.transaction(
      "OrderStore.noteDouble",
      Effect.gen(function* () {
        const noted = yield* insertDouble(db, double, now)
        if (noted.length === 0) return
        yield* holdDouble(db, double, now)
        yield* holdSlices(db, double.orderId, now)
        yield* db.execute("OrderStore.notifyDouble", db.sql`SELECT pg_notify(${channel}, 'cancels')`)
        yield* alarm
      })
    )

const insertDouble = ({ sql, query }: Db["Service"], double: DoublePlacement, now: DateTime.Utc) =>
  query(
    "OrderStore.insertDouble",
    Schema.Struct({ orderId: OrderId }),
    sql`
      INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
      VALUES (${double.tag}, ${double.orderId}, ${double.sliceId}, ${texts(double.brokerOrderIds)}, ${instant(now)})
      ON CONFLICT (tag) DO UPDATE SET broker_order_ids = excluded.broker_order_ids, seen_at = excluded.seen_at
        WHERE cardinality(double_placements.broker_order_ids) < cardinality(excluded.broker_order_ids)
      RETURNING order_id`
  )

const holdDouble = ({ sql, execute }: Db["Service"], { orderId, reason }: DoublePlacement, now: DateTime.Utc) =>
  execute(
    "OrderStore.holdDouble",
    sql`
      UPDATE orders SET held_at = ${instant(now)}, updated_at = ${instant(now)},
        hold_reason = ${reason}, hold_reason_code = ${reasonCode(sql, "double_placement")}
      WHERE id = ${orderId}`
  )
