import { Context, type DateTime, Effect, Layer } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { markUnsettled } from "../sql/history.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** What a person says of a database that comes from a backup, for the command restored. */
export class RestoreStore extends Context.Service<
  RestoreStore,
  {
    /**
     * Marks the server's history as unsettled, as a daemon does that finds out by itself, and records who has asked for it. The time
     * until it is settled begins anew.
     */
    readonly restored: (asked: Asked, now: DateTime.Utc) => Effect.Effect<void, DbError>
  }
>()("pulse-background/RestoreStore") {
  static readonly layer: Layer.Layer<RestoreStore, never, Db> = Layer.effect(
    RestoreStore,
    Effect.map(Db, ({ sql, execute }) =>
      RestoreStore.of({
        restored: (asked, now) =>
          execute(
            "RestoreStore.restored",
            sql`
              WITH marked AS (
                ${markUnsettled(sql, `it was restored from a backup (${asked.by}: ${asked.reason})`, now)}
                RETURNING h.timeline
              )
              ${insertActions(
                sql,
                { name: "restored", asked, now },
                sql`SELECT NULL::text, NULL::text, '{}'::jsonb FROM marked`
              )}`
          )
      })
    )
  )
}
