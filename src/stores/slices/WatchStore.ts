import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { isFollowed, mayWantPlan } from "../sql/conditions.ts"

/** Whether anything waits for the broker's word, or for a new plan. */
const Waiting = Schema.Struct({ forBroker: Schema.Boolean, forPlan: Schema.Boolean })
export type Waiting = typeof Waiting.Type

/** Tells the monitor whether it has anything to do, so that a service with nothing under way asks one question a poll. */
export class WatchStore extends Context.Service<
  WatchStore,
  {
    /**
     * `forBroker`: some outcome is unknown, some lease is over, some broker order is open, or some slice was in doubt since
     * `doubtedSince`. `forPlan`: some order may need another plan. Each part asks one index.
     */
    readonly look: (options: {
      readonly now: DateTime.Utc
      readonly doubtedSince: DateTime.Utc
    }) => Effect.Effect<Waiting, DbError>
  }
>()("pulse-background/WatchStore") {
  static readonly layer: Layer.Layer<WatchStore, never, Db> = Layer.effect(
    WatchStore,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      return WatchStore.of({
        look: ({ now, doubtedSince }) =>
          query(
            "WatchStore.look",
            Waiting,
            sql`
              -- In the order of each index: whatever the statistics say of how many there are, none reads the whole table.
              -- So the two ways of being in doubt are two questions: the first ends at once in the index of leases.
              SELECT
                (SELECT true FROM order_slices WHERE stage = 'IN_PROGRESS' AND lease_expires_at <= ${instant(now)}
                    ORDER BY lease_expires_at LIMIT 1) IS NOT NULL
                  OR (SELECT true FROM order_slices WHERE stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL
                    ORDER BY lease_expires_at LIMIT 1) IS NOT NULL
                  OR (SELECT true FROM order_slices
                    WHERE ${isFollowed(sql)}
                    ORDER BY acknowledged_at LIMIT 1) IS NOT NULL
                  OR (SELECT true FROM order_slices WHERE in_doubt_at >= ${instant(doubtedSince)}
                    ORDER BY in_doubt_at LIMIT 1) IS NOT NULL AS for_broker,
                (SELECT true FROM order_slices WHERE stage = 'SCHEDULED' AND stale_at < ${instant(now)} AND NOT is_held
                    ORDER BY stale_at LIMIT 1) IS NOT NULL
                  OR EXISTS (SELECT FROM orders WHERE ${mayWantPlan(sql)}) AS for_plan`
          ).pipe(
            Effect.flatMap(([waiting]) => (waiting === undefined ? Effect.fail(noAnswer) : Effect.succeed(waiting)))
          )
      })
    })
  )
}

const noAnswer = new DbError({
  operation: "WatchStore.look",
  message: "WatchStore.look: the database gave no answer",
  isTransient: true,
  sqlState: null
})
