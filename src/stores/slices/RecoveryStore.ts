import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, integers, texts } from "../../db/parameters.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { PreviouslyInDoubtSlice } from "../../domain/model/OrderSlice.ts"
import { isFollowed, isOpenAtBroker, isWindowOver, mayWantPlan } from "../sql/conditions.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { reasonCode } from "../sql/reasonCode.ts"

/** Whether a slice waits for the broker's order list, and whether an order may need a new plan. */
const Waiting = Schema.Struct({ forBroker: Schema.Boolean, forPlan: Schema.Boolean })

/** A broker order that was found after its slice had been given up or rescheduled. */
export interface LateArrival {
  readonly slice: PreviouslyInDoubtSlice
  readonly order: BrokerOrder
}

/**
 * The statements for slices that deviate from their course: whether there are any, those that were in doubt, late arrivals,
 * broker orders that left the order list, and slices not placed in time. Each change is conditional on the state that was
 * read, so of several monitors one makes it, and none overwrites an executor's outcome. The TimeoutMonitor calls it at each
 * poll.
 */
export class RecoveryStore extends Context.Service<
  RecoveryStore,
  {
    /**
     * Whether the monitor has work, so that an idle service costs one statement a poll. `forBroker`: a slice is in doubt,
     * is followed at the broker, or was in doubt since `doubtedSince`. `forPlan`: an order may need another plan. Each part
     * reads one index.
     */
    readonly look: (options: {
      readonly now: DateTime.Utc
      readonly doubtedSince: DateTime.Utc
    }) => Effect.Effect<typeof Waiting.Type, DbError>

    /** Slices that were in doubt since then and that no other look-up covers: given up, SCHEDULED again, or final. */
    readonly previouslyInDoubt: (
      since: DateTime.Utc,
      limit: number
    ) => Effect.Effect<ReadonlyArray<PreviouslyInDoubtSlice>, DbError>

    /**
     * SCHEDULED, FAILED or SKIPPED → PROCESSED with the broker order, for each slice that has not changed since it was read
     * and that no other slices replace; returns the ids of those that moved.
     */
    readonly takeOver: (
      lateArrivals: ReadonlyArray<LateArrival>,
      reason: string,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlySet<string>, DbError>

    /** Records that the broker's order list ceased to show these open slices; returns the ids for which that is new. */
    readonly leaveOrderList: (
      ids: ReadonlyArray<string>,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlySet<string>, DbError>

    /** SCHEDULED → SKIPPED for up to `limit` slices whose window is over; returns their ids. */
    readonly skipStale: (
      now: DateTime.Utc,
      reason: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<string>, DbError>

    /** SCHEDULED → SKIPPED for up to `limit` slices of orders cancelled in the last three days; returns their ids. */
    readonly skipCancelled: (now: DateTime.Utc, limit: number) => Effect.Effect<ReadonlyArray<string>, DbError>
  }
>()("pulse-background/RecoveryStore") {
  static readonly layer: Layer.Layer<RecoveryStore, never, Db> = Layer.effect(
    RecoveryStore,
    Effect.map(Db, (db) =>
      RecoveryStore.of({
        look: look(db),
        previouslyInDoubt: previouslyInDoubt(db),
        takeOver: takeOver(db),
        leaveOrderList: leaveOrderList(db),
        skipStale: skipStale(db),
        skipCancelled: skipCancelled(db)
      })
    )
  )
}

const look =
  ({ sql, queryOne }: Db["Service"]): RecoveryStore["Service"]["look"] =>
  ({ now, doubtedSince }) =>
    queryOne(
      "RecoveryStore.look",
      Waiting,
      sql`
        -- Each part is sorted as its index is, so that it never reads the whole table, whatever the statistics say. The two
        -- ways of being in doubt are two parts, because the first ends at once in the index of leases.
        SELECT
          (SELECT true FROM order_slices WHERE stage = 'IN_PROGRESS' AND lease_expires_at <= ${instant(now)}
              ORDER BY lease_expires_at LIMIT 1) IS NOT NULL
            OR (SELECT true FROM order_slices WHERE stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL
              ORDER BY lease_expires_at LIMIT 1) IS NOT NULL
            OR (SELECT true FROM order_slices WHERE ${isFollowed(sql)}
              ORDER BY acknowledged_at LIMIT 1) IS NOT NULL
            OR (SELECT true FROM order_slices WHERE in_doubt_at >= ${instant(doubtedSince)}
              ORDER BY in_doubt_at LIMIT 1) IS NOT NULL AS for_broker,
          (SELECT true FROM order_slices WHERE stage = 'SCHEDULED' AND stale_at < ${instant(now)} AND NOT is_held
              ORDER BY stale_at LIMIT 1) IS NOT NULL
            OR EXISTS (SELECT FROM orders WHERE ${mayWantPlan(sql)}) AS for_plan`
    )

const previouslyInDoubt =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["previouslyInDoubt"] =>
  (since, limit) =>
    query(
      "RecoveryStore.previouslyInDoubt",
      PreviouslyInDoubtSlice,
      sql`
        SELECT id, order_id, tag, stage, claim_version, replaced_by, carried_quantity, request_id, trace_id
        FROM order_slices
        WHERE in_doubt_at >= ${instant(since)} AND stage <> 'IN_PROGRESS' AND NOT ${isOpenAtBroker(sql)}
        ORDER BY in_doubt_at DESC
        LIMIT ${limit}`
    )

const takeOver =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["takeOver"] =>
  (lateArrivals, reason, now) =>
    query(
      "RecoveryStore.takeOver",
      Id,
      sql`
        UPDATE order_slices s SET
          stage = 'PROCESSED', stage_reason = ${reason}, reason_code = ${reasonCode(sql, "late_arrival")}, claim_version = s.claim_version + 1,
          broker_order_id = i.broker_order_id, acknowledged_at = ${instant(now)},
          broker_status = i.status, broker_status_text = i.status_text, broker_is_final = i.is_final,
          filled_quantity = i.filled_quantity, average_price = i.average_price, updated_at = ${instant(now)}
        FROM unnest(
          ${texts(lateArrivals.map(({ slice }) => slice.id))},
          ${integers(lateArrivals.map(({ slice }) => slice.claimVersion))},
          ${texts(lateArrivals.map(({ order }) => order.brokerOrderId))},
          ${texts(lateArrivals.map(({ order }) => order.status))},
          ${texts(lateArrivals.map(({ order }) => order.statusText))},
          ${booleans(lateArrivals.map(({ order }) => isTerminal(order.status)))},
          ${integers(lateArrivals.map(({ order }) => order.filledQuantity))},
          ${decimals(lateArrivals.map(({ order }) => order.averagePrice))}
        ) AS i (id, claim_version, broker_order_id, status, status_text, is_final, filled_quantity, average_price)
        WHERE s.id = i.id AND s.claim_version = i.claim_version AND s.stage IN ('SCHEDULED', 'FAILED', 'SKIPPED')
          AND s.replaced_by IS NULL AND s.carried_quantity = 0
        RETURNING s.id`
    ).pipe(Effect.map((rows) => new Set(idsOf(rows))))

const leaveOrderList =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["leaveOrderList"] =>
  (ids, now) =>
    query(
      "RecoveryStore.leaveOrderList",
      Id,
      sql`
        UPDATE order_slices SET left_book_at = ${instant(now)}, updated_at = ${instant(now)}
        WHERE id = ANY(${texts(ids)}) AND ${isFollowed(sql)}
        RETURNING id`
    ).pipe(Effect.map((rows) => new Set(idsOf(rows))))

const skipStale =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["skipStale"] =>
  (now, reason, limit) =>
    query(
      "RecoveryStore.skipStale",
      Id,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT id FROM order_slices
          WHERE stage = 'SCHEDULED' AND is_held IN (false, true) AND not_before <= ${instant(now)} AND ${isWindowOver(sql, now)}
          LIMIT ${limit}
          FOR UPDATE SKIP LOCKED
        )
        UPDATE order_slices s SET
          stage = 'SKIPPED', stage_reason = ${reason}, reason_code = ${reasonCode(sql, "window_over")}, updated_at = ${instant(now)}
        FROM picked WHERE s.id = picked.id
        RETURNING s.id`
    ).pipe(Effect.map(idsOf))

const skipCancelled =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["skipCancelled"] =>
  (now, limit) =>
    query(
      "RecoveryStore.skipCancelled",
      Id,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT s.id FROM order_slices s JOIN orders o ON o.id = s.order_id
          WHERE o.cancel_requested_at >= ${instant(now)}::timestamptz - interval '3 days' AND s.stage = 'SCHEDULED'
          LIMIT ${limit}
          FOR UPDATE OF s SKIP LOCKED
        )
        UPDATE order_slices s SET
          stage = 'SKIPPED', stage_reason = 'order cancelled', reason_code = ${reasonCode(sql, "order_cancelled")}, updated_at = ${instant(now)}
        FROM picked WHERE s.id = picked.id
        RETURNING s.id`
    ).pipe(Effect.map(idsOf))
