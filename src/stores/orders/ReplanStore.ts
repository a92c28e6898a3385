import { BigDecimal, Context, DateTime, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant, texts } from "../../db/parameters.ts"
import { UntrustedOrder, validateOrder } from "../../domain/lifecycle/validateOrder.ts"
import { OrderId } from "../../domain/model/Ids.ts"
import { OrderQueueStatus } from "../../domain/model/Order.ts"
import {
  type OrderChange,
  type Replan,
  type RunningOrder,
  RunningSlice
} from "../../domain/planning/replan/RunningOrder.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { orderColumns } from "../sql/orderColumns.ts"
import { planRows } from "../sql/planRows.ts"
import { decodePlanInput, StoredPlan } from "./PlanStore.ts"

/** The order cannot be planned anew; the reason says why. Nothing was changed. */
export class CannotReplan extends Schema.TaggedError<CannotReplan>()("CannotReplan", {
  orderId: Schema.String,
  reason: Schema.String,
  /** Somebody cancelled it: nobody needs to be told. */
  isCancelled: Schema.Boolean
}) {
  override get message(): string {
    return `Order ${this.orderId} was not changed: ${this.reason}`
  }
}

const StoredOrder = Schema.Struct({
  ...UntrustedOrder.fields,
  orderQueueStatus: OrderQueueStatus,
  isCancelled: Schema.Boolean
})

const LatestPlan = Schema.Struct({
  ...StoredPlan.fields,
  completesAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  nextSequence: Schema.Int,
  completions: Schema.Int,
  /** The input of the latest plan that a person asked for. */
  intended: Schema.Unknown
})

const Unsettled = Schema.Struct({
  id: OrderId,
  instrument: Schema.String,
  /** It has late slices to spread anew. */
  isLate: Schema.Boolean
})

interface ChangeOptions {
  readonly now: DateTime.Utc
  readonly windowGrace: Duration.Duration
  /** The person who wants the change; left out, the service makes it by itself. */
  readonly asked?: Asked
}

