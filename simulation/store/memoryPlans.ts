import { DateTime, Duration, Result } from "effect"
import { DbError } from "../../src/db/DbError.ts"
import { dueInQueue } from "../../src/domain/lifecycle/lookBack.ts"
import { validateOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import { OrderId } from "../../src/domain/model/Ids.ts"
import { defaultMaxLatenessSeconds, type OrderParameters } from "../../src/domain/model/Order.ts"
import { because } from "../../src/domain/model/reason.ts"
import type { OrderPlan } from "../../src/domain/planning/planOrder.ts"
import { orphanedWords } from "../../src/stores/sql/planRows.ts"
import { type Memory, micros } from "./Memory.ts"
import type { OrderRow, PlanRow, SliceRow } from "./rows.ts"

const duplicate = (constraint: string) =>
  new DbError({
    operation: "memory",
    message: `duplicate key value violates unique constraint ${constraint}`,
    isTransient: false,
    sqlState: "23505"
  })

const notValid = (message: string) =>
  new DbError({ operation: "memory", message, isTransient: false, sqlState: "23514" })

/**
 * Writes each order's plan and slices as the fragment `planRows` does, all or nothing. Returns the constraint that forbids
 * it, or null. `before` runs when nothing forbids it, before the rows are there.
 */
export const writePlans = (
  memory: Memory,
  planned: ReadonlyArray<{ readonly order: OrderRow; readonly plan: OrderPlan }>,
  options: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration },
  before: () => void = () => {}
): DbError | null => {
  const plans: Array<PlanRow> = []
  const slices: Array<SliceRow> = []
  const orphaned: Array<OrderRow> = []
  for (const { order, plan } of planned) {
    const startsAt = plan.startsAt === null ? order.createdAt : DateTime.toEpochMillis(plan.startsAt)
    const endsAt = micros(startsAt + plan.endMillis)
    const row: PlanRow = {
      orderId: order.id,
      revision: plan.revision,
      input: plan.input,
      startsAt,
      endsAt,
      closesAt: micros(endsAt + Duration.toMillis(options.windowGrace)),
      firstSequence: plan.firstSequence,
      completesAt: plan.completeMillis === null ? null : micros(startsAt + plan.completeMillis),
      cause: plan.cause
    }
    if (memory.plansOf(order.id).some(({ revision }) => revision === plan.revision))
      return duplicate("order_plans_pkey")
    plans.push(row)
    const valid = validateOrder(order)
    if (Result.isFailure(valid)) return notValid(valid.failure)
    const rows = slicesOf(order, valid.success, plan, row, options.now)
    if (rows.some(({ tag }) => memory.orphans.has(tag))) orphaned.push(order)
    if (rows.some(({ id }) => memory.slices.has(id))) return duplicate("order_slices_pkey")
    slices.push(...rows)
  }
  before()
  for (const plan of plans) memory.plansOf(plan.orderId).push(plan)
  for (const slice of slices) memory.addSlice(slice)
  for (const { id, holdReason } of orphaned) {
    if (holdReason === null)
      memory.hold(id, because("orphaned_orders", orphanedWords), DateTime.toEpochMillis(options.now))
  }
  for (const slice of slices) takeOrphan(memory, slice, DateTime.toEpochMillis(options.now))
  return null
}

/** A slice that the broker has already starts as PROCESSED. */
const takeOrphan = (memory: Memory, slice: SliceRow, nowMillis: number): void => {
  const [brokerOrderId] = memory.orphans.get(slice.tag)?.brokerOrderIds ?? []
  if (brokerOrderId === undefined) return
  slice.stage = "PROCESSED"
  slice.isHeld = false
  slice.stageReason = orphanedWords
  slice.reasonCode = "forgotten_by_database"
  slice.brokerOrderId = brokerOrderId
  slice.brokerStatus = "PENDING"
  slice.acknowledgedAt = nowMillis
}

const slicesOf = (
  order: OrderRow,
  { instrument, side, productType, validity }: OrderParameters,
  plan: OrderPlan,
  { startsAt, closesAt, cause }: PlanRow,
  now: DateTime.Utc
): ReadonlyArray<SliceRow> => {
  const isCancelled = order.cancelRequestedAt !== null
  const isBound = cause !== "COMPLETION"
  const latenessMillis = (order.maxLatenessSeconds ?? defaultMaxLatenessSeconds) * 1000
  return plan.slices.map((slice) => {
    const scheduledAt = micros(startsAt + slice.dueMillis)
    const tooLateAt = micros(startsAt + slice.dueMillis + latenessMillis)
    return {
      id: slice.id,
      orderId: OrderId.make(order.id),
      sequenceNumber: slice.sequenceNumber,
      tag: slice.tag,
      instrument,
      side,
      productType,
      validity,
      orderType: plan.orderType,
      limitPrice: plan.limitPrice,
      quantity: slice.quantity,
      requestId: order.requestId,
      traceId: order.originTraceId,
      market: plan.market,
      scheduledAt,
      notBefore: isCancelled ? scheduledAt : dueInQueue(scheduledAt, DateTime.toEpochMillis(now)),
      notAfter: order.latenessPolicy === "SKIP" && isBound ? Math.min(closesAt, tooLateAt) : closesAt,
      staleAt: order.latenessPolicy === "RESPREAD" && isBound ? tooLateAt : null,
      stage: isCancelled ? "SKIPPED" : "SCHEDULED",
      stageReason: isCancelled ? "order cancelled" : null,
      reasonCode: isCancelled ? "order_cancelled" : null,
      claimVersion: 0,
      claimedBy: null,
      claimedAt: null,
      leaseExpiresAt: null,
      attempts: 0,
      outcomeUnknownAt: null,
      inDoubtAt: null,
      leftBookAt: null,
      placedAt: null,
      acknowledgedAt: null,
      brokerOrderId: null,
      brokerStatus: null,
      brokerStatusText: null,
      brokerIsFinal: false,
      filledQuantity: 0,
      averagePrice: null,
      cancelSentAt: null,
      isHeld: order.holdReason !== null,
      replacedBy: null,
      carriedQuantity: 0,
      isWaived: false
    }
  })
}
