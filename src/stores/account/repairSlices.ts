import { type DateTime, Effect, Schema } from "effect"
import type { Db, Sql } from "../../db/Db.ts"
import { booleans, decimals, integers, texts } from "../../db/parameters.ts"
import type { DifferenceKind, SettledSlice } from "../../domain/lifecycle/settlement.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { foundMoves } from "../sql/foundMoves.ts"
import { type ActionName, type Asked, insertActions } from "../sql/insertActions.ts"
import { isOnRecord } from "../sql/isOnRecord.ts"

/** A slice to be corrected to what the broker's order list says of it. */
export interface Repair {
  readonly slice: SettledSlice
  readonly order: BrokerOrder
  /** The difference that people were told of with it; null if none. Without its record the slice is not corrected. */
  readonly noted: DifferenceKind | null
}

/**
 * Makes slices PROCESSED with the state of their broker orders, each only if it has not changed since it was read; returns how
 * many. The new claim version fences off a worker that still owns the slice.
 */
export const repairSlices =
  ({ sql, query }: Db["Service"], name: ActionName) =>
  (repairs: ReadonlyArray<Repair>, asked: Asked, now: DateTime.Utc) =>
    query(
      "repairSlices",
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
            ${decimals(repairs.map(({ order }) => order.averagePrice))},
            ${texts(repairs.map(({ noted }) => noted))}
          ) AS i (id, read_stage, read_version, read_status, was_final, read_filled, read_carried, found_order_id, found_status,
            found_status_text, is_open, found_filled, found_price, noted)
          JOIN slice_plan p ON p.id = i.id JOIN orders o ON o.number = p.order_number
          WHERE ${isOnRecord(sql, sql`p.tag`)}
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
          { name, asked, now },
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
