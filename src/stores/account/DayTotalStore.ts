import { BigDecimal, Context, type DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { tellingOfWait } from "../../db/lockWaits.ts"
import { instant } from "../../db/parameters.ts"
import { dayAround, type DayTotals } from "../../domain/limits/dayLimits.ts"
import { maxQuantity, priceLimit } from "../../domain/model/Order.ts"

const Totals = Schema.Struct({ orders: Schema.Int, value: Schema.BigDecimalFromString })

/**
 * The number and value of the orders that were split on a day in India, always computed from the orders themselves. The limits on a day
 * are checked against it, one splitter at a time. Called by the splitter, the executor, the notifier and the commands.
 */
export class DayTotalStore extends Context.Service<
  DayTotalStore,
  {
    readonly totals: (now: DateTime.Utc) => Effect.Effect<DayTotals, DbError>

    /** The price by which a MARKET order is valued: the last one known at its split; null when none was known. */
    readonly referencePrice: (orderId: string) => Effect.Effect<BigDecimal.BigDecimal | null, DbError>

    /**
     * Runs `work` in one transaction under a lock over all replicas, so that the day's totals do not change between their
     * check and what `work` adds to them.
     */
    readonly exclusively: <A, E>(
      now: DateTime.Utc,
      work: (totals: DayTotals) => Effect.Effect<A, E>
    ) => Effect.Effect<A, E | DbError>
  }
>()("pulse-background/DayTotalStore") {
  static readonly layer: Layer.Layer<DayTotalStore, never, Db> = Layer.effect(
    DayTotalStore,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, queryOne, queryOption, execute, transaction } = db

      const totals = (now: DateTime.Utc) => {
        const { from, to } = dayAround(now)
        return queryOne(
          "DayTotalStore.totals",
          Totals,
          sql`
            SELECT count(*)::int AS orders,
              -- Another program may have changed them to what overflows, or to less than nothing.
              coalesce(sum(greatest(0, least(total_quantity, ${maxQuantity}::int))
                * greatest(0, least(coalesce(limit_price, reference_price), ${BigDecimal.format(priceLimit)}::numeric))), 0)::text AS value
            FROM orders
            WHERE order_queue_status = 'DONE' AND split_at >= ${instant(from)} AND split_at < ${instant(to)}
              -- Only the split writes a plan: another program may have inserted a row as DONE, with anything in it.
              -- A scalar subquery looks up each of the day's orders; as EXISTS it may become a scan of all plans.
              AND (SELECT true FROM order_plans WHERE order_id = orders.id AND revision = 1) IS TRUE`
        )
      }

      const lock = tellingOfWait(
        db,
        { what: "the limits of the day", key: ["pulse_background_day_totals"] },
        execute("DayTotalStore.lock", sql`SELECT pg_advisory_xact_lock(hashtext('pulse_background_day_totals'))`)
      )

      return DayTotalStore.of({
        totals,

        referencePrice: (orderId) =>
          queryOption(
            "DayTotalStore.referencePrice",
            Schema.Struct({ price: Schema.NullOr(Schema.BigDecimalFromString) }),
            sql`SELECT reference_price::text AS price FROM orders WHERE id = ${orderId}`
          ).pipe(Effect.map((row) => Option.getOrNull(row)?.price ?? null)),

        exclusively: (now, work) =>
          transaction(
            "DayTotalStore.exclusively",
            // Two statements, so that the second sees what earlier holders of the lock have committed.
            Effect.andThen(lock, totals(now)).pipe(Effect.flatMap(work))
          )
      })
    })
  )
}
