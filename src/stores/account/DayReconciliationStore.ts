import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, integers, texts } from "../../db/parameters.ts"
import { ReconciledSlice } from "../../domain/lifecycle/reconcileDay.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { reasonCode } from "../sql/reasonCode.ts"

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
     * one of these tags, in whatever stage.
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

const slices =
  ({ sql, query }: Db["Service"]) =>
  (from: DateTime.Utc, until: DateTime.Utc, tags: ReadonlyArray<string>) =>
    query(
      "DayReconciliationStore.slices",
      ReconciledSlice,
      sql`
        SELECT id, order_id, sequence_number, tag, stage, claim_version, replaced_by, carried_quantity, quantity, broker_order_id,
          broker_status, broker_is_final, filled_quantity, average_price::text AS average_price
        FROM order_slices
        WHERE ${isBetween(sql, "claimed_at", from, until)} OR ${isBetween(sql, "acknowledged_at", from, until)}
          OR tag = ANY(${texts(tags)})
        ORDER BY order_id, sequence_number`
    )

const unbalanced =
  ({ sql, query }: Db["Service"]) =>
  (from: DateTime.Utc, until: DateTime.Utc) =>
    query(
      "DayReconciliationStore.unbalanced",
      UnbalancedOrder,
      sql`
        WITH days AS MATERIALIZED (
          SELECT id AS order_id FROM orders WHERE ${isBetween(sql, "split_at", from, until)}
          UNION
          SELECT order_id FROM order_slices
          WHERE ${isBetween(sql, "claimed_at", from, until)} OR ${isBetween(sql, "acknowledged_at", from, until)}
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
        WITH repaired AS (
          UPDATE order_slices s SET
            stage = 'PROCESSED', stage_reason = ${`reconciled by ${asked.by}: ${asked.reason}`},
            reason_code = ${reasonCode(sql, "repaired_from_order_list")}, claim_version = s.claim_version + 1,
            broker_order_id = i.broker_order_id, acknowledged_at = coalesce(s.acknowledged_at, ${instant(now)}),
            broker_status = i.status, broker_status_text = i.status_text, broker_is_final = i.is_final,
            filled_quantity = i.filled_quantity, average_price = coalesce(i.average_price, s.average_price),
            left_book_at = NULL, updated_at = ${instant(now)}
          FROM unnest(
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
            ${booleans(repairs.map(({ order }) => isTerminal(order.status)))},
            ${integers(repairs.map(({ order }) => order.filledQuantity))},
            ${decimals(repairs.map(({ order }) => order.averagePrice))}
          ) AS i (id, stage, claim_version, old_status, was_final, old_filled, old_carried, broker_order_id, status, status_text, is_final, filled_quantity, average_price)
          WHERE s.id = i.id AND s.stage = i.stage AND s.claim_version = i.claim_version
            AND s.broker_status IS NOT DISTINCT FROM i.old_status AND s.broker_is_final = i.was_final
            AND s.filled_quantity = i.old_filled AND s.carried_quantity = i.old_carried AND s.replaced_by IS NULL
          RETURNING s.*
        ), recorded AS (${insertActions(
          sql,
          { name: "settle --repair", asked, now },
          sql`
            SELECT order_id, id, jsonb_build_object('broker_order_id', broker_order_id, 'broker_status', broker_status,
              'filled', filled_quantity)
            FROM repaired`
        )})
        SELECT id FROM repaired`
    ).pipe(Effect.map((rows) => rows.length))
