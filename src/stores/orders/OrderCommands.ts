import { Context, type DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import type { Topic } from "../../db/Wakeups.ts"
import { UntrustedOrder } from "../../domain/lifecycle/validateOrder.ts"
import type { SplittableOrder } from "../../domain/model/Order.ts"
import { Stage } from "../../domain/model/OrderSlice.ts"
import { holdSlices } from "../sql/holdSlices.ts"
import { type ActionName, type Asked, insertActions } from "../sql/insertActions.ts"
import { differencesBetween, orderColumns, orderRow } from "../sql/orderColumns.ts"
import { OrderProgress, progressColumns } from "../sql/orderProgress.ts"

export type { OrderProgress } from "../sql/orderProgress.ts"

/** One slice as an operator sees it. */
export const SliceView = Schema.Struct({
  id: Schema.String,
  sequenceNumber: Schema.Int,
  quantity: Schema.Int,
  tag: Schema.String,
  scheduledAt: Schema.DateTimeUtcFromDate,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  isUnknown: Schema.Boolean,
  attempts: Schema.Int,
  latenessMillis: Schema.NullOr(Schema.Number),
  brokerOrderId: Schema.NullOr(Schema.String),
  brokerStatus: Schema.NullOr(Schema.String),
  brokerStatusText: Schema.NullOr(Schema.String),
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.String),
  /** The plan whose slices stand in for it; it was never sent. */
  replacedBy: Schema.NullOr(Schema.Int),
  /** What later slices took over of it. */
  carriedQuantity: Schema.Int
})
export type SliceView = typeof SliceView.Type

/** An order that something belongs to which is no order's id. */
const Owner = Schema.Struct({
  orderId: Schema.String,
  what: Schema.Literals(["key", "slice", "tag", "broker order"])
})
export type Owner = typeof Owner.Type

/** Another order already has this key. */
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

const Id = Schema.Struct({ id: Schema.String })

const source = "pulse-background-cli"

