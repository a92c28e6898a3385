import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, texts } from "../../db/parameters.ts"
import { SettledSlice } from "../../domain/lifecycle/settlement.ts"
import type { Asked } from "../sql/insertActions.ts"
import { settledSlices } from "../sql/settledSlices.ts"
import { type Repair, repairSlices } from "./repairSlices.ts"

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
    ) => Effect.Effect<ReadonlyArray<SettledSlice>, DbError>
    /**
     * Orders split in this period, or with one of the `slices` above, whose quantities do not add up or of which a slice is
     * filled beyond its quantity. There must be none.
     */
    readonly unbalanced: (
      from: DateTime.Utc,
      until: DateTime.Utc,
      tags: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<typeof UnbalancedOrder.Type>, DbError>
    /** See {@link repairSlices}. */
    readonly repair: (repairs: ReadonlyArray<Repair>, asked: Asked, now: DateTime.Utc) => Effect.Effect<number, DbError>
  }
>()("pulse-background/DayReconciliationStore") {
  static readonly layer: Layer.Layer<DayReconciliationStore, never, Db> = Layer.effect(
    DayReconciliationStore,
    Effect.map(Db, (db) =>
      DayReconciliationStore.of({
        slices: slices(db),
        unbalanced: unbalanced(db),
        repair: repairSlices(db, "settle --repair")
      })
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

/** A part of a WITH after {@link sentBetween}: the slices of `slices`. */
const comparedWith = (sql: Sql, tags: ReadonlyArray<string>) => sql`
  compared AS MATERIALIZED (
    SELECT slice FROM sent UNION SELECT slice FROM slice_plan WHERE tag = ANY(${texts(tags)})
  )`

const slices =
  ({ sql, query }: Db["Service"]) =>
  (from: DateTime.Utc, until: DateTime.Utc, tags: ReadonlyArray<string>) =>
    query(
      "DayReconciliationStore.slices",
      SettledSlice,
      sql`
        WITH ${sentBetween(sql, from, until)}, ${comparedWith(sql, tags)}
        ${settledSlices(sql, "compared")}
        ORDER BY order_id, sequence_number`
    )

const unbalanced =
  ({ sql, query }: Db["Service"]) =>
  (from: DateTime.Utc, until: DateTime.Utc, tags: ReadonlyArray<string>) =>
    query(
      "DayReconciliationStore.unbalanced",
      UnbalancedOrder,
      sql`
        WITH ${sentBetween(sql, from, until)}, ${comparedWith(sql, tags)}, days AS MATERIALIZED (
          SELECT id AS order_id FROM orders WHERE ${isBetween(sql, "split_at", from, until)}
          UNION
          SELECT o.id FROM (SELECT DISTINCT slice >> 20 AS number FROM compared) s JOIN orders o ON o.number = s.number
        )
        SELECT o.order_id, coalesce(o.total_quantity, 0)::float8 AS total_quantity, o.unaccounted::float8 AS unaccounted, o.overfilled
        FROM days
        -- OFFSET 0 makes the view read one order at a time, instead of all orders to find the day's among them.
        CROSS JOIN LATERAL (SELECT * FROM order_conservation WHERE order_id = days.order_id OFFSET 0) o
        WHERE o.unaccounted <> 0 OR o.overfilled > 0
        ORDER BY o.order_id`
    )
