import { DateTime, Duration, Effect, Result } from "effect"
import { DbError } from "../../src/db/DbError.ts"
import { validateOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import { OrderId } from "../../src/domain/model/Ids.ts"
import { defaultMaxLatenessSeconds, type OrderParameters } from "../../src/domain/model/Order.ts"
import type { OrderPlan } from "../../src/domain/planning/planOrder.ts"
import type { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { type Memory, micros, millisOf } from "./Memory.ts"
import type { OrderRow, PlanRow, SliceRow } from "./rows.ts"

const yearMillis = 366 * 86_400_000

/** OrderStore's statements, on {@link Memory}. */
export const memoryOrders = (memory: Memory): OrderStore["Service"] => {
  const owned = (id: string, claimVersion: number): OrderRow | null => {
    const order = memory.orders.get(id)
    return order?.orderQueueStatus === "IN_PROGRESS" && order.claimVersion === claimVersion ? order : null
  }

  return {
    claimPending: ({ now, owner, limit, windowGrace }) =>
      Effect.sync(() => {
        const nowMillis = millisOf(now)
        const picked = [...memory.orders.values()]
          .filter((order) => order.orderQueueStatus === "PENDING")
          .toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
          .slice(0, limit)
        return picked.map((order) => {
          const skipReason = skipReasonOf(order, nowMillis, windowGrace)
          const isSplit = memory.slicesOf(order.id).length > 0
          order.orderQueueStatus = isSplit ? "DONE" : skipReason === null ? "IN_PROGRESS" : "SKIPPED"
          order.statusReason = isSplit ? "it was split before, and is not split again" : skipReason
          order.claimVersion += 1
          order.splitAttempts += 1
          order.claimedBy = owner
          order.claimedAt = nowMillis
          const createdMillis = Math.abs(order.createdAt - nowMillis) <= yearMillis ? order.createdAt : null
          return { ...order, createdMillis }
        })
      }),

    completeSplits: (splits, { now, windowGrace }) =>
      Effect.suspend(() => {
        const mine = splits.flatMap(({ plan, claimVersion }) => {
          const order = owned(plan.orderId, claimVersion)
          return order === null ? [] : [{ order, plan }]
        })
        const problem = writePlans(memory, mine, windowGrace)
        if (problem !== null) return Effect.fail(problem)
        for (const { order } of mine) {
          order.orderQueueStatus = "DONE"
          order.statusReason = null
          order.splitAt = millisOf(now)
        }
        return Effect.succeed(mine.map(({ order }) => order.id))
      }),

    failSplits: (failures) =>
      Effect.sync(() => {
        for (const { id, claimVersion, status, reason } of failures) {
          const order = owned(id, claimVersion)
          if (order === null) continue
          order.orderQueueStatus = status
          order.statusReason = reason
        }
      }),

    release: (orders) =>
      Effect.sync(() => {
        for (const { id, claimVersion } of orders) {
          const order = owned(id, claimVersion)
          if (order === null) continue
          order.orderQueueStatus = "PENDING"
          order.claimedBy = null
          order.claimedAt = null
          order.splitAttempts -= 1
        }
      }),

    releaseStuck: ({ claimedBefore, maxAttempts }) =>
      Effect.sync(() => {
        const before = millisOf(claimedBefore)
        const stuck = [...memory.orders.values()].filter(
          (order) => order.orderQueueStatus === "IN_PROGRESS" && order.claimedAt !== null && order.claimedAt < before
        )
        return stuck.map((order) => {
          order.orderQueueStatus = order.splitAttempts < maxAttempts ? "PENDING" : "FAILED"
          order.statusReason =
            `attempt ${order.splitAttempts} of ${maxAttempts} to split it, by ${order.claimedBy ?? "nobody"}, did not end ` +
            "within ORDER_SPLIT_TIMEOUT_MINUTES" +
            (order.orderQueueStatus === "PENDING"
              ? ""
              : ": see that daemon's log, then submit the order again with another key")
          order.claimedBy = null
          order.claimedAt = null
          return { id: order.id, orderQueueStatus: order.orderQueueStatus, statusReason: order.statusReason }
        })
      }),

    stoppedAmong: (ids) =>
      Effect.sync(() =>
        [...ids].filter((id) => {
          const order = memory.orders.get(id)
          return order !== undefined && (order.cancelRequestedAt !== null || order.holdReason !== null)
        })
      ),

    noteDouble: ({ tag, orderId, brokerOrderIds }, now, alarm) =>
      Effect.suspend(() => {
        if (memory.doubles.has(tag)) return Effect.void
        memory.doubles.set(tag, brokerOrderIds)
        memory.hold(orderId, `the broker has ${brokerOrderIds.length} orders with tag ${tag}`, millisOf(now))
        return alarm
      })
  }
}

const skipReasonOf = (order: OrderRow, nowMillis: number, grace: Duration.Duration | null): string | null => {
  if (order.cancelRequestedAt !== null) return "cancelled before the split"
  const { durationMinutes } = order
  const isOver =
    grace !== null &&
    durationMinutes !== null &&
    durationMinutes >= 0 &&
    durationMinutes <= 1440 &&
    order.createdAt < nowMillis - durationMinutes * 60_000 - Duration.toMillis(grace)
  return isOver ? "the order's window and its grace were over before the split" : null
}

const duplicate = (constraint: string) =>
  new DbError({
    operation: "memory",
    message: `duplicate key value violates unique constraint ${constraint}`,
    isTransient: false,
    sqlState: "23505"
  })

const notValid = (message: string) =>
  new DbError({ operation: "memory", message, isTransient: false, sqlState: "23514" })

/** Each order's plan and its slices, all or nothing. */
export const writePlans = (
  memory: Memory,
  planned: ReadonlyArray<{ readonly order: OrderRow; readonly plan: OrderPlan }>,
  windowGrace: Duration.Duration,
  before: () => void = () => {}
): DbError | null => {
  const plans: Array<PlanRow> = []
  const slices: Array<SliceRow> = []
  for (const { order, plan } of planned) {
    const startsAt = plan.startsAt === null ? order.createdAt : DateTime.toEpochMillis(plan.startsAt)
    const row: PlanRow = {
      orderId: order.id,
      revision: plan.revision,
      input: plan.input,
      startsAt,
      endsAt: micros(startsAt + plan.endMillis),
      firstSequence: plan.firstSequence,
      completesAt: plan.completeMillis === null ? null : micros(startsAt + plan.completeMillis),
      cause: plan.cause
    }
    if (memory.plansOf(order.id).some(({ revision }) => revision === plan.revision))
      return duplicate("order_plans_pkey")
    plans.push(row)
    const valid = validateOrder(order)
    if (Result.isFailure(valid)) return notValid(valid.failure)
    const rows = slicesOf(order, valid.success, plan, row, windowGrace)
    if (rows.some(({ id }) => memory.slices.has(id))) return duplicate("order_slices_pkey")
    slices.push(...rows)
  }
  before()
  for (const plan of plans) memory.plansOf(plan.orderId).push(plan)
  for (const slice of slices) memory.addSlice(slice)
  return null
}

const slicesOf = (
  order: OrderRow,
  { instrument, side, productType, validity }: OrderParameters,
  plan: OrderPlan,
  { startsAt, endsAt, cause }: PlanRow,
  windowGrace: Duration.Duration
): ReadonlyArray<SliceRow> => {
  const isCancelled = order.cancelRequestedAt !== null
  const isBound = cause !== "COMPLETION"
  const latenessMillis = (order.maxLatenessSeconds ?? defaultMaxLatenessSeconds) * 1000
  return plan.slices.map((slice) => {
    const scheduledAt = micros(startsAt + slice.dueMillis)
    const tooLateAt = micros(startsAt + slice.dueMillis + latenessMillis)
    const end = micros(endsAt + Duration.toMillis(windowGrace))
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
      notBefore: scheduledAt,
      notAfter: order.latenessPolicy === "SKIP" && isBound ? Math.min(end, tooLateAt) : end,
      staleAt: order.latenessPolicy === "RESPREAD" && isBound ? tooLateAt : null,
      stage: isCancelled ? "SKIPPED" : "SCHEDULED",
      stageReason: isCancelled ? "order cancelled" : null,
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
