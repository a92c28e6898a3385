import { BigDecimal, Context, type DateTime, type Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { Db, type DbError } from "../db/Db.ts"
import { channel, durationMillis, instant, texts } from "../db/parameters.ts"
import { OrderId } from "../domain/Ids.ts"
import { OrderQueueStatus } from "../domain/Order.ts"
import { type Replan, type RunningOrder, RunningSlice, type Settled } from "../domain/replan.ts"
import { UntrustedOrder, validateOrder } from "../domain/validateOrder.ts"
import { orderColumns } from "./orderColumns.ts"
import { planRows } from "./planRows.ts"
import { decodePlanInput, StoredPlan } from "./PlanStore.ts"

/** The order cannot be planned anew; the reason says why. Nothing was changed. */
export class CannotReplan extends Schema.TaggedError<CannotReplan>()("CannotReplan", {
  orderId: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Order ${this.orderId} was not changed: ${this.reason}`
  }
}

const LockedOrder = Schema.Struct({
  ...UntrustedOrder.fields,
  orderQueueStatus: OrderQueueStatus,
  isCancelled: Schema.Boolean
})

const Unsettled = Schema.Struct({ id: OrderId, instrument: Schema.String })

/** New plans for what orders have not sent yet. */
export class ReplanStore extends Context.Service<
  ReplanStore,
  {
    /**
     * Orders with a choice to carry or to complete that something may have to be done about: a slice's rest to carry, or
     * nothing left under way.
     */
    readonly unsettled: (limit: number) => Effect.Effect<ReadonlyArray<typeof Unsettled.Type>, DbError>

    /**
     * Changes an order as `decide` says, in one transaction, while no slice of it can be claimed: the SCHEDULED slices
     * become SKIPPED, replaced by those of the new plan; what has been claimed or sent stays as it is. Null changes nothing.
     */
    readonly change: <A extends Replan | Settled | null>(
      orderId: string,
      options: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration },
      decide: (running: RunningOrder) => Result.Result<A, string>
    ) => Effect.Effect<A, CannotReplan | DbError>
  }
>()("pulse-background/ReplanStore") {
  static readonly layer: Layer.Layer<ReplanStore, never, Db> = Layer.effect(
    ReplanStore,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { sql, query, execute, transaction } = yield* Db

  const lockOrder = (orderId: string) =>
    query(
      "ReplanStore.lockOrder",
      LockedOrder,
      sql`
        SELECT ${sql.literal(orderColumns)}, o.order_queue_status, o.cancel_requested_at IS NOT NULL AS is_cancelled
        FROM orders o WHERE id = ${orderId} FOR UPDATE`
    )

  /** From here on no executor claims one of them; whoever was claiming one is waited for. */
  const lockScheduled = (orderId: string) =>
    execute(
      "ReplanStore.lockScheduled",
      sql`SELECT id FROM order_slices WHERE order_id = ${orderId} AND stage = 'SCHEDULED' ORDER BY id FOR UPDATE`
    )

  const readSlices = (orderId: string) =>
    query(
      "ReplanStore.readSlices",
      RunningSlice,
      sql`
        SELECT id, sequence_number, quantity, filled_quantity, carried_quantity, stage, broker_is_final, is_waived,
          (extract(epoch FROM scheduled_at) * 1000)::float8 AS scheduled_millis,
          coalesce(broker_status = 'REJECTED', false) AS is_rejected
        FROM order_slices WHERE order_id = ${orderId} AND replaced_by IS NULL ORDER BY sequence_number`
    )

  const readLatestPlan = (orderId: string) =>
    query(
      "ReplanStore.readLatestPlan",
      Schema.Struct({ ...StoredPlan.fields, nextSequence: Schema.Int }),
      sql`
        SELECT p.*, (SELECT max(sequence_number) + 1 FROM order_slices WHERE order_id = ${orderId}) AS next_sequence
        FROM order_plans p WHERE order_id = ${orderId} ORDER BY revision DESC LIMIT 1`
    )

  const read = Effect.fnUntraced(function* (orderId: string) {
    const cannot = (reason: string) => Effect.fail(new CannotReplan({ orderId, reason }))
    const [row] = yield* lockOrder(orderId)
    if (row === undefined) return yield* cannot("there is no such order")
    if (row.isCancelled) return yield* cannot("it was cancelled")
    if (row.orderQueueStatus !== "DONE") return yield* cannot(`it is ${row.orderQueueStatus}, not split`)
    const order = validateOrder(row)
    if (Result.isFailure(order))
      return yield* cannot(`its row was changed, and is not valid any more: ${order.failure}`)
    yield* lockScheduled(orderId)
    const slices = yield* readSlices(orderId)
    const [plan] = yield* readLatestPlan(orderId)
    const input = plan === undefined ? Option.none() : decodePlanInput(plan.input)
    if (plan === undefined || Option.isNone(input)) {
      return yield* cannot("it was split by another version of the service, which did not record its plan, or not so")
    }
    return {
      order: order.success,
      plan: { ...plan, input: input.value },
      slices,
      nextSequence: plan.nextSequence
    } satisfies RunningOrder
  })

  const replaceScheduled = (orderId: string, revision: number, now: DateTime.Utc) =>
    execute(
      "ReplanStore.replaceScheduled",
      sql`
        UPDATE order_slices SET
          stage = 'SKIPPED', stage_reason = ${`replaced by plan ${revision}`}, replaced_by = ${revision}::int,
          updated_at = ${instant(now)}
        WHERE order_id = ${orderId} AND stage = 'SCHEDULED'`
    )

  const markCarried = (carried: ReadonlyArray<string>, now: DateTime.Utc) =>
    execute(
      "ReplanStore.markCarried",
      sql`
        UPDATE order_slices SET carried_quantity = quantity - filled_quantity, updated_at = ${instant(now)}
        WHERE id = ANY(${texts(carried)})`
    )

  /** What is in a daemon's hands comes back under the new window, if it comes back. */
  const shortenClaimed = (orderId: string, notAfterMillis: number, now: DateTime.Utc) =>
    execute(
      "ReplanStore.shortenClaimed",
      sql`
        UPDATE order_slices SET
          not_after = least(not_after, to_timestamp(${notAfterMillis}::float8 / 1000)), updated_at = ${instant(now)}
        WHERE order_id = ${orderId} AND stage = 'IN_PROGRESS'`
    )

  const writePlan = (
    { plan, totalQuantity, limitPrice }: Replan,
    options: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration }
  ) =>
    execute(
      "ReplanStore.writePlan",
      sql`
        WITH planned AS (
          UPDATE orders SET
            total_quantity = ${totalQuantity}::int, settled_at = NULL, updated_at = ${instant(options.now)},
            limit_price = CASE WHEN order_type = 'LIMIT'
              THEN coalesce(${limitPrice === null ? null : BigDecimal.format(limitPrice)}::numeric, limit_price) END
          WHERE id = ${plan.orderId}
          RETURNING *
        ), ${planRows(sql, [plan], options)}
        SELECT pg_notify(${channel}, 'slices') FROM planned`
    )

  return ReplanStore.of({
    unsettled: Effect.fn("ReplanStore.unsettled")((limit) =>
      query(
        "ReplanStore.unsettled",
        Unsettled,
        sql`
          SELECT o.id, o.instrument FROM orders o
          WHERE (carry_unfilled OR carry_rejected OR completion = 'CROSS') AND order_queue_status = 'DONE'
            AND settled_at IS NULL AND cancel_requested_at IS NULL AND hold_reason IS NULL
            AND EXISTS (SELECT FROM order_plans WHERE order_id = o.id)
            AND (
              EXISTS (SELECT FROM order_slices WHERE order_id = o.id AND replaced_by IS NULL AND NOT is_waived
                AND filled_quantity + carried_quantity < quantity
                AND (stage = 'FAILED' OR (stage = 'PROCESSED' AND broker_is_final)))
              OR NOT EXISTS (SELECT FROM order_slices WHERE order_id = o.id
                AND (stage IN ('SCHEDULED', 'IN_PROGRESS') OR (stage = 'PROCESSED' AND NOT broker_is_final))))
          ORDER BY o.id LIMIT ${limit}`
      )
    ),

    change: Effect.fn("ReplanStore.change")((orderId, options, decide) =>
      transaction(
        "ReplanStore.change",
        Effect.gen(function* () {
          const running = yield* read(orderId)
          const decided = decide(running)
          if (Result.isFailure(decided)) return yield* new CannotReplan({ orderId, reason: decided.failure })
          const change = decided.success
          if (change === null) return change
          if (change._tag === "Settled") {
            yield* execute(
              "ReplanStore.settle",
              sql`UPDATE orders SET settled_at = ${instant(options.now)} WHERE id = ${orderId}`
            )
            return change
          }
          const { plan, carried } = change
          yield* replaceScheduled(orderId, plan.revision, options.now)
          if (carried.length > 0) yield* markCarried(carried, options.now)
          const windowEndMillis = plan.startsAt.epochMilliseconds + plan.windowMillis
          yield* shortenClaimed(orderId, windowEndMillis + durationMillis(options.windowGrace), options.now)
          yield* writePlan(change, options)
          return change
        })
      )
    )
  })
})
