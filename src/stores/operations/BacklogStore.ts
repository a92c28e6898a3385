import { Context, type DateTime, Effect, Layer } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { Backlog } from "../../domain/model/Backlog.ts"
import { inDoubtSince, isOpenAtBroker } from "../sql/conditions.ts"
import { shownTime } from "../sql/shownTime.ts"

/** High enough to show a backlog, and low enough to be counted within milliseconds. */
const maxCounted = 100_000

/**
 * How much work is waiting or under way, over all replicas. Read by the monitor for the backlog gauges, and so made to be
 * cheap however long the history is.
 */
export class BacklogStore extends Context.Service<
  BacklogStore,
  {
    /** One statement that reads only unfinished rows: each part has a partial index of its own. Counts stop at a maximum. */
    readonly read: (now: DateTime.Utc) => Effect.Effect<Backlog, DbError>
  }
>()("pulse-background/BacklogStore") {
  static readonly layer: Layer.Layer<BacklogStore, never, Db> = Layer.effect(
    BacklogStore,
    Effect.gen(function* () {
      const { sql, queryOne } = yield* Db
      return BacklogStore.of({
        read: (now) =>
          queryOne(
            "BacklogStore.read",
            Backlog,
            sql`
              SELECT pending.count AS orders_pending, ${sql.literal(shownTime("pending.since"))} AS pending_since, splitting.count AS orders_in_progress,
                scheduled.count AS scheduled, due.count AS due, due.since AS due_since, claimed.count AS in_progress,
                claimed.in_doubt, claimed.in_doubt_since, open.count AS open
              FROM
                (SELECT count(*)::int, min(created_at) AS since
                  FROM (SELECT created_at FROM orders WHERE order_queue_status = 'PENDING'
                    ORDER BY created_at, id LIMIT ${maxCounted}) o) pending,
                (SELECT count(*)::int FROM orders WHERE order_queue_status = 'IN_PROGRESS') splitting,
                (SELECT count(*)::int
                  FROM (SELECT FROM order_slices WHERE stage = 'SCHEDULED' LIMIT ${maxCounted}) s) scheduled,
                (SELECT count(*)::int, min(not_before) AS since
                  FROM (SELECT not_before FROM order_slices
                    WHERE stage = 'SCHEDULED' AND not_before <= ${instant(now)}::timestamptz AND NOT is_held
                    ORDER BY not_before LIMIT ${maxCounted}) s) due,
                (SELECT count(*)::int,
                    -- In doubt, counted from its beginning on: that may be a moment ahead of this clock.
                    count(*) FILTER (WHERE doubtful_at <= ${instant(now)})::int AS in_doubt,
                    min(doubtful_at) FILTER (WHERE doubtful_at <= ${instant(now)}) AS in_doubt_since
                  FROM (SELECT ${inDoubtSince(sql)} AS doubtful_at FROM order_slices
                    WHERE stage = 'IN_PROGRESS' LIMIT ${maxCounted}) s) claimed,
                (SELECT count(*)::int
                  FROM (SELECT FROM order_slices WHERE ${isOpenAtBroker(sql)}
                    LIMIT ${maxCounted}) s) open`
          )
      })
    })
  )
}
