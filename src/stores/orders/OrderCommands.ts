import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { UntrustedOrder } from "../../domain/lifecycle/validateOrder.ts"
import { longestAhead, type SplittableOrder } from "../../domain/model/Order.ts"
import { Stage } from "../../domain/model/OrderSlice.ts"
import { type Reason, StoredReasonCode } from "../../domain/model/reason.ts"
import { shownReasonCode } from "../sql/conditions.ts"
import { withBrokerOrder } from "../sql/foundMoves.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { isOfOrder } from "../sql/moves.ts"
import { differencesBetween, orderColumns, orderRow } from "../sql/orderColumns.ts"
import { OrderProgress, progressColumns } from "../sql/orderProgress.ts"
import { isCancelWanted, joinCompletion } from "../sql/wantedCancels.ts"
import { retry, unsplit } from "./retryOrder.ts"
import { hold, pause, requestCancel, resume } from "./stopOrder.ts"

export type { OrderProgress } from "../sql/orderProgress.ts"

/** A slice as commands show it. Lateness in milliseconds, the price as decimal text. */
export const SliceView = Schema.Struct({
  id: Schema.String,
  sequenceNumber: Schema.Int,
  quantity: Schema.Int,
  tag: Schema.String,
  scheduledAt: Schema.DateTimeUtcFromDate,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode,
  isUnknown: Schema.Boolean,
  attempts: Schema.Int,
  latenessMillis: Schema.NullOr(Schema.Number),
  brokerOrderId: Schema.NullOr(Schema.String),
  brokerStatus: Schema.NullOr(Schema.String),
  brokerStatusText: Schema.NullOr(Schema.String),
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.String),
  /** The revision of the plan that replaced the slice before it was sent; null if none did. */
  replacedBy: Schema.NullOr(Schema.Int),
  /** The quantity that later slices took over. */
  carriedQuantity: Schema.Int,
  /**
   * The cancels of an open broker order: when the last one was sent, how many in a row had such an answer, and why it was not
   * accepted, or none is sent. The last two are null if it was accepted, or none is wanted.
   */
  cancelSentAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  cancelTries: Schema.Int,
  cancelRefusal: Schema.NullOr(Schema.String),
  cancelRefusalCode: StoredReasonCode
})
export type SliceView = typeof SliceView.Type

/** The order that a text names, and what the text is: its key, or the id, tag or broker order of one of its slices. */
const Owner = Schema.Struct({
  orderId: Schema.String,
  what: Schema.Literals(["key", "slice", "tag", "broker order"])
})
export type Owner = typeof Owner.Type

