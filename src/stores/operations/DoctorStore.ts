import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { maxQuantity } from "../../domain/model/Order.ts"
import { backlogGroupKinds } from "../../domain/operations/backlogGroupKinds.ts"
import { maxShown } from "../sql/bounded.ts"
import {
  claimableFormat,
  isFollowedThrough,
  isToSplit,
  isWaitingForCalendar,
  isWindowOver,
  mayWantPlan
} from "../sql/conditions.ts"
import { heldForDouble } from "../sql/heldForDouble.ts"
import { isSettledRow, recordedAndNow } from "../sql/history.ts"
import { isOfOrder } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { refusedCancels } from "../sql/refusedCancels.ts"
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

const WaitingOrders = Schema.Struct({
  market: Schema.String,
  until: Schema.NullOr(Schema.String),
  count: Schema.Int,
  orderId: Schema.String
})

const Double = Schema.Struct({
  sliceId: Schema.String,
  orderId: Schema.String,
  brokerOrderIds: Schema.Array(Schema.String)
})

const RefusedCancels = Schema.Struct({
  orderId: Schema.String,
  count: Schema.Int,
  tries: Schema.Int,
  refusal: Schema.String,
  brokerOrderIds: Schema.Array(Schema.String),
  isForPeople: Schema.Boolean
})

const History = Schema.Struct({
  isSettled: Schema.Boolean,
  since: Schema.NullOr(Schema.DateTimeUtcFromDate),
  reason: Schema.NullOr(Schema.String)
})

/** A slice that is not where it must be. One without a plan has its key as its id. */
export interface MisplacedSlice {
  readonly id: string
  readonly state: "no order" | "no plan" | "nowhere" | "in several places" | "in no claim"
}

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
    /** Orders that wait for days that the trading calendar did not know: to be split, by market and last known day, and running. */
    readonly waitingOrders: Effect.Effect<ReadonlyArray<typeof WaitingOrders.Type>, DbError>
    /** Slices placed twice, seen since then. */
    readonly doubles: (since: DateTime.Utc) => Effect.Effect<ReadonlyArray<typeof Double.Type>, DbError>
    /** Open broker orders that should be cancelled and are not, those that only a person can help first. */
    readonly refusedCancels: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<typeof RefusedCancels.Type>, DbError>
    /** Whether the server's history is settled; if not, since when a daemon has marked it, and why. */
    readonly history: Effect.Effect<typeof History.Type, DbError>
    /** See {@link misplacedSlices}. */
    readonly misplaced: (extent: PlacesExtent) => Effect.Effect<ReadonlyArray<MisplacedSlice>, DbError>
  }
>()("pulse-background/DoctorStore") {
  static readonly layer: Layer.Layer<DoctorStore, never, Db> = Layer.effect(
    DoctorStore,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, query } = db
      return DoctorStore.of({
        groups: (now, keepsHours) =>
          query(
            "DoctorStore.groups",
            BacklogGroup,
            sql`
              SELECT kind, count(*)::int AS count, (array_agg(id ORDER BY since, id))[1] AS id, min(since) AS since
              FROM (
                SELECT 'pending' AS kind, id, ${sql.literal(shownTime("updated_at"))} AS since FROM orders WHERE ${isToSplit(sql)}
                UNION ALL
                SELECT 'splitting', id, ${sql.literal(shownTime("coalesce(claimed_at, updated_at)"))} FROM orders WHERE order_queue_status = 'IN_PROGRESS'
                UNION ALL
                SELECT s.kind, p.id, s.since FROM ${waitingSlices(sql, now, keepsHours)} s JOIN slice_plan p USING (slice)
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
                o.hold_reason_code IS NOT DISTINCT FROM ${reasonCode(sql, "broker_differs")} AS differs,
                (SELECT count(*) FROM slice_queue WHERE ${isOfOrder(sql, "slice", sql.literal("o.number"))} AND claim = 0)::int AS slices,
                ${isFollowedThrough(sql, "o")} AND o.settled_at IS NULL
                  AND o.cancel_requested_at IS NULL AS is_unfinished
              FROM orders o WHERE o.hold_reason IS NOT NULL
            ) held
            WHERE slices > 0 OR is_double OR is_unfinished OR differs
            ORDER BY is_double DESC, held_at, order_id`
        ),

        waitingOrders: waitingOrders(db),

        doubles: (since) =>
          query(
            "DoctorStore.doubles",
            Double,
            sql`
              SELECT slice_id, order_id, broker_order_ids FROM double_placements
              WHERE seen_at >= ${instant(since)} ORDER BY seen_at`
          ),

        refusedCancels: (now) =>
          query(
            "DoctorStore.refusedCancels",
            RefusedCancels,
            sql`
              SELECT order_id, count, tries, refusal, broker_order_ids, is_for_people FROM ${refusedCancels(sql, now)} refused
              ORDER BY is_for_people DESC, tries DESC, order_id`
          ),

        history: db.queryOne(
          "DoctorStore.history",
          History,
          sql`
            SELECT ${isSettledRow(sql)} AS is_settled, h.unsettled_since AS since, h.unsettled_reason AS reason
            FROM ${recordedAndNow(sql)}`
        ),

        misplaced: misplacedSlices(db)
      })
    })
  )
}

