import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import {
  quoteAge,
  FailedLookUp,
  type OrderRecord,
  RecordedAction,
  RecordedCall,
  RecordedDouble,
  RecordedHalt,
  RecordedOrder,
  RecordedPlan,
  RecordedQuote,
  RecordedSlice
} from "../../domain/lifecycle/OrderRecord.ts"
import { isFinishedState } from "../../domain/lifecycle/orderState.ts"
import { bounded, maxShown } from "../sql/bounded.ts"
import { isInDoubt, shownReasonCode } from "../sql/conditions.ts"
import { sizeColumns } from "../sql/orderColumns.ts"
import { shownTime } from "../sql/shownTime.ts"

/** Reads everything that the database has on one order, for the command `report`. It changes nothing. */
export class ReportStore extends Context.Service<
  ReportStore,
  {
    /** The record of an order as of one moment; none if there is no such order. */
    readonly record: (orderId: string, now: DateTime.Utc) => Effect.Effect<Option.Option<OrderRecord>, DbError>
  }
>()("pulse-background/ReportStore") {
  static readonly layer: Layer.Layer<ReportStore, never, Db> = Layer.effect(
    ReportStore,
    Effect.map(Db, (db) => ReportStore.of({ record: record(db) }))
  )
}

const record =
  (db: Db["Service"]): ReportStore["Service"]["record"] =>
  (orderId, now) =>
    db.transaction("ReportStore.record", Effect.andThen(oneMoment(db), read(db, orderId, now)))

