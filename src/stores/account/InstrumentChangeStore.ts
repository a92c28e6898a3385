import { Context, DateTime, Duration, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { InstrumentChange } from "../../domain/market/instrumentChanges.ts"
import { isOrderUnfinished } from "../sql/conditions.ts"

/** An unfinished order of a changed instrument: what it was planned with, and what the list says now. */
const AffectedOrder = Schema.Struct({
  orderId: Schema.String,
  instrument: Schema.String,
  plannedLot: Schema.NullOr(Schema.Int),
  limitPrice: Schema.NullOr(Schema.BigDecimalFromString),
  lastDay: Schema.String,
  lotSize: Schema.NullOr(Schema.Int),
  tickSize: Schema.NullOr(Schema.BigDecimalFromString),
  expiry: Schema.NullOr(Schema.String),
  successor: Schema.NullOr(Schema.String)
})
export type AffectedOrder = typeof AffectedOrder.Type

/** Orders split longer ago than this are not examined. It covers the longest order, nights and holidays included. */
const maxOrder = Duration.days(8)

/** What differs between two lists of instruments. `InstrumentStore.replaceAll` writes it. */
export class InstrumentChangeStore extends Context.Service<
  InstrumentChangeStore,
  {
    /** The newest changes since then, newest first. */
    readonly since: (from: DateTime.Utc, limit: number) => Effect.Effect<ReadonlyArray<InstrumentChange>, DbError>
    /** The number of the newest change; null before the first. */
    readonly newest: Effect.Effect<number | null, DbError>
    /**
     * The orders that a recent change of their instrument may concern: neither finished nor on hold nor cancelled, and not put on hold
     * since that change, after which a person has looked at it. What they were planned with is that of the plan that a person asked for.
     * Reads all orders of the last days.
     */
    readonly affectedOrders: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<AffectedOrder>, DbError>
  }
>()("pulse-background/InstrumentChangeStore") {
  static readonly layer: Layer.Layer<InstrumentChangeStore, never, Db> = Layer.effect(
    InstrumentChangeStore,
    Effect.map(Db, ({ sql, query, queryOne }) =>
      InstrumentChangeStore.of({
        since: (from, limit) =>
          query(
            "InstrumentChangeStore.since",
            InstrumentChange,
            sql`
              SELECT at, instrument, what, before, after FROM instrument_changes
              WHERE at >= ${instant(from)} ORDER BY id DESC LIMIT ${limit}::int`
          ),

        newest: Effect.map(
          queryOne(
            "InstrumentChangeStore.newest",
            Schema.Struct({ newest: Schema.NullOr(Schema.Finite) }),
            sql`SELECT max(id)::float8 AS newest FROM instrument_changes`
          ),
          ({ newest }) => newest
        ),

        affectedOrders: (now) => {
          const since = instant(DateTime.subtractDuration(now, maxOrder))
          return query(
            "InstrumentChangeStore.affectedOrders",
            AffectedOrder,
            sql`
              WITH changed AS MATERIALIZED (
                SELECT instrument, max(at) AS at, (array_agg(after ORDER BY id DESC) FILTER (WHERE what = 'symbol'))[1] AS successor
                FROM instrument_changes
                WHERE at >= ${since} AND what IN ('lot_size', 'tick_size', 'expiry', 'symbol')
                GROUP BY instrument
              )
              SELECT o.id AS order_id, o.instrument, p.limit_price::text AS limit_price,
                CASE WHEN jsonb_typeof(p.input -> 'lotSize') = 'number' THEN (p.input ->> 'lotSize')::float8::int END AS planned_lot,
                ((p.ends_at - interval '1 millisecond') AT TIME ZONE 'Asia/Kolkata')::date::text AS last_day,
                i.lot_size, i.tick_size::text AS tick_size, i.expiry::text AS expiry,
                c.successor
              FROM changed c
              JOIN orders o ON o.instrument = c.instrument
              JOIN LATERAL (
                SELECT input, limit_price, ends_at FROM order_plans
                WHERE order_id = o.id AND cause IN ('SPLIT', 'AMENDMENT') ORDER BY revision DESC LIMIT 1
              ) p ON true
              LEFT JOIN instruments i ON i.instrument = o.instrument
              WHERE o.order_queue_status = 'DONE' AND o.split_at >= ${since}
                AND o.hold_reason IS NULL AND o.cancel_requested_at IS NULL AND coalesce(o.held_at < c.at, true)
                AND ${isOrderUnfinished(sql, sql.literal("o.number"))}
              ORDER BY o.id`
          )
        }
      })
    )
  )
}
