import { type DateTime, Effect, Option, Result, Schema } from "effect"
import type { Db, Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { UntrustedOrder, validateOrder } from "../../domain/lifecycle/validateOrder.ts"
import { OrderQueueStatus } from "../../domain/model/Order.ts"
import { type RunningOrder, RunningSlice } from "../../domain/planning/replan/RunningOrder.ts"
import { isOfOrder } from "../sql/moves.ts"
import { orderColumns } from "../sql/orderColumns.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { decodePlanInput, StoredPlan } from "./PlanStore.ts"

/** The order cannot have a new plan; the reason says why. Nothing was changed. */
export class CannotReplan extends Schema.TaggedError<CannotReplan>()("CannotReplan", {
  orderId: Schema.String,
  reason: Schema.String,
  /** Whether a cancel is the reason, so that no person has to act. */
  isCancelled: Schema.Boolean
}) {
  override get message(): string {
    return `Order ${this.orderId} was not changed: ${this.reason}`
  }
}

const StoredOrder = Schema.Struct({
  ...UntrustedOrder.fields,
  orderQueueStatus: OrderQueueStatus,
  isCancelled: Schema.Boolean,
  waitsForCalendar: Schema.Boolean
})

const LatestPlan = Schema.Struct({
  ...StoredPlan.fields,
  completesAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  lastRevision: Schema.Int,
  nextSequence: Schema.Int,
  completions: Schema.Int,
  /** The input of the latest plan that a person asked for. */
  intended: Schema.Unknown
})

/** Reads the state of an order, for a new plan of it. Fails unless the order is split, valid and not cancelled. */
export const readRunningOrder = (
  db: Db["Service"],
  orderId: string,
  now: DateTime.Utc
): Effect.Effect<RunningOrder, CannotReplan | DbError> =>
  Effect.gen(function* () {
    const cannot = (reason: string, isCancelled = false) =>
      Effect.fail(new CannotReplan({ orderId, reason, isCancelled }))
    const found = yield* readOrder(db, orderId)
    if (Option.isNone(found)) return yield* cannot("there is no such order")
    const row = found.value
    if (row.isCancelled) return yield* cannot("it was cancelled", true)
    if (row.orderQueueStatus !== "DONE") return yield* cannot(`it is ${row.orderQueueStatus}, not split`)
    const order = validateOrder(row)
    if (Result.isFailure(order)) return yield* cannot(`its row is not valid any more: ${order.failure}`)
    const slices = yield* readSlices(db, orderId, now)
    const latest = Option.flatMap(yield* readLatestPlan(db, orderId), (plan) =>
      Option.all({
        plan: Option.some(plan),
        input: decodePlanInput(plan.input),
        intended: decodePlanInput(plan.intended)
      })
    )
    if (Option.isNone(latest)) {
      return yield* cannot("it was split by a version of the service that recorded its plan differently, or not at all")
    }
    const { plan, input, intended } = latest.value
    return {
      order: order.success,
      plan: { ...plan, revision: plan.lastRevision, input, keepsHours: plan.sessions !== null },
      intended,
      completions: plan.completions,
      slices,
      nextSequence: plan.nextSequence,
      waitsForCalendar: row.waitsForCalendar
    }
  })

const readOrder = ({ sql, queryOption }: Db["Service"], orderId: string) =>
  queryOption(
    "ReplanStore.readOrder",
    StoredOrder,
    sql`
      SELECT ${sql.literal(orderColumns)}, o.order_queue_status, o.cancel_requested_at IS NOT NULL AS is_cancelled,
        o.reason_code IS NOT DISTINCT FROM ${reasonCode(sql, "calendar_ends")} AS waits_for_calendar
      FROM orders o WHERE id = ${orderId}`
  )

/** The order's number, by its id. */
export const numberOf = (sql: Sql, orderId: string) => sql`(SELECT number FROM orders WHERE id = ${orderId})`

const readSlices = ({ sql, query }: Db["Service"], orderId: string, now: DateTime.Utc) =>
  query(
    "ReplanStore.readSlices",
    RunningSlice,
    sql`
      SELECT p.id, (slice & 1048575)::int AS sequence_number, s.quantity, s.filled AS filled_quantity, s.carried AS carried_quantity,
        s.stage, s.is_final AS broker_is_final, s.is_waived,
        (extract(epoch FROM p.scheduled_at) * 1000)::float8 AS scheduled_millis,
        coalesce(s.stale_at < ${instant(now)}, false) AS is_late,
        coalesce(s.broker_status = 'REJECTED', false) AS is_rejected,
        s.left_book_at IS NOT NULL OR s.unknown_at IS NOT NULL OR coalesce(c.lease_expires_at <= ${instant(now)}, false)
          AS is_in_doubt
      FROM slice_plan p
      JOIN slice_states s USING (slice)
      LEFT JOIN slice_claims c ON c.id = s.claim AND s.stage = 'IN_PROGRESS'
      WHERE p.order_number = ${numberOf(sql, orderId)} AND s.replaced_by IS NULL
      ORDER BY slice`
  )

const readLatestPlan = ({ sql, queryOption }: Db["Service"], orderId: string) =>
  queryOption(
    "ReplanStore.readLatestPlan",
    LatestPlan,
    sql`
      SELECT p.*,
        (SELECT (max(slice) & 1048575)::int + 1 FROM slice_plan WHERE ${isOfOrder(sql, "slice", numberOf(sql, orderId))})
          AS next_sequence,
        (SELECT max(revision) FROM order_plans WHERE order_id = ${orderId}) AS last_revision,
        (SELECT count(*)::int FROM order_plans WHERE order_id = ${orderId} AND cause = 'COMPLETION' AND cut_sequence IS NULL) AS completions,
        (SELECT input FROM order_plans WHERE order_id = ${orderId} AND cause IN ('SPLIT', 'AMENDMENT')
          ORDER BY revision DESC LIMIT 1) AS intended
      FROM order_plans p WHERE order_id = ${orderId} AND cut_sequence IS NULL ORDER BY revision DESC LIMIT 1`
  )
