import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, integers, texts } from "../../db/parameters.ts"
import { ReconciledSlice } from "../../domain/lifecycle/reconcileDay.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { foundMoves } from "../sql/foundMoves.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** A slice to be corrected to what the broker's order list says of it. */
export interface Repair {
  readonly slice: ReconciledSlice
  readonly order: BrokerOrder
}

const UnbalancedOrder = Schema.Struct({
  orderId: Schema.String,
  totalQuantity: Schema.Number,
  unaccounted: Schema.Number,
  overfilled: Schema.Int
})

/**
 * The statements of the day reconciliation (command settle): what the database has of a day, to compare with the broker's
 * order list, and the repair of slices that differ.
 */
export class DayReconciliationStore extends Context.Service<
  DayReconciliationStore,
  {
    /**
     * Every slice that may have been sent in this period, that is, claimed or acknowledged in it, and every other slice with
     * one of these tags, in whatever stage. One that ended without an acknowledgement may be missing if its order had no plan
     * for the period; it agrees with an order list that does not have its tag.
     */
    readonly slices: (
      from: DateTime.Utc,
      until: DateTime.Utc,
      tags: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<ReconciledSlice>, DbError>
    /**
     * Orders split in this period, or with slices that may have been sent in it, whose quantities do not add up or of which a
     * slice is filled beyond its quantity. There must be none.
     */
    readonly unbalanced: (
      from: DateTime.Utc,
      until: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<typeof UnbalancedOrder.Type>, DbError>
    /**
     * Makes slices PROCESSED with the state of their broker orders, each only if it has not changed since it was read;
     * returns how many. The new claim version fences off a worker that still owns the slice.
     */
    readonly repair: (repairs: ReadonlyArray<Repair>, asked: Asked, now: DateTime.Utc) => Effect.Effect<number, DbError>
  }
>()("pulse-background/DayReconciliationStore") {
  static readonly layer: Layer.Layer<DayReconciliationStore, never, Db> = Layer.effect(
    DayReconciliationStore,
    Effect.map(Db, (db) =>
      DayReconciliationStore.of({ slices: slices(db), unbalanced: unbalanced(db), repair: repair(db) })
    )
  )
}

const isBetween = (
  sql: Sql,
  column: "claimed_at" | "acknowledged_at" | "split_at",
  from: DateTime.Utc,
  until: DateTime.Utc
) => sql`(${sql(column)} >= ${instant(from)} AND ${sql(column)} < ${instant(until)})`

/**
 * Parts of a WITH, the last of which, `sent`, has the slices claimed or acknowledged in the period. A result that was never
 * acknowledged is in no index; it is looked for among the orders of the plans that reach into the period, whose numbers are near
 * each other.
 */
const sentBetween = (sql: Sql, from: DateTime.Utc, until: DateTime.Utc) => sql`
  claims AS MATERIALIZED (SELECT id FROM slice_claims WHERE ${isBetween(sql, "claimed_at", from, until)}),
  planned AS MATERIALIZED (
    SELECT min(o.number) << 20 AS first, (max(o.number) + 1) << 20 AS beyond
    FROM order_plans f JOIN orders o ON o.id = f.order_id
    WHERE f.starts_at < ${instant(until)} AND coalesce(f.closes_at, f.ends_at) >= ${instant(from)}
  ),
  sent AS MATERIALIZED (
    SELECT slice FROM slice_queue WHERE CASE WHEN claim = 0 THEN last_claim ELSE abs(claim) END IN (SELECT id FROM claims)
    UNION ALL
    SELECT slice FROM slice_working
    WHERE ${isBetween(sql, "acknowledged_at", from, until)} OR claim IN (SELECT id FROM claims)
    UNION ALL
    SELECT slice FROM slice_results WHERE ${isBetween(sql, "acknowledged_at", from, until)}
    UNION ALL
    SELECT slice FROM slice_results
    WHERE slice > (SELECT first FROM planned) AND slice < (SELECT beyond FROM planned)
      AND claim IN (SELECT id FROM claims) AND ${isBetween(sql, "acknowledged_at", from, until)} IS NOT TRUE
  )`

const slices =
  ({ sql, query }: Db["Service"]) =>
  (from: DateTime.Utc, until: DateTime.Utc, tags: ReadonlyArray<string>) =>
    query(
      "DayReconciliationStore.slices",
      ReconciledSlice,
      sql`
        WITH ${sentBetween(sql, from, until)}, days AS MATERIALIZED (
          SELECT slice FROM sent UNION SELECT slice FROM slice_plan WHERE tag = ANY(${texts(tags)})
        )
        SELECT p.id, o.id AS order_id, (p.slice & 1048575)::int AS sequence_number, p.tag, s.stage, s.version AS claim_version,
          s.replaced_by, s.carried AS carried_quantity, p.quantity, s.broker_order_id, s.broker_status, s.is_final AS broker_is_final,
          s.filled AS filled_quantity, s.average_price::text AS average_price
        FROM days d
        -- OFFSET 0 has the view read one slice at a time: nothing is known of how many of a whole view there are.
        CROSS JOIN LATERAL (SELECT * FROM slice_states WHERE slice = d.slice OFFSET 0) s
        JOIN slice_plan p ON p.slice = d.slice JOIN orders o ON o.number = p.order_number
        ORDER BY order_id, sequence_number`
    )

const unbalanced =
  ({ sql, query }: Db["Service"]) =>
  (from: DateTime.Utc, until: DateTime.Utc) =>
    query(
      "DayReconciliationStore.unbalanced",
      UnbalancedOrder,
      sql`
        WITH ${sentBetween(sql, from, until)}, days AS MATERIALIZED (
          SELECT id AS order_id FROM orders WHERE ${isBetween(sql, "split_at", from, until)}
          UNION
          SELECT o.id FROM (SELECT DISTINCT slice >> 20 AS number FROM sent) s JOIN orders o ON o.number = s.number
        )
        SELECT o.order_id, coalesce(o.total_quantity, 0)::float8 AS total_quantity, o.unaccounted::float8 AS unaccounted, o.overfilled
        FROM days
        -- OFFSET 0 makes the view read one order at a time, instead of all orders to find the day's among them.
        CROSS JOIN LATERAL (SELECT * FROM order_conservation WHERE order_id = days.order_id OFFSET 0) o
        WHERE o.unaccounted <> 0 OR o.overfilled > 0
        ORDER BY o.order_id`
    )

const repair =
  ({ sql, query }: Db["Service"]) =>
  (repairs: ReadonlyArray<Repair>, asked: Asked, now: DateTime.Utc) =>
    query(
      "DayReconciliationStore.repair",
      Schema.Struct({ id: Schema.String }),
      sql`
        WITH input AS MATERIALIZED (
          SELECT p.slice AS key, o.id AS order_id, i.* FROM unnest(
            ${texts(repairs.map(({ slice }) => slice.id))},
            ${texts(repairs.map(({ slice }) => slice.stage))},
            ${integers(repairs.map(({ slice }) => slice.claimVersion))},
            ${texts(repairs.map(({ slice }) => slice.brokerStatus))},
            ${booleans(repairs.map(({ slice }) => slice.brokerIsFinal))},
            ${integers(repairs.map(({ slice }) => slice.filledQuantity))},
            ${integers(repairs.map(({ slice }) => slice.carriedQuantity))},
            ${texts(repairs.map(({ order }) => order.brokerOrderId))},
            ${texts(repairs.map(({ order }) => order.status))},
            ${texts(repairs.map(({ order }) => order.statusText))},
            ${booleans(repairs.map(({ order }) => !isTerminal(order.status)))},
            ${integers(repairs.map(({ order }) => order.filledQuantity))},
            ${decimals(repairs.map(({ order }) => order.averagePrice))}
          ) AS i (id, read_stage, read_version, read_status, was_final, read_filled, read_carried, found_order_id, found_status,
            found_status_text, is_open, found_filled, found_price)
          JOIN slice_plan p ON p.id = i.id JOIN orders o ON o.number = p.order_number
          ORDER BY p.slice
        ), ${foundMoves(sql, {
          queue: sql`q.version = i.read_version
            AND CASE WHEN i.read_stage = 'SCHEDULED' THEN q.claim = 0 ELSE i.read_stage = 'IN_PROGRESS' AND q.claim <> 0 END`,
          working: sql`i.read_stage = 'PROCESSED' AND NOT i.was_final AND ${isAsRead(sql, "w")}`,
          results: sql`r.stage::text = left(i.read_stage, 1) AND i.was_final = (r.stage = 'P') AND r.replaced_by IS NULL
            AND ${isAsRead(sql, "r")}`,
          reason: `reconciled by ${asked.by}: ${asked.reason}`,
          code: "repaired_from_order_list",
          now,
          answers: "id, order_id, found_order_id, found_status, found_filled"
        })}, recorded AS (${insertActions(
          sql,
          { name: "settle --repair", asked, now },
          sql`
            SELECT order_id, id, jsonb_build_object('broker_order_id', found_order_id, 'broker_status', found_status,
              'filled', found_filled)
            FROM found`
        )})
        SELECT id FROM found`
    ).pipe(Effect.map((rows) => rows.length))

const isAsRead = (sql: Sql, alias: "w" | "r") => {
  const s = sql.literal(alias)
  return sql`(${s}.version = i.read_version AND ${s}.broker_status IS NOT DISTINCT FROM i.read_status
    AND ${s}.filled = i.read_filled AND ${s}.carried = i.read_carried)`
}
