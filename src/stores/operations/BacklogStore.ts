import { Context, type DateTime, Effect, Layer } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { Backlog } from "../../domain/model/Backlog.ts"
import { slicesInDoubt, slicesInHand } from "../sql/claims.ts"
import { isToSplit, isWaitingForCalendar } from "../sql/conditions.ts"
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
    /** One statement that reads only unfinished rows. Counts stop at a maximum. */
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
              SELECT pending.count AS orders_pending, waiting.count AS orders_waiting, ${sql.literal(shownTime("pending.since"))} AS pending_since, splitting.count AS orders_in_progress,
                scheduled.count AS scheduled, due.count AS due, due.since AS due_since, claimed.count AS in_progress,
                claimed.in_doubt, claimed.in_doubt_since, open.count AS open
              FROM
                (SELECT count(*)::int, min(created_at) AS since
                  FROM (SELECT created_at FROM orders WHERE ${isToSplit(sql)}
                    ORDER BY created_at, id LIMIT ${maxCounted}) o) pending,
                (SELECT count(*)::int FROM (SELECT FROM orders WHERE ${isWaitingForCalendar(sql)} LIMIT ${maxCounted}) o) waiting,
                (SELECT count(*)::int FROM orders WHERE order_queue_status = 'IN_PROGRESS') splitting,
                (SELECT count(*)::int
                  FROM (SELECT FROM slice_queue WHERE claim = 0 LIMIT ${maxCounted}) s) scheduled,
                (SELECT count(*)::int, min(due_at) AS since
                  FROM (SELECT due_at FROM slice_queue
                    WHERE claim = 0 AND due_at <= ${instant(now)}::timestamptz AND NOT is_held
                    ORDER BY due_at LIMIT ${maxCounted}) s) due,
                (SELECT count(*)::int,
                    -- In doubt, counted from its beginning on: that may be a moment ahead of this clock.
                    count(*) FILTER (WHERE since <= ${instant(now)})::int AS in_doubt,
                    min(since) FILTER (WHERE since <= ${instant(now)}) AS in_doubt_since
                  FROM (
                    SELECT since FROM ${slicesInDoubt(sql, now, maxCounted)} doubtful
                    UNION ALL
                    SELECT lease_expires_at FROM ${slicesInHand(sql, now, maxCounted)} held
                    LIMIT ${maxCounted}) s) claimed,
                (SELECT count(*)::int
                  FROM (SELECT FROM slice_working LIMIT ${maxCounted}) s) open`
          )
      })
    })
  )
}
