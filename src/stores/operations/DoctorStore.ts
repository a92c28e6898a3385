import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, texts } from "../../db/parameters.ts"
import { maxQuantity, OrderType, ProductType, Validity } from "../../domain/model/Order.ts"
import { backlogGroupKinds } from "../../domain/operations/backlogGroupKinds.ts"
import { maxShown } from "../sql/bounded.ts"
import { inDoubtSince, isFollowedThrough, isInDoubt, isLost, isWindowOver } from "../sql/conditions.ts"
import { heldForDouble } from "../sql/heldForDouble.ts"
import { shownTime } from "../sql/shownTime.ts"

const BacklogGroup = Schema.Struct({
  kind: Schema.Literals(backlogGroupKinds),
  count: Schema.Int,
  id: Schema.String,
  since: Schema.DateTimeUtcFromDate
})

const HeldOrder = Schema.Struct({
  orderId: Schema.String,
  reason: Schema.String,
  slices: Schema.Int,
  /** The broker has more orders for it than it should. */
  isDouble: Schema.Boolean
})

const Double = Schema.Struct({
  sliceId: Schema.String,
  orderId: Schema.String,
  brokerOrderIds: Schema.Array(Schema.String)
})

/**
 * The backlog, by the thing that it waits for, for the command doctor. Each statement reads everything unfinished, so it is
 * for a person who asks, not for a loop.
 */
export class DoctorStore extends Context.Service<
  DoctorStore,
  {
    /**
     * Backlog groups: the rows waiting for the same thing, their number, and the one that has waited longest. `keepsHours`
     * says whether a trading calendar is on.
     */
    readonly groups: (
      now: DateTime.Utc,
      keepsHours: boolean
    ) => Effect.Effect<ReadonlyArray<typeof BacklogGroup.Type>, DbError>
    /** Orders on hold that are unfinished or were placed twice, the latter first. `slices` counts those still to be sent. */
    readonly heldOrders: Effect.Effect<ReadonlyArray<typeof HeldOrder.Type>, DbError>
    /** Slices placed twice, seen since then. */
    readonly doubles: (since: DateTime.Utc) => Effect.Effect<ReadonlyArray<typeof Double.Type>, DbError>
  }
>()("pulse-background/DoctorStore") {
  static readonly layer: Layer.Layer<DoctorStore, never, Db> = Layer.effect(
    DoctorStore,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      return DoctorStore.of({
        groups: (now, keepsHours) =>
          query(
            "DoctorStore.groups",
            BacklogGroup,
            sql`
              SELECT kind, count(*)::int AS count, (array_agg(id ORDER BY since, id))[1] AS id, min(since) AS since
              FROM (
                SELECT 'pending' AS kind, id, ${sql.literal(shownTime("updated_at"))} AS since FROM orders WHERE order_queue_status = 'PENDING'
                UNION ALL
                SELECT 'splitting', id, ${sql.literal(shownTime("coalesce(claimed_at, updated_at)"))} FROM orders WHERE order_queue_status = 'IN_PROGRESS'
                UNION ALL
                SELECT 'doubt', id, ${inDoubtSince(sql)} FROM order_slices WHERE ${isInDoubt(sql, now)}
                UNION ALL
                SELECT 'lost', id, left_book_at FROM order_slices WHERE ${isLost(sql)}
                UNION ALL
                SELECT
                  -- In the order in which the claim checks.
                  CASE
                    WHEN ${isWindowOver(sql, now)} THEN 'expired'
                    WHEN is_held THEN 'held'
                    WHEN stale_at < ${instant(now)} THEN 'respread'
                    WHEN market IS NOT NULL AND NOT ${keepsHours}::boolean THEN 'hours'
                    WHEN order_type = ANY(${texts(OrderType.literals)}) AND product_type = ANY(${texts(ProductType.literals)})
                      AND validity = ANY(${texts(Validity.literals)}) AND claim_version < ${maxQuantity}::int THEN 'unclaimed'
                    ELSE 'unknown kind'
                  END, id, CASE WHEN ${isWindowOver(sql, now)} THEN not_after ELSE not_before END
                FROM order_slices WHERE stage = 'SCHEDULED' AND is_held IN (false, true) AND not_before < ${instant(now)}
              ) waiting (kind, id, since)
              GROUP BY kind
              ORDER BY kind`
          ),

        heldOrders: query(
          "DoctorStore.heldOrders",
          HeldOrder,
          sql`
            SELECT order_id, reason, slices, is_double FROM (
              SELECT o.id AS order_id, left(o.hold_reason, ${maxShown}::int) AS reason, o.held_at, ${sql.literal(heldForDouble)} AS is_double,
                (SELECT count(*) FROM order_slices WHERE order_id = o.id AND stage = 'SCHEDULED')::int AS slices,
                ${isFollowedThrough(sql, "o")} AND o.settled_at IS NULL
                  AND o.cancel_requested_at IS NULL AS is_unfinished
              FROM orders o WHERE o.hold_reason IS NOT NULL
            ) held
            WHERE slices > 0 OR is_double OR is_unfinished
            ORDER BY is_double DESC, held_at, order_id`
        ),

        doubles: (since) =>
          query(
            "DoctorStore.doubles",
            Double,
            sql`
              SELECT slice_id, order_id, broker_order_ids FROM double_placements
              WHERE seen_at >= ${instant(since)} ORDER BY seen_at`
          )
      })
    })
  )
}