/** Makes all later statements of the transaction read the database as of one moment. */
const oneMoment = ({ sql, execute }: Db["Service"]) =>
  execute("ReportStore.oneMoment", sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY`)

const read = Effect.fnUntraced(function* (db: Db["Service"], orderId: string, now: DateTime.Utc) {
  const found = yield* readOrder(db, orderId)
  if (Option.isNone(found)) return Option.none<OrderRecord>()
  const order = found.value
  const slices = yield* readSlices(db, orderId, now)
  const { from, until } = timeOf(order, slices, now)
  const count = slices.length === 0 ? 0 : yield* countLookUps(db, from, until)
  return Option.some<OrderRecord>({
    order,
    slices,
    plans: yield* readPlans(db, orderId),
    calls: yield* readCalls(db, orderId),
    lookUps: { count, failed: count === 0 ? [] : yield* readFailedLookUps(db, from, until) },
    halts: yield* readHalts(db, from, until),
    actions: yield* readActions(db, orderId),
    doubles: yield* readDoubles(db, orderId),
    quotes:
      order.instrument === null
        ? []
        : yield* readQuotes(db, order.instrument, DateTime.subtractDuration(from, quoteAge), until)
  })
})

const orderTimes = ["created_at", "split_at", "held_at", "cancel_requested_at", "settled_at", "updated_at"]
  .map((column) => `${shownTime(`o.${column}`)} AS ${column}`)
  .join(", ")

const orderTexts = [
  "o.instrument",
  "o.side",
  "o.strategy",
  "o.order_type",
  "o.product_type",
  "o.validity",
  "o.hold_reason",
  "o.hold_reason_code",
  "o.cancel_requested_by",
  "p.status_reason",
  "p.reason_code"
]
  .map((column) => bounded(column, maxShown))
  .join(", ")

const readOrder = ({ sql, queryOption }: Db["Service"], orderId: string) =>
  queryOption(
    "ReportStore.order",
    RecordedOrder,
    sql`
      SELECT o.id AS order_id, o.order_unique_key AS key, left(o.origin_request_source, ${maxShown}::int) AS source,
        ${sql.literal(sizeColumns)}, ${sql.literal(orderTexts)}, o.order_queue_status, p.state,
        o.reference_price::text AS reference_price, o.split_attempts, left(o.claimed_by, ${maxShown}::int) AS split_by,
        ${sql.literal(orderTimes)}
      FROM orders o JOIN order_progress p ON p.order_id = o.id WHERE o.id = ${orderId}`
  )

const readPlans = ({ sql, query }: Db["Service"], orderId: string) =>
  query(
    "ReportStore.plans",
    RecordedPlan,
    sql`
      SELECT revision, first_sequence, cause, note, starts_at, ends_at, completes_at, sessions, created_at
      FROM order_plans WHERE order_id = ${orderId} ORDER BY revision`
  )

const readSlices = ({ sql, query }: Db["Service"], orderId: string, now: DateTime.Utc) =>
  query(
    "ReportStore.slices",
    RecordedSlice,
    sql`
      SELECT id, sequence_number, tag, quantity, scheduled_at, stage, stage_reason, ${shownReasonCode(sql, now)} AS reason_code, attempts,
        ${isInDoubt(sql, now)} AS is_in_doubt,
        outcome_unknown_at, in_doubt_at, left_book_at, placed_at,
        (extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS lateness_millis, acknowledged_at,
        broker_order_id, broker_status, broker_status_text, broker_is_final, filled_quantity,
        average_price::text AS average_price, replaced_by, carried_quantity, is_waived, updated_at
      FROM order_slices WHERE order_id = ${orderId} ORDER BY sequence_number`
  )

const readCalls = ({ sql, query }: Db["Service"], orderId: string) =>
  query(
    "ReportStore.calls",
    RecordedCall,
    sql`
      SELECT called_at, duration_millis, broker, call, outcome, slice_id, attempt, broker_order_id, worker, request, response,
        coalesce(response->>'code', response->>'kind') AS code, response->>'message' AS message
      FROM broker_events WHERE order_id = ${orderId} ORDER BY called_at, id`
  )

const isLookUpIn = (sql: Sql, from: DateTime.Utc, until: DateTime.Utc) => sql`
  slice IS NULL AND order_id IS NULL AND call = 'f' AND called_at >= ${instant(from)} AND called_at <= ${instant(until)}`

const countLookUps = ({ sql, queryOne }: Db["Service"], from: DateTime.Utc, until: DateTime.Utc) =>
  queryOne(
    "ReportStore.lookUpCount",
    Schema.Struct({ count: Schema.Int }),
    sql`SELECT count(*)::int AS count FROM broker_calls WHERE ${isLookUpIn(sql, from, until)}`
  ).pipe(Effect.map(({ count }) => count))

const readFailedLookUps = ({ sql, query }: Db["Service"], from: DateTime.Utc, until: DateTime.Utc) =>
  query(
    "ReportStore.failedLookUps",
    FailedLookUp,
    sql`
      SELECT called_at, outcome, response->>'message' AS message FROM broker_calls
      WHERE ${isLookUpIn(sql, from, until)} AND outcome IS NOT NULL ORDER BY called_at`
  )

const readHalts = ({ sql, query }: Db["Service"], from: DateTime.Utc, until: DateTime.Utc) =>
  query(
    "ReportStore.halts",
    RecordedHalt,
    sql`
      SELECT is_halted, reason, requested_by, requested_at FROM placement_halts
      WHERE requested_at BETWEEN ${instant(from)} AND ${instant(until)}
        OR (is_halted AND id = (SELECT max(id) FROM placement_halts WHERE requested_at < ${instant(from)}))
      ORDER BY id`
  )

const readActions = ({ sql, query }: Db["Service"], orderId: string) =>
  query(
    "ReportStore.actions",
    RecordedAction,
    sql`
      SELECT at, operator, action, reason, slice_id, details FROM operator_actions
      WHERE order_id = ${orderId} ORDER BY id`
  )

const readDoubles = ({ sql, query }: Db["Service"], orderId: string) =>
  query(
    "ReportStore.doubles",
    RecordedDouble,
    sql`SELECT slice_id, broker_order_ids, seen_at FROM double_placements WHERE order_id = ${orderId} ORDER BY seen_at, tag`
  )

const readQuotes = ({ sql, query }: Db["Service"], instrument: string, from: DateTime.Utc, until: DateTime.Utc) =>
  query(
    "ReportStore.quotes",
    RecordedQuote,
    sql`
      SELECT at, last_price::text AS last_price, day_volume::float8 AS day_volume FROM market_quotes
      WHERE instrument = ${instrument} AND at BETWEEN ${instant(from)} AND ${instant(until)} ORDER BY at`
  )

/** The order's lifetime, from its arrival to its last change if it is finished, else to now. */
const timeOf = (order: RecordedOrder, slices: ReadonlyArray<RecordedSlice>, now: DateTime.Utc) => {
  // pulse-api may have written a created_at from before 1970.
  const from = DateTime.max(order.createdAt, DateTime.makeUnsafe(0))
  if (!isFinishedState(order.state)) return { from, until: now }
  const last = slices.reduce((latest, { updatedAt }) => DateTime.max(latest, updatedAt), order.updatedAt)
  return { from, until: DateTime.min(last, now) }
}
