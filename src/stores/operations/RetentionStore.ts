import { Context, type DateTime, Effect, Layer, Schedule, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** How many rows were removed, or would be. */
export const Pruned = Schema.Struct({
  orders: Schema.Int,
  slices: Schema.Int,
  plans: Schema.Int,
  /** Audited broker calls: those of the orders, and old ones that served no single order. */
  brokerEvents: Schema.Int,
  /** Of the mock broker's book. */
  mockOrders: Schema.Int,
  notifications: Schema.Int
})
export type Pruned = typeof Pruned.Type

export const nothingPruned: Pruned = {
  orders: 0,
  slices: 0,
  plans: 0,
  brokerEvents: 0,
  mockOrders: 0,
  notifications: 0
}

interface Pruning {
  /** What has changed since then stays. */
  readonly before: DateTime.Utc
  readonly asked: Asked
  readonly now: DateTime.Utc
}

/** So much goes with one statement, so that it is quick, and holds its locks for a moment only. */
const maxOrders = 500
const maxSlices = 10_000
const maxOthers = 50_000

/** Removes what is over and old. Each statement leaves the database consistent, and is recorded with what it removed. */
export class RetentionStore extends Context.Service<
  RetentionStore,
  {
    /**
     * Removes some finished orders of which nothing has changed since then, oldest first, with all that belongs to them.
     * Nothing is under way for them at the broker, nothing is in doubt, none waits for a person. Zeros: there are no more.
     */
    readonly pruneOrders: (options: Pruning) => Effect.Effect<Pruned, DbError>
    /** Removes some older look-ups that served many slices at once, and notifications. Zeros: there are no more. */
    readonly pruneOthers: (options: Pruning) => Effect.Effect<Pruned, DbError>
    /** What would be removed. */
    readonly count: (before: DateTime.Utc) => Effect.Effect<Pruned, DbError>
  }
>()("pulse-background/RetentionStore") {
  static readonly layer: Layer.Layer<RetentionStore, never, Db> = Layer.effect(
    RetentionStore,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { sql, queryOne, unlimited } = yield* Db

  /** What is still to be done with a slice, or was not long ago. */
  const isKept = (before: DateTime.Utc) => sql`
    (s.updated_at >= ${instant(before)} OR coalesce(s.in_doubt_at >= ${instant(before)}, false) OR s.stage IN ('SCHEDULED', 'IN_PROGRESS')
      OR (s.stage = 'PROCESSED' AND NOT s.broker_is_final))`

  const isFinished = (before: DateTime.Utc) => sql`
    (o.created_at < ${instant(before)} AND o.updated_at < ${instant(before)}
      AND o.order_queue_status IN ('DONE', 'FAILED', 'SKIPPED')
      AND NOT (o.hold_reason IS NOT NULL AND EXISTS (SELECT FROM double_placements WHERE order_id = o.id))
      AND (o.cancel_requested_at IS NOT NULL OR (o.hold_reason IS NULL
        AND (o.order_queue_status <> 'DONE' OR o.settled_at IS NOT NULL
          OR NOT (o.carry_unfilled OR o.carry_rejected OR o.completion = 'CROSS'))))
      AND NOT EXISTS (SELECT FROM order_slices s WHERE s.order_id = o.id AND ${isKept(before)}))`

  const isOldLookup = (before: DateTime.Utc) => sql`(order_id IS NULL AND called_at < ${instant(before)})`
  const isOldNotification = (before: DateTime.Utc) => sql`found_at < ${instant(before)}`

  /** The rest of a statement whose parts removed rows: their numbers, recorded unless all are 0. */
  const counted = ({ asked, now }: Pruning) => sql`
    counts AS (
      SELECT (SELECT count(*) FROM gone)::int AS orders, (SELECT count(*) FROM slices)::int AS slices,
        (SELECT count(*) FROM plans)::int AS plans, (SELECT count(*) FROM events)::int AS broker_events,
        (SELECT count(*) FROM book)::int AS mock_orders, (SELECT count(*) FROM told)::int AS notifications
    ), recorded AS (${insertActions(
      sql,
      { name: "prune", asked, now },
      sql`
        SELECT NULL::text, NULL::text, jsonb_strip_nulls(jsonb_build_object('orders', nullif(orders, 0), 'slices', nullif(slices, 0),
          'plans', nullif(plans, 0), 'broker_events', nullif(broker_events, 0), 'mock_orders', nullif(mock_orders, 0),
          'notifications', nullif(notifications, 0)))
        FROM counts WHERE orders + broker_events + notifications > 0`
    )})
    SELECT * FROM counts`

  const none = sql.literal("(SELECT WHERE false)")

  return RetentionStore.of({
    pruneOrders: (options) =>
      queryOne(
        "RetentionStore.pruneOrders",
        Pruned,
        sql`
          WITH picked AS MATERIALIZED (
            SELECT id, created_at FROM orders o WHERE ${isFinished(options.before)}
            ORDER BY created_at, id LIMIT ${maxOrders} FOR UPDATE SKIP LOCKED
          ), mine AS MATERIALIZED (
            SELECT id FROM (
              SELECT p.id, sum(n.slices) OVER (ORDER BY p.created_at, p.id) - n.slices AS slices_before
              FROM picked p CROSS JOIN LATERAL (SELECT count(*) AS slices FROM order_slices WHERE order_id = p.id) n
            ) sized WHERE slices_before < ${maxSlices}
          ), slices AS (
            -- One that changes at this very moment stays, and so, by its reference, the whole batch.
            DELETE FROM order_slices s USING mine WHERE s.order_id = mine.id AND NOT ${isKept(options.before)} RETURNING s.tag
          ), plans AS (
            DELETE FROM order_plans p USING mine WHERE p.order_id = mine.id RETURNING p.revision
          ), events AS (
            DELETE FROM broker_events e USING mine WHERE e.order_id = mine.id RETURNING e.id
          ), book AS (
            DELETE FROM mock_broker_orders b USING slices WHERE b.tag = slices.tag RETURNING b.tag
          ), doubles AS (
            DELETE FROM double_placements d USING mine WHERE d.order_id = mine.id
          ), gone AS (
            DELETE FROM orders o USING mine WHERE o.id = mine.id RETURNING o.id
          ), told AS ${none}, ${counted(options)}`
      ).pipe(Effect.retry({ schedule: Schedule.recurs(3), while: ({ sqlState }) => sqlState === foreignKeyViolation })),

    pruneOthers: (options) =>
      queryOne(
        "RetentionStore.pruneOthers",
        Pruned,
        sql`
          WITH events AS (
            DELETE FROM broker_events WHERE id IN (
              SELECT id FROM broker_events WHERE ${isOldLookup(options.before)} ORDER BY called_at LIMIT ${maxOthers})
            RETURNING id
          ), told AS (
            DELETE FROM notifications WHERE key IN (
              SELECT key FROM notifications WHERE ${isOldNotification(options.before)} LIMIT ${maxOthers})
            RETURNING key
          ), gone AS ${none}, slices AS ${none}, plans AS ${none}, book AS ${none}, ${counted(options)}`
      ),

    count: (before) =>
      unlimited<ReadonlyArray<Pruned>, never, never>(
        "RetentionStore.count",
        sql<Pruned>`
          WITH mine AS MATERIALIZED (SELECT id FROM orders o WHERE ${isFinished(before)}),
            slices AS MATERIALIZED (SELECT tag FROM order_slices s JOIN mine ON mine.id = s.order_id)
          SELECT (SELECT count(*) FROM mine)::int AS orders, (SELECT count(*) FROM slices)::int AS slices,
            (SELECT count(*) FROM order_plans p JOIN mine ON mine.id = p.order_id)::int AS plans,
            ((SELECT count(*) FROM broker_events e JOIN mine ON mine.id = e.order_id)
              + (SELECT count(*) FROM broker_events WHERE ${isOldLookup(before)}))::int AS "brokerEvents",
            (SELECT count(*) FROM mock_broker_orders b JOIN slices USING (tag))::int AS "mockOrders",
            (SELECT count(*) FROM notifications WHERE ${isOldNotification(before)})::int AS notifications`
      ).pipe(Effect.map(([row]) => row ?? nothingPruned))
  })
})

const foreignKeyViolation = "23503"
