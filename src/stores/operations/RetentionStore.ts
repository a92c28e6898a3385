import { Context, DateTime, Effect, Layer, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, texts } from "../../db/parameters.ts"
import { longestAhead } from "../../domain/model/Order.ts"
import { isFollowedThrough, isOrderUnfinished } from "../sql/conditions.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { isOfOrder } from "../sql/moves.ts"

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
    /**
     * Removes a batch of older look-ups that served many slices, and of older notifications. Zeros: none is left. Before that, it
     * removes the claims of slices that are gone, which count for nothing.
     */
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

/** A row of a table of slices belongs to the order `of`. */
const isSliceOf = (sql: Sql, of: string, slice = "slice") => isOfOrder(sql, slice, sql.literal(`${of}.number`))

/**
 * Every slice of the order `o` is over, and none has changed since `before`: those that are planned are those that are over. So
 * an order with a slice in no table, in several ones, or without a plan stays for a person.
 */
const isOver = (sql: Sql, before: DateTime.Utc) => sql`
  (NOT ${isOrderUnfinished(sql, sql.literal("o.number"))}
    AND ARRAY(SELECT slice FROM slice_plan WHERE ${isSliceOf(sql, "o")} ORDER BY slice)
      = ARRAY(
        SELECT slice FROM slice_results
        WHERE ${isSliceOf(sql, "o")} AND updated_at < ${instant(before)}
          AND (in_doubt_at IS NULL OR in_doubt_at < ${instant(before)})
        ORDER BY slice))`

/** Created before then, by an index. */
const isOld = (sql: Sql, before: DateTime.Utc) => sql`(o.created_at < ${instant(before)})`
/**
 * Created further ahead of its last change, which is before `before`, than an order may be that is split: a time that no calendar
 * has, for which it was refused. By the same index.
 */
const isOfNoTime = (sql: Sql, before: DateTime.Utc) =>
  sql`(o.created_at > ${instant(DateTime.addDuration(before, longestAhead))})`

/** No broker call of the order `o` is younger. Of a subquery with max, the planner makes no join that reads all calls. */
const isLastCallBefore = (sql: Sql, before: DateTime.Utc, where: Fragment) => sql`
  coalesce((SELECT max(called_at) FROM broker_calls c WHERE ${where}) < ${instant(before)}, true)`

const isFinished = (sql: Sql, before: DateTime.Utc) => sql`
  ((${isOld(sql, before)} OR ${isOfNoTime(sql, before)}) AND o.updated_at < ${instant(before)}
    AND o.order_queue_status IN ('DONE', 'FAILED', 'SKIPPED')
    AND NOT (o.hold_reason IS NOT NULL AND EXISTS (SELECT FROM double_placements WHERE order_id = o.id))
    AND (o.cancel_requested_at IS NOT NULL OR (o.hold_reason IS NULL
      AND (o.order_queue_status <> 'DONE' OR o.settled_at IS NOT NULL
        OR NOT ${isFollowedThrough(sql, "o")})))
    AND ${isOver(sql, before)}
    AND ${isLastCallBefore(sql, before, isSliceOf(sql, "o", "c.slice"))}
    AND ${isLastCallBefore(sql, before, sql.literal("c.order_id = o.id"))})`

const isOldLookup = (sql: Sql, before: DateTime.Utc) =>
  sql`(slice IS NULL AND order_id IS NULL AND called_at < ${instant(before)})`
const isOldNotification = (sql: Sql, before: DateTime.Utc) => sql`found_at < ${instant(before)}`

