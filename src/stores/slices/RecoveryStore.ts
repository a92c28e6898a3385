import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, integers, texts } from "../../db/parameters.ts"
import type { DifferenceKind } from "../../domain/lifecycle/settlement.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { PreviouslyInDoubtSlice } from "../../domain/model/OrderSlice.ts"
import { endedClaims, isDueAsEnded } from "../sql/claims.ts"
import { isWindowOver, mayWantPlan } from "../sql/conditions.ts"
import { foundMoves } from "../sql/foundMoves.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { isOnRecord } from "../sql/isOnRecord.ts"
import { isOfOrder, skipQueued } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"

/** Whether a slice waits for the broker's order list, whether an order may need a new plan, and whether something was sent. */
const Waiting = Schema.Struct({ forBroker: Schema.Boolean, forPlan: Schema.Boolean, hasSent: Schema.Boolean })

/** A broker order that was found after its slice had been given up or rescheduled. */
export interface LateArrival {
  readonly slice: PreviouslyInDoubtSlice
  readonly order: BrokerOrder
  /** The difference that people were told of with it; null if none. Without its record the slice does not move. */
  readonly noted: DifferenceKind | null
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
     * Whether the monitor has work, which the lookout's statement tells only roughly. `forBroker`: a slice is in doubt,
     * is followed at the broker, or was in doubt since `doubtedSince`. `hasSent`: something was claimed since then, too. `forPlan`: an order may need another plan. Claims of
     * which nothing is left are closed by the way.
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
        WITH ${endedClaims(sql, now)}, claimed AS MATERIALIZED (
          SELECT DISTINCT claim FROM slice_queue WHERE ${isDueAsEnded(sql)}
        ), empty AS MATERIALIZED (
          SELECT id FROM slice_claims
          WHERE id IN (SELECT id FROM ended) AND id NOT IN (SELECT claim FROM claimed)
          LIMIT 500
          FOR UPDATE SKIP LOCKED
        ), closed AS (
          UPDATE slice_claims c SET is_over = true FROM empty WHERE c.id = empty.id
        )
        -- Each part is sorted as its index is, so that it never reads the whole table, whatever the statistics say.
        SELECT
          EXISTS (SELECT FROM ended WHERE id IN (SELECT claim FROM claimed))
            OR (SELECT true FROM slice_queue WHERE unknown_at IS NOT NULL ORDER BY unknown_at LIMIT 1) IS NOT NULL
            OR EXISTS (
              SELECT FROM slice_working WHERE left_book_at IS NULL OR in_doubt_at >= ${instant(doubtedSince)})
            OR (SELECT true FROM slice_queue WHERE in_doubt_at >= ${instant(doubtedSince)}
              ORDER BY in_doubt_at LIMIT 1) IS NOT NULL
            OR (SELECT true FROM slice_results WHERE in_doubt_at >= ${instant(doubtedSince)}
              ORDER BY in_doubt_at LIMIT 1) IS NOT NULL AS for_broker,
          coalesce((SELECT claimed_at >= ${instant(doubtedSince)} FROM slice_claims ORDER BY id DESC LIMIT 1), false) AS has_sent,
          (SELECT true FROM slice_queue WHERE claim = 0 AND stale_at < ${instant(now)} AND NOT is_held
              ORDER BY stale_at LIMIT 1) IS NOT NULL
            OR EXISTS (SELECT FROM orders WHERE ${mayWantPlan(sql)}) AS for_plan`
    )

const previouslyInDoubt =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["previouslyInDoubt"] =>
  (since, limit) => {
    const latest = sql`in_doubt_at >= ${instant(since)} ORDER BY in_doubt_at DESC LIMIT ${limit}`
    return query(
      "RecoveryStore.previouslyInDoubt",
      PreviouslyInDoubtSlice,
      sql`
        WITH doubted AS MATERIALIZED (
          (SELECT slice, in_doubt_at FROM slice_queue WHERE claim = 0 AND ${latest})
          UNION ALL (SELECT slice, in_doubt_at FROM slice_results WHERE ${latest})
          ORDER BY in_doubt_at DESC LIMIT ${limit}
        )
        SELECT s.id, s.order_id, s.tag, s.stage, s.claim_version, s.replaced_by, s.carried_quantity, s.request_id, s.trace_id
        FROM doubted d JOIN slice_rows s ON s.slice = d.slice
        ORDER BY d.in_doubt_at DESC`
    )
  }

const takeOver =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["takeOver"] =>
  (lateArrivals, reason, now) =>
    query(
      "RecoveryStore.takeOver",
      Id,
      sql`
        WITH input AS MATERIALIZED (
          SELECT p.slice AS key, i.* FROM unnest(
            ${texts(lateArrivals.map(({ slice }) => slice.id))},
            ${integers(lateArrivals.map(({ slice }) => slice.claimVersion))},
            ${texts(lateArrivals.map(({ order }) => order.brokerOrderId))},
            ${texts(lateArrivals.map(({ order }) => order.status))},
            ${texts(lateArrivals.map(({ order }) => order.statusText))},
            ${booleans(lateArrivals.map(({ order }) => !isTerminal(order.status)))},
            ${integers(lateArrivals.map(({ order }) => order.filledQuantity))},
            ${decimals(lateArrivals.map(({ order }) => order.averagePrice))},
            ${texts(lateArrivals.map(({ noted }) => noted))}
          ) AS i (id, read_version, found_order_id, found_status, found_status_text, is_open, found_filled, found_price, noted)
          JOIN slice_plan p ON p.id = i.id
          WHERE ${isOnRecord(sql, sql`p.tag`)}
          ORDER BY p.slice
        ), ${foundMoves(sql, {
          queue: sql`q.version = i.read_version AND q.claim = 0`,
          results: sql`r.version = i.read_version AND r.stage IN ('F', 'S')
          AND r.replaced_by IS NULL AND r.carried = 0`,
          reason,
          code: "late_arrival",
          now,
          answers: "id"
        })}
        SELECT id FROM found`
    ).pipe(Effect.map((rows) => new Set(idsOf(rows))))

const leaveOrderList =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["leaveOrderList"] =>
  (ids, now) =>
    query(
      "RecoveryStore.leaveOrderList",
      Id,
      sql`
        UPDATE slice_working w SET left_book_at = ${instant(now)}, updated_at = ${instant(now)}
        FROM slice_plan p
        WHERE p.id = ANY(${texts(ids)}) AND w.slice = p.slice AND w.left_book_at IS NULL
        RETURNING p.id`
    ).pipe(Effect.map((rows) => new Set(idsOf(rows))))

const skipStale =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["skipStale"] =>
  (now, reason, limit) =>
    query(
      "RecoveryStore.skipStale",
      Id,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT slice FROM slice_queue
          WHERE claim = 0 AND due_at <= ${instant(now)} AND ${isWindowOver(sql, now)}
          ORDER BY not_after
          LIMIT ${limit}
          FOR UPDATE SKIP LOCKED
        ), ${skipQueued(sql, {
          using: sql`picked`,
          where: sql`q.slice = picked.slice`,
          updates: {
            reason: sql`${reason}::text`,
            reason_code: reasonCode(sql, "window_over"),
            updated_at: sql`${instant(now)}::timestamptz`
          }
        })}
        SELECT p.id FROM gone JOIN slice_plan p ON p.slice = gone.slice`
    ).pipe(Effect.map(idsOf))

const skipCancelled =
  ({ sql, query }: Db["Service"]): RecoveryStore["Service"]["skipCancelled"] =>
  (now, limit) =>
    query(
      "RecoveryStore.skipCancelled",
      Id,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT q.slice FROM orders o JOIN slice_queue q ON ${isOfOrder(sql, "q.slice", sql`o.number`)}
          WHERE o.cancel_requested_at >= ${instant(now)}::timestamptz - interval '3 days' AND q.claim = 0
          LIMIT ${limit}
          FOR UPDATE OF q SKIP LOCKED
        ), ${skipQueued(sql, {
          using: sql`picked`,
          where: sql`q.slice = picked.slice`,
          updates: {
            reason: sql`'order cancelled'`,
            reason_code: reasonCode(sql, "order_cancelled"),
            updated_at: sql`${instant(now)}::timestamptz`
          }
        })}
        SELECT p.id FROM gone JOIN slice_plan p ON p.slice = gone.slice`
    ).pipe(Effect.map(idsOf))
