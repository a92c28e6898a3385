import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, integers, texts } from "../../db/parameters.ts"
import { FreezeQuantity } from "../../domain/market/FreezeQuantity.ts"
import { type ActionName, type Asked, insertActions } from "../sql/insertActions.ts"

const StoredFreeze = Schema.Struct({
  ...FreezeQuantity.fields,
  importedAt: Schema.DateTimeUtcFromDate,
  importedBy: Schema.String
})
export type StoredFreeze = typeof StoredFreeze.Type

/** A larger import is recorded by its file and its number of quantities. */
const maxRecorded = 10

/**
 * The imported freeze quantities, by exchange, underlying and first day. The commands write them; `InstrumentStore.markets` reads those
 * of an order's instrument together with its other facts.
 */
export class FreezeStore extends Context.Service<
  FreezeStore,
  {
    /** All of them, by exchange, underlying and day. */
    readonly all: Effect.Effect<ReadonlyArray<StoredFreeze>, DbError>
    /** Stores quantities, all or none, in place of those of the same day, and records it. No two are of one underlying and day. */
    readonly put: (
      quantities: ReadonlyArray<FreezeQuantity>,
      name: Extract<ActionName, "freeze import" | "freeze set">,
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>
  }
>()("pulse-background/FreezeStore") {
  static readonly layer: Layer.Layer<FreezeStore, never, Db> = Layer.effect(
    FreezeStore,
    Effect.map(Db, ({ sql, query, execute }) =>
      FreezeStore.of({
        all: query(
          "FreezeStore.all",
          StoredFreeze,
          sql`
            SELECT exchange, underlying, quantity, since::text AS since, source, imported_at, imported_by
            FROM freeze_quantities ORDER BY exchange, underlying, freeze_quantities.since`
        ),

        put: (quantities, name, asked, now) =>
          execute(
            "FreezeStore.put",
            sql`
              WITH stored AS (
                INSERT INTO freeze_quantities (exchange, underlying, since, quantity, source, imported_at, imported_by)
                SELECT q.exchange, q.underlying, q.since::date, q.quantity, q.source, ${instant(now)}, ${asked.by}
                FROM unnest(
                  ${texts(quantities.map(({ exchange }) => exchange))},
                  ${texts(quantities.map(({ underlying }) => underlying))},
                  ${texts(quantities.map(({ since }) => since))},
                  ${integers(quantities.map(({ quantity }) => quantity))},
                  ${texts(quantities.map(({ source }) => source))}
                ) AS q (exchange, underlying, since, quantity, source)
                ON CONFLICT (exchange, underlying, since) DO UPDATE SET
                  quantity = excluded.quantity, source = excluded.source, imported_at = excluded.imported_at,
                  imported_by = excluded.imported_by
                RETURNING exchange, underlying, since, quantity, source
              )
              ${insertActions(
                sql,
                { name, asked, now },
                sql`
                  SELECT NULL::text, NULL::text, jsonb_build_object('source', min(source), 'count', count(*), 'quantities',
                    CASE WHEN count(*) <= ${maxRecorded}::int
                      THEN string_agg(concat(exchange, ':', underlying, ' ', quantity, ' since ', since), ', ') END)
                  FROM stored`
              )}`
          )
      })
    )
  )
}