/** The key belongs to an order that differs in the listed fields. Nothing was submitted. */
export class OrderKeyTaken extends Schema.TaggedError<OrderKeyTaken>()("OrderKeyTaken", {
  key: Schema.String,
  orderId: Schema.String,
  differences: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The key ${JSON.stringify(this.key)} belongs to order ${this.orderId}, which differs in ${this.differences.join(", ")}. Nothing was submitted; use another key for another order.`
  }
}

export interface NewOrder extends SplittableOrder {
  readonly key: string
  readonly traceId: string
  readonly requestId: string
}

export interface Submitted {
  readonly orderId: string
  /** False when the same order had been submitted with this key before. */
  readonly isNew: boolean
}

const source = "pulse-background-cli"

/**
 * The statements of the order commands: submit, look up, pause, resume, cancel. An operator's change is recorded with its
 * reason in the same transaction. An order is paused, held, resumed and cancelled under its lock, before its slices change,
 * so no slice is claimed after such a change is committed. The commands call it, and the TimeoutMonitor calls `hold` for an
 * order that needs a person.
 */
export class OrderCommands extends Context.Service<
  OrderCommands,
  {
    /**
     * Inserts an order as pulse-api does. A key that exists with the same data returns the existing order and records
     * nothing; with other data it fails with OrderKeyTaken.
     */
    readonly submit: (
      order: NewOrder,
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<Submitted, OrderKeyTaken | DbError>
    /** Whether an order was submitted with this key. */
    readonly hasKey: (key: string) => Effect.Effect<boolean, DbError>
    readonly progress: (orderId: string) => Effect.Effect<Option.Option<OrderProgress>, DbError>
    /** The order with this key, or with a slice of this id, tag or broker order. */
    readonly ownerOf: (text: string) => Effect.Effect<Option.Option<Owner>, DbError>
    /** Ids of the 1000 newest orders. */
    readonly newestIds: Effect.Effect<ReadonlyArray<string>, DbError>
    /** The newest orders, newest first. */
    readonly list: (limit: number) => Effect.Effect<ReadonlyArray<OrderProgress>, DbError>
    readonly slices: (orderId: string, now: DateTime.Utc) => Effect.Effect<ReadonlyArray<SliceView>, DbError>
    /**
     * Requests a cancel. From its commit on, no slice of the order is claimed, and its SCHEDULED slices are SKIPPED;
     * executors give back those that they have claimed, and the monitor cancels what the broker has. A second request
     * changes nothing.
     */
    readonly requestCancel: (orderId: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /**
     * Puts an order on hold and notifies the executors, which give back its claimed slices; false when it is on hold
     * already.
     */
    readonly pause: (orderId: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /** Puts an order on hold for the service, which needs a person to look at it: `pause` without an operator's action. */
    readonly hold: (orderId: string, reason: Reason, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /** Takes an order off hold and wakes the executors; false when it was not on hold. */
    readonly resume: (orderId: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /** The order with what decides whether it may be split again. */
    readonly unsplit: ReturnType<typeof unsplit>
    /** Puts a FAILED order back to PENDING: see {@link retry}. */
    readonly retry: ReturnType<typeof retry>
  }
>()("pulse-background/OrderCommands") {
  static readonly layer: Layer.Layer<OrderCommands, never, Db> = Layer.effect(
    OrderCommands,
    Effect.map(Db, (db) =>
      OrderCommands.of({
        submit: submit(db),
        hasKey: (key) => Effect.map(findByKey(db, key), Option.isSome),
        progress: progress(db),
        ownerOf: ownerOf(db),
        newestIds: newestIds(db),
        list: list(db),
        slices: slices(db),
        requestCancel: requestCancel(db),
        pause: pause(db),
        hold: hold(db),
        resume: resume(db),
        unsplit: unsplit(db),
        retry: retry(db)
      })
    )
  )
}

const submit = (db: Db["Service"]): OrderCommands["Service"]["submit"] =>
  Effect.fnUntraced(function* (order, asked, now) {
    const inserted = yield* insert(db, order, asked, now)
    if (Option.isSome(inserted)) return { orderId: inserted.value.id, isNew: true }
    const existing = Option.getOrNull(yield* findByKey(db, order.key))
    const orderId = existing?.id ?? "unknown"
    const differences = existing === null ? ["everything"] : differencesBetween(existing, order)
    if (differences.length > 0) return yield* new OrderKeyTaken({ key: order.key, orderId, differences })
    return { orderId, isNew: false }
  })

const insert = ({ sql, queryOption }: Db["Service"], order: NewOrder, asked: Asked, now: DateTime.Utc) =>
  queryOption(
    "OrderCommands.insert",
    Id,
    sql`
      WITH inserted AS (
        INSERT INTO orders ${sql.insert({
          ...orderRow(order),
          order_unique_key: order.key,
          order_queue_status: "PENDING",
          origin_trace_id: order.traceId,
          origin_trace_source: source,
          origin_request_id: order.requestId,
          origin_request_source: source,
          request_id: order.requestId,
          created_at: instant(now),
          updated_at: instant(now)
        })}
        ON CONFLICT (order_unique_key) DO NOTHING
        RETURNING id
      ), recorded AS (${insertActions(
        sql,
        { name: "order submit", asked, now },
        sql`SELECT id, NULL::text, jsonb_build_object('key', ${order.key}::text) FROM inserted`
      )})
      SELECT id FROM inserted`
  )

const findByKey = ({ sql, queryOption }: Db["Service"], key: string) =>
  queryOption(
    "OrderCommands.findByKey",
    UntrustedOrder,
    sql`SELECT ${sql.literal(orderColumns)} FROM orders o WHERE order_unique_key = ${key}`
  )

const progress =
  ({ sql, queryOption }: Db["Service"]): OrderCommands["Service"]["progress"] =>
  (orderId) =>
    queryOption(
      "OrderCommands.progress",
      OrderProgress,
      sql`SELECT ${sql.literal(progressColumns)} FROM order_progress WHERE order_id = ${orderId}`
    )

const ownerOf =
  ({ sql, queryOption }: Db["Service"]): OrderCommands["Service"]["ownerOf"] =>
  (text) =>
    queryOption(
      "OrderCommands.ownerOf",
      Owner,
      sql`
        SELECT id AS order_id, 'key' AS what FROM orders WHERE order_unique_key = ${text}
        UNION ALL SELECT o.id, 'slice' FROM slice_plan p JOIN orders o ON o.number = p.order_number WHERE p.id = ${text}
        UNION ALL SELECT o.id, 'tag' FROM slice_plan p JOIN orders o ON o.number = p.order_number WHERE p.tag = ${text}
        UNION ALL SELECT o.id, 'broker order' FROM ${withBrokerOrder(sql, text)} b JOIN orders o ON o.number = b.slice >> 20
        LIMIT 1`
    )

const newestIds = ({ sql, query }: Db["Service"]): OrderCommands["Service"]["newestIds"] =>
  query("OrderCommands.newestIds", Id, sql`SELECT id FROM orders ORDER BY created_at DESC LIMIT 1000`).pipe(
    Effect.map(idsOf)
  )

const list =
  ({ sql, query }: Db["Service"]): OrderCommands["Service"]["list"] =>
  (limit) =>
    Effect.flatMap(DateTime.now, (now) => {
      const latest = instant(DateTime.addDuration(now, longestAhead))
      // Sorted by the view's own column, which has an index: sorting by the clamped one would sum up every order first.
      const newest = (where: Fragment) => sql`(
        SELECT * FROM order_progress p WHERE ${where} ORDER BY p.created_at DESC, p.order_id LIMIT ${limit})`
      return query(
        "OrderCommands.list",
        OrderProgress,
        // Orders of times that no calendar has come last: they were refused, and would be the first for ever.
        sql`
          SELECT ${sql.literal(progressColumns)} FROM (
            ${newest(sql`p.created_at <= ${latest}`)} UNION ALL ${newest(sql`p.created_at > ${latest}`)}
          ) order_progress
          ORDER BY order_progress.created_at > ${latest}, order_progress.created_at DESC, order_id LIMIT ${limit}`
      )
    })

const slices =
  ({ sql, query }: Db["Service"]): OrderCommands["Service"]["slices"] =>
  (orderId, now) =>
    query(
      "OrderCommands.slices",
      SliceView,
      sql`
        SELECT id, sequence_number, quantity, tag, scheduled_at, stage, stage_reason, ${shownReasonCode(sql, now)} AS reason_code,
          -- Only the report of its owner counts here, not a lease that is over: such a slice is in doubt, but not yet
          -- unknown.
          stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL AS is_unknown, attempts,
          (extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS lateness_millis,
          broker_order_id, broker_status, broker_status_text, filled_quantity, average_price::text AS average_price, replaced_by,
          carried_quantity, cancel_sent_at, coalesce(cancel_tries, 0) AS cancel_tries, cancel_refusal, cancel_refusal_code
        FROM slice_rows
        -- What is known of cancels that nobody wants any more is of no interest.
        LEFT JOIN (
          SELECT w.slice, w.cancel_tries, w.cancel_refusal, w.cancel_refusal_code
          FROM orders o JOIN slice_working w ON ${isOfOrder(sql, "w.slice", sql.literal("o.number"))} ${joinCompletion(sql)}
          WHERE o.id = ${orderId} AND ${isCancelWanted(sql, now)}
        ) w USING (slice)
        WHERE order_id = ${orderId} ORDER BY sequence_number`
    )
