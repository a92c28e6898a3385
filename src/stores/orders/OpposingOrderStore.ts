import { Context, DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { tellingOfWait } from "../../db/lockWaits.ts"
import { instant, texts } from "../../db/parameters.ts"
import { maxShown, type Sided } from "../../domain/limits/selfTrade.ts"
import { isOrderUnfinished } from "../sql/conditions.ts"

type Opposing = ReadonlyMap<string, ReadonlyArray<string>>

/** Orders that were split before this are not looked at: their windows are over, for a day of trading time fits into it. */
const lookBackDays = 14

/**
 * Finds the orders that a new one would trade against: unfinished ones of the same instrument with the opposite side. All orders of a
 * database belong to one account. Called by the splitter and by the commands `plan` and `order submit`.
 */
export class OpposingOrderStore extends Context.Service<
  OpposingOrderStore,
  {
    /** By the id of each order that has some: the ids of a few of them, the latest first. */
    readonly opposing: (orders: ReadonlyArray<Sided>, now: DateTime.Utc) => Effect.Effect<Opposing, DbError>

    /** Runs `work` in one transaction under a lock over all daemons, so that no opposing order is added between the look and `work`. */
    readonly exclusively: <A, E>(
      orders: ReadonlyArray<Sided>,
      now: DateTime.Utc,
      work: (opposing: Opposing) => Effect.Effect<A, E>
    ) => Effect.Effect<A, E | DbError>
  }
>()("pulse-background/OpposingOrderStore") {
  static readonly layer: Layer.Layer<OpposingOrderStore, never, Db> = Layer.effect(
    OpposingOrderStore,
    Effect.map(Db, (db) => {
      const { sql, execute, transaction } = db
      const find = opposing(db)
      const lock = tellingOfWait(
        db,
        { what: "orders of opposite sides", key: ["pulse_background_self_trade"] },
        execute("OpposingOrderStore.lock", sql`SELECT pg_advisory_xact_lock(hashtext('pulse_background_self_trade'))`)
      )
      return OpposingOrderStore.of({
        opposing: find,
        exclusively: (orders, now, work) =>
          transaction(
            "OpposingOrderStore.exclusively",
            // Two statements, so that the second sees what earlier holders of the lock have committed.
            Effect.andThen(lock, find(orders, now)).pipe(Effect.flatMap(work))
          )
      })
    })
  )
}

const opposing =
  ({ sql, query }: Db["Service"]): OpposingOrderStore["Service"]["opposing"] =>
  (orders, now) =>
    query(
      "OpposingOrderStore.opposing",
      Schema.Struct({ id: Schema.String, opposing: Schema.Array(Schema.String) }),
      sql`
        SELECT n.id, to_jsonb(array_agg(o.id ORDER BY o.split_at DESC)) AS opposing
        FROM unnest(
          ${texts(orders.map(({ id }) => id))}, ${texts(orders.map(({ instrument }) => instrument))}, ${texts(orders.map(({ side }) => side))}
        ) AS n (id, instrument, side)
        CROSS JOIN LATERAL (
          SELECT id, split_at FROM orders
          -- The index has the start of the instrument only.
          WHERE left(instrument, 60) = left(n.instrument, 60) AND instrument = n.instrument AND side <> n.side AND order_queue_status = 'DONE' AND id <> n.id
            AND split_at > ${instant(DateTime.subtract(now, { days: lookBackDays }))}
            AND ${isOrderUnfinished(sql, sql.literal("orders.number"))}
          ORDER BY split_at DESC LIMIT ${maxShown + 1}
        ) o
        GROUP BY n.id`
    ).pipe(Effect.map((rows) => new Map(rows.map((row) => [row.id, row.opposing]))))