const waitingOrders = ({ sql, query }: Db["Service"]) =>
  query(
    "DoctorStore.waitingOrders",
    WaitingOrders,
    sql`
      SELECT coalesce(calendar_market, '?') AS market, calendar_until::text AS until, count(*)::int AS count,
        (array_agg(id ORDER BY created_at, id))[1] AS order_id
      FROM orders WHERE ${isWaitingForCalendar(sql)} GROUP BY calendar_market, calendar_until
      UNION ALL
      SELECT '', NULL, count(*)::int, (array_agg(id ORDER BY created_at, id))[1]
      FROM orders WHERE ${mayWantPlan(sql)} AND reason_code = ${reasonCode(sql, "calendar_ends")} HAVING count(*) > 0
      ORDER BY market DESC, until`
  )

/** What waits, with the kind of its group and since when: `kind`, `slice`, `since`. */
const waitingSlices = (sql: Sql, now: DateTime.Utc, keepsHours: boolean) => sql`(
  SELECT 'doubt' AS kind, q.slice, coalesce(q.unknown_at, c.lease_expires_at) AS since
  FROM slice_queue q LEFT JOIN slice_claims c ON c.id = q.claim
  WHERE q.unknown_at IS NOT NULL OR (q.claim > 0 AND c.lease_expires_at <= ${instant(now)})
  UNION ALL
  SELECT 'lost', slice, left_book_at FROM slice_working WHERE left_book_at IS NOT NULL
  UNION ALL
  SELECT
    -- In the order in which the claim checks.
    CASE
      WHEN ${isWindowOver(sql, now)} THEN 'expired'
      WHEN is_held THEN 'held'
      WHEN stale_at < ${instant(now)} THEN 'respread'
      WHEN keeps_hours AND NOT ${keepsHours}::boolean THEN 'hours'
      WHEN format = ${claimableFormat} AND version < ${maxQuantity}::int THEN 'unclaimed'
      ELSE 'unknown kind'
    END, slice, CASE WHEN ${isWindowOver(sql, now)} THEN not_after ELSE due_at END
  FROM slice_queue WHERE claim = 0 AND due_at < ${instant(now)})`

/** The most misplaced slices that are read: the first ones, by key. */
export const maxMisplaced = 100

/** Which slices are looked at: all, for minutes where there are millions, or of each table the newest ones, by order. */
export type PlacesExtent = "all" | "newest"

/** How many the newest ones are. */
export const newestSlices = 5000

/**
 * The slices that are not where they must be: each planned one in exactly one of slice_queue, slice_working and slice_results, each of an order that is there, and
 * each claimed one in a claim that is under way, because nobody would find it when its lease is over. There must be none. It has
 * no time limit.
 */
export const misplacedSlices =
  ({ sql, unlimited }: Db["Service"]) =>
  (extent: PlacesExtent): Effect.Effect<ReadonlyArray<MisplacedSlice>, DbError> =>
    unlimited<ReadonlyArray<MisplacedSlice>, never, never>(
      "DoctorStore.misplaced",
      sql<MisplacedSlice>`
      SELECT id, state FROM (
        SELECT slice, coalesce(id, slice::text) AS id,
          CASE WHEN NOT has_order THEN 'no order' WHEN NOT is_planned THEN 'no plan' WHEN places IS NULL THEN 'nowhere' ELSE 'in several places' END AS state
        FROM ${extent === "all" ? sql`slice_places` : newestPlaces(sql)} placed
        UNION ALL
        SELECT slice, p.id, 'in no claim'
        FROM slice_queue q JOIN slice_plan p USING (slice)
        WHERE q.claim > 0 AND (q.is_held OR NOT EXISTS (
          SELECT FROM slice_claims c
          WHERE c.id = q.claim AND NOT c.is_over AND q.due_at BETWEEN c.first_due_at AND c.last_due_at))
      ) misplaced
      ORDER BY slice, state
      LIMIT ${maxMisplaced}`
    )

/** The rows of slice_places of the newest slices of each table. Each is looked up by its key, because a join may read whole tables. */
const newestPlaces = (sql: Sql) => {
  const newest = (table: string) => sql`(SELECT slice FROM ${sql(table)} ORDER BY slice DESC LIMIT ${newestSlices})`
  const isIn = (table: string) => sql`(SELECT count(*) FROM ${sql(table)} t WHERE t.slice = looked.slice)`
  return sql`(
    SELECT slice, (SELECT id FROM slice_plan p WHERE p.slice = found.slice) AS id, nullif(places, 0) AS places, is_planned, has_order FROM (
      SELECT slice,
        ${isIn("slice_plan")} > 0 AS is_planned, (SELECT count(*) FROM orders o WHERE o.number = looked.slice >> 20) > 0 AS has_order,
        ${isIn("slice_queue")} + ${isIn("slice_working")} + ${isIn("slice_results")} AS places
      FROM (
        ${newest("slice_plan")} UNION ${newest("slice_queue")} UNION ${newest("slice_working")} UNION ${newest("slice_results")}
      ) looked
      OFFSET 0
    ) found
    WHERE NOT is_planned OR NOT has_order OR places <> 1)`
}