/** The end of a statement whose parts removed rows: their numbers, recorded unless all are 0. */
const counted = (sql: Sql, { asked, now }: Pruning) => sql`
  counts AS (
    SELECT (SELECT count(*) FROM gone)::int AS orders, (SELECT count(*) FROM slices)::int AS slices,
      (SELECT count(*) FROM plans)::int AS plans, (SELECT removed FROM events) AS broker_events,
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

/** Locks finished orders and their slices: whoever moves or changes one of these at this moment is waited for. */
const lockFinished = ({ sql, query }: Db["Service"], before: DateTime.Utc, among: typeof isOld) =>
  query(
    "RetentionStore.lockFinished",
    Id,
    sql`
      WITH picked AS MATERIALIZED (
        SELECT id, number, created_at FROM orders o WHERE ${among(sql, before)} AND ${isFinished(sql, before)}
        ORDER BY created_at, id LIMIT ${maxOrders} FOR UPDATE SKIP LOCKED
      ), mine AS MATERIALIZED (
        SELECT id, number FROM (
          SELECT p.id, p.number, sum(n.slices) OVER (ORDER BY p.created_at, p.id) - n.slices AS slices_before
          FROM picked p CROSS JOIN LATERAL (SELECT count(*) AS slices FROM slice_plan WHERE order_number = p.number) n
        ) sized WHERE slices_before < ${maxSlices}
      ), locked AS MATERIALIZED (
        SELECT r.slice FROM mine JOIN slice_results r ON ${isSliceOf(sql, "mine", "r.slice")}
        ORDER BY r.slice FOR UPDATE OF r
      )
      SELECT id FROM mine WHERE (SELECT count(*) FROM locked) >= 0`
  ).pipe(Effect.map(idsOf))

const pruneOrders = (db: Db["Service"]) => (options: Pruning) =>
  db
    .transaction(
      "RetentionStore.pruneOrders",
      Effect.gen(function* () {
        const old = yield* lockFinished(db, options.before, isOld)
        const ids = old.length > 0 ? old : yield* lockFinished(db, options.before, isOfNoTime)
        return { ids, pruned: ids.length === 0 ? nothingPruned : yield* removeOrders(db, ids, options) }
      })
    )
    .pipe(
      // Every order of the batch has changed meanwhile and is kept; others may be left.
      Effect.repeat({ while: ({ ids, pruned }) => ids.length > 0 && pruned.orders === 0, times: 3 }),
      Effect.map(({ pruned }) => pruned)
    )

/** Removes the orders that are locked, with their slices, and are still finished for a statement that begins after that. */
const removeOrders = ({ sql, queryOne }: Db["Service"], ids: ReadonlyArray<string>, options: Pruning) =>
  queryOne(
    "RetentionStore.removeOrders",
    Pruned,
    sql`
      WITH mine AS MATERIALIZED (
        SELECT id, number FROM orders o
        WHERE id = ANY(${texts(ids)}) AND ${isFinished(sql, options.before)}
      ), slices AS (
        DELETE FROM slice_results r USING mine WHERE ${isSliceOf(sql, "mine", "r.slice")} RETURNING r.slice
      ), planned AS (
        DELETE FROM slice_plan p USING mine WHERE p.order_number = mine.number RETURNING p.tag
      ), plans AS (
        DELETE FROM order_plans p USING mine WHERE p.order_id = mine.id RETURNING p.revision
      ), events AS MATERIALIZED (
        SELECT prune_broker_calls(coalesce(array_agg(number), '{}'), coalesce(array_agg(id::text), '{}'), ${instant(options.before)},
          ${options.asked.by}::text, ${instant(options.now)}) AS removed
        FROM mine
      ), book AS (
        DELETE FROM mock_broker_orders b USING planned WHERE b.tag = planned.tag RETURNING b.tag
      ), doubles AS (
        DELETE FROM double_placements d USING mine WHERE d.order_id = mine.id
      ), differences AS (
        DELETE FROM broker_differences d USING mine WHERE d.order_id = mine.id
      ), gone AS (
        DELETE FROM orders o USING mine WHERE o.id = mine.id RETURNING o.id
      ), told AS ${none(sql)}, ${counted(sql, options)}`
  )

/**
 * Removes the claims of slices that are no longer there: claims older than every order that is left, or than `before`, where
 * all orders are younger. The service itself writes `split_at`, and no slice is claimed before its order is split.
 */
const pruneClaims = ({ sql, query }: Db["Service"], before: DateTime.Utc) =>
  query(
    "RetentionStore.pruneClaims",
    Schema.Struct({ id: Schema.Finite }),
    sql`
      WITH oldest AS MATERIALIZED (
        SELECT least(${instant(before)}::timestamptz, min(split_at)) AS at FROM orders o
        WHERE split_at < ${instant(before)} AND EXISTS (SELECT FROM slice_plan WHERE order_number = o.number)
      )
      DELETE FROM slice_claims WHERE id IN (
        SELECT id FROM slice_claims
        WHERE is_over AND lease_expires_at < (SELECT at FROM oldest)
        ORDER BY id LIMIT ${maxOthers})
      RETURNING id::float8 AS id`
  ).pipe(
    Effect.map((rows) => rows.length),
    Effect.repeat({ while: (count) => count === maxOthers })
  )

const pruneOthers = (db: Db["Service"]) => (options: Pruning) =>
  Effect.andThen(pruneClaims(db, options.before), removeOthers(db, options))

const removeOthers = ({ sql, queryOne }: Db["Service"], options: Pruning) =>
  queryOne(
    "RetentionStore.pruneOthers",
    Pruned,
    sql`
      WITH events AS MATERIALIZED (
        SELECT prune_broker_look_ups(${instant(options.before)}, ${maxOthers}, ${options.asked.by}::text, ${instant(options.now)}) AS removed
      ), told AS (
        DELETE FROM notifications WHERE key IN (
          SELECT key FROM notifications WHERE ${isOldNotification(sql, options.before)} LIMIT ${maxOthers})
        RETURNING key
      ), differences AS (
        DELETE FROM broker_differences WHERE order_id IS NULL AND seen_at < ${instant(options.before)}
      ), gone AS ${none(sql)}, slices AS ${none(sql)}, plans AS ${none(sql)}, book AS ${none(sql)}, ${counted(sql, options)}`
  )

const count =
  ({ sql, unlimited }: Db["Service"]) =>
  (before: DateTime.Utc) =>
    unlimited<ReadonlyArray<Pruned>, never, never>(
      "RetentionStore.count",
      sql<Pruned>`
        WITH mine AS MATERIALIZED (SELECT id, number FROM orders o WHERE ${isFinished(sql, before)}),
          slices AS MATERIALIZED (SELECT slice, tag FROM slice_plan p JOIN mine ON mine.number = p.order_number)
        SELECT (SELECT count(*) FROM mine)::int AS orders, (SELECT count(*) FROM slices)::int AS slices,
          (SELECT count(*) FROM order_plans p JOIN mine ON mine.id = p.order_id)::int AS plans,
          ((SELECT count(*) FROM broker_calls c JOIN slices USING (slice))
            + (SELECT count(*) FROM broker_calls c JOIN mine ON mine.id = c.order_id)
            + (SELECT count(*) FROM broker_calls WHERE ${isOldLookup(sql, before)}))::int AS "brokerEvents",
          (SELECT count(*) FROM mock_broker_orders b JOIN slices USING (tag))::int AS "mockOrders",
          (SELECT count(*) FROM notifications WHERE ${isOldNotification(sql, before)})::int AS notifications`
    ).pipe(Effect.map(([row]) => row ?? nothingPruned))