/** What people do with orders from outside the workers: submit, look, cancel. */
export class OrderCommands extends Context.Service<
  OrderCommands,
  {
    /** Inserts an order the way pulse-api does. The same key with the same data gives the order there is, and records nothing. */
    readonly submit: (
      order: NewOrder,
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<Submitted, OrderKeyTaken | DbError>
    /** Whether an order was submitted with this key. */
    readonly hasKey: (key: string) => Effect.Effect<boolean, DbError>
    readonly progress: (orderId: string) => Effect.Effect<Option.Option<OrderProgress>, DbError>
    /** The order whose key, slice, tag or broker order this is. */
    readonly ownerOf: (text: string) => Effect.Effect<Option.Option<Owner>, DbError>
    /** Ids of the newest orders. */
    readonly newestIds: Effect.Effect<ReadonlyArray<string>, DbError>
    /** The newest orders, newest first. */
    readonly list: (limit: number) => Effect.Effect<ReadonlyArray<OrderProgress>, DbError>
    readonly slices: (orderId: string) => Effect.Effect<ReadonlyArray<SliceView>, DbError>
    /**
     * Asks for a cancel: nothing of the order is claimed any more, what was not claimed is SKIPPED at once, executors
     * drop what they hold, the monitor cancels what the broker has. Asking again changes nothing.
     */
    readonly requestCancel: (orderId: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Puts an order on hold, and has the executors drop what they hold of it; false when it is on hold already. */
    readonly pause: (orderId: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /** The same, when it is the service itself that needs a person to look at the order. */
    readonly hold: (orderId: string, reason: string, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /** Takes an order off hold, and wakes the executors; false when it was not on hold. */
    readonly resume: (orderId: string, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/OrderCommands") {
  static readonly layer: Layer.Layer<OrderCommands, never, Db> = Layer.effect(
    OrderCommands,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, query, execute, transaction } = db

      const columns = sql.literal(progressColumns)

      const insert = (order: NewOrder, asked: Asked, now: DateTime.Utc) =>
        query(
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

      const findByKey = (key: string) =>
        query(
          "OrderCommands.findByKey",
          UntrustedOrder,
          sql`SELECT ${sql.literal(orderColumns)} FROM orders o WHERE order_unique_key = ${key}`
        )

      const notify = (topic: Topic) => execute("OrderCommands.notify", sql`SELECT pg_notify(${channel}, ${topic})`)

      /** Changes an order's hold, and its slices with it; false when there was nothing to change. */
      const changeHold = (
        operation: string,
        topic: Topic,
        change: Effect.Effect<ReadonlyArray<typeof Id.Type>, DbError>,
        now: DateTime.Utc,
        record: Effect.Effect<void, DbError> = Effect.void
      ) =>
        transaction(
          operation,
          Effect.gen(function* () {
            const [changed] = yield* change
            if (changed === undefined) return false
            yield* holdSlices(db, changed.id, now)
            yield* record
            yield* notify(topic)
            return true
          })
        )

      const record = (name: ActionName, orderId: string, asked: Asked, now: DateTime.Utc) =>
        execute(
          "OrderCommands.record",
          insertActions(sql, { name, asked, now }, sql`SELECT ${orderId}::text, NULL::text, '{}'::jsonb`)
        )

      const startHold = (orderId: string, reason: string, now: DateTime.Utc) =>
        query(
          "OrderCommands.startHold",
          Id,
          sql`
            UPDATE orders SET held_at = ${instant(now)}, hold_reason = ${reason}, updated_at = ${instant(now)}
            WHERE id = ${orderId} AND hold_reason IS NULL
            RETURNING id`
        )

      return OrderCommands.of({
        submit: Effect.fnUntraced(function* (order, asked, now) {
          const [inserted] = yield* insert(order, asked, now)
          if (inserted !== undefined) return { orderId: inserted.id, isNew: true }
          const [existing] = yield* findByKey(order.key)
          const orderId = existing?.id ?? "unknown"
          const differences = existing === undefined ? ["everything"] : differencesBetween(existing, order)
          if (differences.length > 0) return yield* new OrderKeyTaken({ key: order.key, orderId, differences })
          return { orderId, isNew: false }
        }),

        hasKey: (key) => Effect.map(findByKey(key), (rows) => rows.length > 0),

        progress: (orderId) =>
          query(
            "OrderCommands.progress",
            OrderProgress,
            sql`SELECT ${columns} FROM order_progress WHERE order_id = ${orderId}`
          ).pipe(Effect.map((rows) => Option.fromNullishOr(rows[0]))),

        ownerOf: (text) =>
          query(
            "OrderCommands.ownerOf",
            Owner,
            sql`
              SELECT id AS order_id, 'key' AS what FROM orders WHERE order_unique_key = ${text}
              UNION ALL SELECT order_id, 'slice' FROM order_slices WHERE id = ${text}
              UNION ALL SELECT order_id, 'tag' FROM order_slices WHERE tag = ${text}
              UNION ALL SELECT order_id, 'broker order' FROM order_slices WHERE broker_order_id = ${text}
              LIMIT 1`
          ).pipe(Effect.map((rows) => Option.fromNullishOr(rows[0]))),

        newestIds: query(
          "OrderCommands.newestIds",
          Id,
          sql`SELECT id FROM orders ORDER BY created_at DESC LIMIT 1000`
        ).pipe(Effect.map((rows) => rows.map(({ id }) => id))),

        list: (limit) =>
          query(
            "OrderCommands.list",
            OrderProgress,
            // By the view's own column, which has an index: the clamped one would have every order ever summed up first.
            sql`SELECT ${columns} FROM order_progress ORDER BY order_progress.created_at DESC, order_id LIMIT ${limit}`
          ),

        slices: (orderId) =>
          query(
            "OrderCommands.slices",
            SliceView,
            sql`
              SELECT id, sequence_number, quantity, tag, scheduled_at, stage, stage_reason,
                -- As its owner said, whatever the time: unlike what is in doubt, a lease that is over does not count.
                stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL AS is_unknown, attempts,
                (extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS lateness_millis,
                broker_order_id, broker_status, broker_status_text, filled_quantity, average_price::text AS average_price, replaced_by,
                carried_quantity
              FROM order_slices WHERE order_id = ${orderId} ORDER BY sequence_number`
          ),

        pause: (orderId, asked, now) =>
          changeHold(
            "OrderCommands.pause",
            "cancels",
            startHold(orderId, `paused by ${asked.by}: ${asked.reason}`, now),
            now,
            record("order pause", orderId, asked, now)
          ),

        hold: (orderId, reason, now) =>
          changeHold("OrderCommands.hold", "cancels", startHold(orderId, reason, now), now),

        resume: (orderId, asked, now) =>
          changeHold(
            "OrderCommands.resume",
            "slices",
            query(
              "OrderCommands.endHold",
              Id,
              sql`
                UPDATE orders SET hold_reason = NULL, updated_at = ${instant(now)}
                WHERE id = ${orderId} AND hold_reason IS NOT NULL
                RETURNING id`
            ),
            now,
            record("order resume", orderId, asked, now)
          ),

        requestCancel: (orderId, asked, now) =>
          transaction(
            "OrderCommands.requestCancel",
            Effect.gen(function* () {
              yield* execute(
                "OrderCommands.markCancelled",
                sql`
                  WITH cancelled AS (
                    UPDATE orders SET
                      cancel_requested_at = ${instant(now)}, cancel_requested_by = ${asked.by}, updated_at = ${instant(now)},
                      order_queue_status = CASE WHEN order_queue_status = 'PENDING' THEN 'SKIPPED' ELSE order_queue_status END,
                      status_reason = CASE WHEN order_queue_status = 'PENDING' THEN 'cancelled before the split' ELSE status_reason END
                    WHERE id = ${orderId} AND cancel_requested_at IS NULL
                    RETURNING id
                  )
                  ${insertActions(
                    sql,
                    { name: "order cancel", asked, now },
                    sql`SELECT id, NULL::text, '{}'::jsonb FROM cancelled`
                  )}`
              )
              yield* execute(
                "OrderCommands.skipScheduled",
                sql`
                  UPDATE order_slices SET stage = 'SKIPPED', stage_reason = 'order cancelled', updated_at = ${instant(now)}
                  WHERE order_id = ${orderId} AND stage = 'SCHEDULED'`
              )
              yield* notify("cancels")
            })
          )
      })
    })
  )
}
