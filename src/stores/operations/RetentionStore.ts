import { Context, type DateTime, Effect, Layer, Schedule, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { isFollowedThrough, isUnfinished } from "../sql/conditions.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** How many rows were removed, or would be, by kind. */
export const Pruned = Schema.Struct({
  orders: Schema.Int,
  slices: Schema.Int,
  plans: Schema.Int,
  /** Audited broker calls: those of the removed orders, and old ones that belong to no single order. */
  brokerEvents: Schema.Int,
  /** Of the mock broker's order list. */
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
  /** Only what has not changed since then is removed. */
  readonly before: DateTime.Utc
  readonly asked: Asked
  readonly now: DateTime.Utc
}

/** Limits for one statement, so that it is quick and holds its locks only briefly. */
const maxOrders = 500
const maxSlices = 10_000
const maxOthers = 50_000

/**
 * Removes finished orders with everything that belongs to them, and old records of no order. An order is removed only when
 * nothing of it can change: no slice is waiting, in doubt or open at the broker, and no decision of a person is
 * outstanding. Each statement leaves the database consistent and records what it removed among the operators' actions.
 * Called by the command prune.
 */
export class RetentionStore extends Context.Service<
  RetentionStore,
  {
    /**
     * Removes a batch of finished orders that have not changed since `before`, oldest first, with their slices, plans and
     * broker events. Answers zeros when none is left.
     */
    readonly pruneOrders: (options: Pruning) => Effect.Effect<Pruned, DbError>
    /** Removes a batch of older look-ups that served many slices, and of older notifications. Zeros: none is left. */
    readonly pruneOthers: (options: Pruning) => Effect.Effect<Pruned, DbError>
    /** The rows that both would remove in all. */
    readonly count: (before: DateTime.Utc) => Effect.Effect<Pruned, DbError>
  }
>()("pulse-background/RetentionStore") {
  static readonly layer: Layer.Layer<RetentionStore, never, Db> = Layer.effect(
    RetentionStore,
    Effect.map(Db, (db) =>
      RetentionStore.of({ pruneOrders: pruneOrders(db), pruneOthers: pruneOthers(db), count: count(db) })
    )
  )
}

/** A slice that may still change, or has changed since `before`. */
const isKept = (sql: Sql, before: DateTime.Utc) => sql`
  (s.updated_at >= ${instant(before)} OR coalesce(s.in_doubt_at >= ${instant(before)}, false) OR ${isUnfinished(sql, "s")})`

const isFinished = (sql: Sql, before: DateTime.Utc) => sql`
  (o.created_at < ${instant(before)} AND o.updated_at < ${instant(before)}
    AND o.order_queue_status IN ('DONE', 'FAILED', 'SKIPPED')
    AND NOT (o.hold_reason IS NOT NULL AND EXISTS (SELECT FROM double_placements WHERE order_id = o.id))
    AND (o.cancel_requested_at IS NOT NULL OR (o.hold_reason IS NULL
      AND (o.order_queue_status <> 'DONE' OR o.settled_at IS NOT NULL
        OR NOT ${isFollowedThrough(sql, "o")})))
    AND NOT EXISTS (SELECT FROM order_slices s WHERE s.order_id = o.id AND ${isKept(sql, before)}))`

const isOldLookup = (sql: Sql, before: DateTime.Utc) => sql`(order_id IS NULL AND called_at < ${instant(before)})`
const isOldNotification = (sql: Sql, before: DateTime.Utc) => sql`found_at < ${instant(before)}`

/** The end of a statement whose parts removed rows: their numbers, recorded unless all are 0. */
const counted = (sql: Sql, { asked, now }: Pruning) => sql`
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

/** In place of a part that removes nothing. */
const none = (sql: Sql) => sql.literal("(SELECT WHERE false)")

const pruneOrders =
  ({ sql, queryOne }: Db["Service"]) =>
  (options: Pruning) =>
    queryOne(
      "RetentionStore.pruneOrders",
      Pruned,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT id, created_at FROM orders o WHERE ${isFinished(sql, options.before)}
          ORDER BY created_at, id LIMIT ${maxOrders} FOR UPDATE SKIP LOCKED
        ), mine AS MATERIALIZED (
          SELECT id FROM (
            SELECT p.id, sum(n.slices) OVER (ORDER BY p.created_at, p.id) - n.slices AS slices_before
            FROM picked p CROSS JOIN LATERAL (SELECT count(*) AS slices FROM order_slices WHERE order_id = p.id) n
          ) sized WHERE slices_before < ${maxSlices}
        ), slices AS (
          -- A slice that changes at this moment stays; its foreign key then fails the whole batch, which is tried again.
          DELETE FROM order_slices s USING mine WHERE s.order_id = mine.id AND NOT ${isKept(sql, options.before)} RETURNING s.tag
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
        ), told AS ${none(sql)}, ${counted(sql, options)}`
    ).pipe(Effect.retry({ schedule: Schedule.recurs(3), while: ({ sqlState }) => sqlState === foreignKeyViolation }))

const pruneOthers =
  ({ sql, queryOne }: Db["Service"]) =>
  (options: Pruning) =>
    queryOne(
      "RetentionStore.pruneOthers",
      Pruned,
      sql`
        WITH events AS (
          DELETE FROM broker_events WHERE id IN (
            SELECT id FROM broker_events WHERE ${isOldLookup(sql, options.before)} ORDER BY called_at LIMIT ${maxOthers})
          RETURNING id
        ), told AS (
          DELETE FROM notifications WHERE key IN (
            SELECT key FROM notifications WHERE ${isOldNotification(sql, options.before)} LIMIT ${maxOthers})
          RETURNING key
        ), gone AS ${none(sql)}, slices AS ${none(sql)}, plans AS ${none(sql)}, book AS ${none(sql)}, ${counted(sql, options)}`
    )

const count =
  ({ sql, unlimited }: Db["Service"]) =>
  (before: DateTime.Utc) =>
    unlimited<ReadonlyArray<Pruned>, never, never>(
      "RetentionStore.count",
      sql<Pruned>`
        WITH mine AS MATERIALIZED (SELECT id FROM orders o WHERE ${isFinished(sql, before)}),
          slices AS MATERIALIZED (SELECT tag FROM order_slices s JOIN mine ON mine.id = s.order_id)
        SELECT (SELECT count(*) FROM mine)::int AS orders, (SELECT count(*) FROM slices)::int AS slices,
          (SELECT count(*) FROM order_plans p JOIN mine ON mine.id = p.order_id)::int AS plans,
          ((SELECT count(*) FROM broker_events e JOIN mine ON mine.id = e.order_id)
            + (SELECT count(*) FROM broker_events WHERE ${isOldLookup(sql, before)}))::int AS "brokerEvents",
          (SELECT count(*) FROM mock_broker_orders b JOIN slices USING (tag))::int AS "mockOrders",
          (SELECT count(*) FROM notifications WHERE ${isOldNotification(sql, before)})::int AS notifications`
    ).pipe(Effect.map(([row]) => row ?? nothingPruned))

const foreignKeyViolation = "23503"