/** New plans for what orders have not sent yet. */
export class ReplanStore extends Context.Service<
  ReplanStore,
  {
    /**
     * Orders of which something may have to be done: a late slice to spread anew, a slice's rest to carry, an order to
     * complete, or nothing left under way. None that is on hold or cancelled; while placements are halted, or `isHeld` by this
     * process, late slices wait. By their ids, from after a given one on.
     */
    readonly unsettled: (
      after: OrderId | null,
      limit: number,
      options: { readonly now: DateTime.Utc; readonly isHeld: boolean }
    ) => Effect.Effect<ReadonlyArray<typeof Unsettled.Type>, DbError>

    /**
     * Changes an order as `decide` says, in one transaction, while no slice of it can be claimed. With a new plan the
     * SCHEDULED slices become SKIPPED, replaced by its slices; what has been claimed or sent stays as it is. Null changes
     * nothing, and locks nothing: it is asked first, and once more under the locks if it wants a change.
     */
    readonly change: <A extends OrderChange | null>(
      orderId: string,
      options: ChangeOptions,
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
    execute("ReplanStore.lockOrder", sql`SELECT id FROM orders WHERE id = ${orderId} FOR UPDATE`)

  /**
   * From here on no executor claims one that is SCHEDULED, and nothing else becomes of what is missing; whoever was about
   * to is waited for.
   */
  const lockSlices = (orderId: string) =>
    execute(
      "ReplanStore.lockSlices",
      sql`
        SELECT id FROM order_slices
        WHERE order_id = ${orderId} AND replaced_by IS NULL AND (stage = 'SCHEDULED'
          OR ((stage IN ('FAILED', 'SKIPPED') OR (stage = 'PROCESSED' AND broker_is_final)) AND filled_quantity < quantity))
        ORDER BY id FOR UPDATE`
    )

  const readOrder = (orderId: string) =>
    query(
      "ReplanStore.readOrder",
      StoredOrder,
      sql`
        SELECT ${sql.literal(orderColumns)}, o.order_queue_status, o.cancel_requested_at IS NOT NULL AS is_cancelled
        FROM orders o WHERE id = ${orderId}`
    )

  const readSlices = (orderId: string, now: DateTime.Utc) =>
    query(
      "ReplanStore.readSlices",
      RunningSlice,
      sql`
        SELECT id, sequence_number, quantity, filled_quantity, carried_quantity, stage, broker_is_final, is_waived,
          (extract(epoch FROM scheduled_at) * 1000)::float8 AS scheduled_millis,
          coalesce(stale_at < ${instant(now)}, false) AS is_late,
          coalesce(broker_status = 'REJECTED', false) AS is_rejected,
          left_book_at IS NOT NULL
            OR (stage = 'IN_PROGRESS' AND (outcome_unknown_at IS NOT NULL OR lease_expires_at <= ${instant(now)})) AS is_in_doubt
        FROM order_slices WHERE order_id = ${orderId} AND replaced_by IS NULL ORDER BY sequence_number`
    )

  const readLatestPlan = (orderId: string) =>
    query(
      "ReplanStore.readLatestPlan",
      LatestPlan,
      sql`
        SELECT p.*, (SELECT max(sequence_number) + 1 FROM order_slices WHERE order_id = ${orderId}) AS next_sequence,
          (SELECT count(*)::int FROM order_plans WHERE order_id = ${orderId} AND cause = 'COMPLETION') AS completions,
          (SELECT input FROM order_plans WHERE order_id = ${orderId} AND cause IN ('SPLIT', 'AMENDMENT')
            ORDER BY revision DESC LIMIT 1) AS intended
        FROM order_plans p WHERE order_id = ${orderId} ORDER BY revision DESC LIMIT 1`
    )

  const read = Effect.fnUntraced(function* (orderId: string, now: DateTime.Utc) {
    const cannot = (reason: string, isCancelled = false) =>
      Effect.fail(new CannotReplan({ orderId, reason, isCancelled }))
    const [row] = yield* readOrder(orderId)
    if (row === undefined) return yield* cannot("there is no such order")
    if (row.isCancelled) return yield* cannot("it was cancelled", true)
    if (row.orderQueueStatus !== "DONE") return yield* cannot(`it is ${row.orderQueueStatus}, not split`)
    const order = validateOrder(row)
    if (Result.isFailure(order)) return yield* cannot(`its row is not valid any more: ${order.failure}`)
    const slices = yield* readSlices(orderId, now)
    const [plan] = yield* readLatestPlan(orderId)
    const input = plan === undefined ? Option.none() : decodePlanInput(plan.input)
    const intended = plan === undefined ? Option.none() : decodePlanInput(plan.intended)
    if (plan === undefined || Option.isNone(input) || Option.isNone(intended)) {
      return yield* cannot("it was split by a version of the service that recorded its plan differently, or not at all")
    }
    return {
      order: order.success,
      plan: { ...plan, input: input.value, keepsHours: plan.sessions !== null },
      intended: intended.value,
      completions: plan.completions,
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

  const waive = (slices: ReadonlyArray<string>, now: DateTime.Utc) =>
    execute(
      "ReplanStore.waive",
      sql`UPDATE order_slices SET is_waived = true, updated_at = ${instant(now)} WHERE id = ANY(${texts(slices)})`
    )

  const giveUp = (slices: ReadonlyArray<string>, reason: string, now: DateTime.Utc) =>
    execute(
      "ReplanStore.giveUp",
      sql`
        UPDATE order_slices SET stage = 'SKIPPED', stage_reason = ${reason}, updated_at = ${instant(now)}
        WHERE id = ANY(${texts(slices)}) AND stage = 'SCHEDULED'`
    )

  const settle = (orderId: string, reason: string | null, now: DateTime.Utc) =>
    execute(
      "ReplanStore.settle",
      sql`
        UPDATE orders SET settled_at = ${instant(now)}, status_reason = ${reason}, updated_at = ${instant(now)}
        WHERE id = ${orderId}`
    )

  /** What is in a daemon's hands comes back under the new window, if it comes back. */
  const shortenClaimed = (orderId: string, notAfter: DateTime.Utc, now: DateTime.Utc) =>
    execute(
      "ReplanStore.shortenClaimed",
      sql`
        UPDATE order_slices SET not_after = least(not_after, ${instant(notAfter)}), updated_at = ${instant(now)}
        WHERE order_id = ${orderId} AND stage = 'IN_PROGRESS'`
    )

  const writePlan = ({ plan, totalQuantity, limitPrice }: Replan, options: ChangeOptions) =>
    execute(
      "ReplanStore.writePlan",
      sql`
        WITH planned AS (
          UPDATE orders SET
            total_quantity = ${totalQuantity}::int, num_splits = least(num_splits, ${totalQuantity}::int), settled_at = NULL, updated_at = ${instant(options.now)},
            limit_price = CASE WHEN order_type = 'LIMIT'
              THEN coalesce(${limitPrice === null ? null : BigDecimal.format(limitPrice)}::numeric, limit_price) END
          WHERE id = ${plan.orderId}
          RETURNING *
        ), ${planRows(sql, [plan], options)}
        SELECT pg_notify(${channel}, 'slices') FROM planned`
    )

  const replan = Effect.fnUntraced(function* (change: Replan, options: ChangeOptions) {
    const { plan, carried, waived } = change
    const { orderId, startsAt, endMillis } = plan
    yield* replaceScheduled(orderId, plan.revision, options.now)
    if (carried.length > 0) yield* markCarried(carried, options.now)
    if (waived.length > 0) yield* waive(waived, options.now)
    const windowEnd = DateTime.addDuration(startsAt ?? options.now, Duration.millis(endMillis))
    yield* shortenClaimed(orderId, DateTime.addDuration(windowEnd, options.windowGrace), options.now)
    yield* writePlan(change, options)
    if (options.asked !== undefined) yield* recordAmendment(change, options.asked, options.now)
  })

  const recordAmendment = ({ plan, totalQuantity }: Replan, asked: Asked, now: DateTime.Utc) =>
    execute(
      "ReplanStore.recordAmendment",
      insertActions(
        sql,
        { name: "order amend", asked, now },
        sql`
          SELECT ${plan.orderId}::text, NULL::text, jsonb_build_object('plan', ${plan.revision}::int, 'slices', ${plan.slices.length}::int,
            'total_quantity', ${totalQuantity}::int, 'limit_price', (SELECT limit_price FROM orders WHERE id = ${plan.orderId}))`
      )
    )

  const write = (orderId: string, change: OrderChange, options: ChangeOptions) => {
    switch (change._tag) {
      case "Replan":
        return replan(change, options)
      case "GiveUp":
        return giveUp(change.slices, change.reason, options.now)
      case "Finished":
        return settle(orderId, change.reason, options.now)
    }
  }

  return ReplanStore.of({
    unsettled: (after, limit, { now, isHeld }) =>
      query(
        "ReplanStore.unsettled",
        Unsettled,
        sql`
          WITH late AS MATERIALIZED (
            SELECT DISTINCT order_id FROM order_slices
            WHERE stage = 'SCHEDULED' AND stale_at < ${instant(now)} AND NOT is_held AND NOT ${isHeld}::boolean
              AND (SELECT is_halted FROM placement_halts ORDER BY id DESC LIMIT 1) IS NOT TRUE
          ), wanting AS MATERIALIZED (
            SELECT o.id FROM orders o
            WHERE (carry_unfilled OR carry_rejected OR completion = 'CROSS') AND order_queue_status = 'DONE'
              AND settled_at IS NULL AND cancel_requested_at IS NULL AND hold_reason IS NULL AND (
                (SELECT completes_at <= ${instant(now)} FROM order_plans WHERE order_id = o.id ORDER BY revision DESC LIMIT 1)
                OR EXISTS (SELECT FROM order_slices WHERE order_id = o.id AND replaced_by IS NULL AND NOT is_waived
                  AND filled_quantity + carried_quantity < quantity
                  AND (stage = 'FAILED' OR (stage = 'PROCESSED' AND broker_is_final))
                  AND CASE WHEN stage = 'FAILED' OR broker_status = 'REJECTED' THEN o.carry_rejected ELSE o.carry_unfilled END)
                OR NOT EXISTS (SELECT FROM order_slices WHERE order_id = o.id
                  AND (stage IN ('SCHEDULED', 'IN_PROGRESS') OR (stage = 'PROCESSED' AND NOT broker_is_final))))
          )
          SELECT id, instrument, id IN (SELECT order_id FROM late) AS is_late FROM orders o
          WHERE id IN (SELECT order_id FROM late UNION SELECT id FROM wanting)
            AND cancel_requested_at IS NULL AND hold_reason IS NULL
            AND EXISTS (SELECT FROM order_plans WHERE order_id = o.id)
            AND (${after}::text IS NULL OR id > ${after})
          ORDER BY id LIMIT ${limit}`
      ),

    change: (orderId, options, decide) =>
      Effect.gen(function* () {
        const look = Effect.flatMap(read(orderId, options.now), (running) => {
          const decided = decide(running)
          return Result.isSuccess(decided)
            ? Effect.succeed(decided.success)
            : Effect.fail(new CannotReplan({ orderId, reason: decided.failure, isCancelled: false }))
        })
        // What fails without the locks may only have been read while it was changed.
        const first = yield* Effect.option(look)
        if (Option.isSome(first) && first.value === null) return first.value
        return yield* transaction(
          "ReplanStore.change",
          Effect.gen(function* () {
            yield* lockOrder(orderId)
            yield* lockSlices(orderId)
            const decided = yield* look
            if (decided !== null) yield* write(orderId, decided, options)
            return decided
          })
        )
      })
  })
})
