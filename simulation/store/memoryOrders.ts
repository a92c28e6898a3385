import { type Duration, Effect } from "effect"
import { isOrderWindowOver, overBeforeSplit } from "../../src/domain/lifecycle/orderState.ts"
import { because, type Reason } from "../../src/domain/model/reason.ts"
import type { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { type Memory, millisOf } from "./Memory.ts"
import { writePlans } from "./memoryPlans.ts"
import { mayWantPlan } from "./memoryReplans.ts"
import type { OrderRow, SliceRow } from "./rows.ts"

type Orders = OrderStore["Service"]

const yearMillis = 366 * 86_400_000

/** OrderStore's statements, on {@link Memory}. */
export const memoryOrders = (memory: Memory): Orders => ({
  claimPending: claimPending(memory),
  completeSplits: completeSplits(memory),
  failSplits: failSplits(memory),
  waitForCalendar: () => Effect.die("the simulation has no trading calendar to wait for"),
  release: release(memory),
  releaseStuck: releaseStuck(memory),
  stoppedAmong: stoppedAmong(memory),
  lastRefusals: lastRefusals(memory),
  noteDouble: noteDouble(memory)
})

/** The order while this claim of it is current; null afterwards. */
const owned = (memory: Memory, id: string, claimVersion: number): OrderRow | null => {
  const order = memory.orders.get(id)
  return order?.orderQueueStatus === "IN_PROGRESS" && order.claimVersion === claimVersion ? order : null
}

const claimPending =
  (memory: Memory): Orders["claimPending"] =>
  ({ now, owner, limit, windowGrace, isNewestFirst = false }) =>
    Effect.sync(() => {
      const nowMillis = millisOf(now)
      const picked = [...memory.orders.values()]
        .filter((order) => order.orderQueueStatus === "PENDING")
        .toSorted((a, b) => (a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)) * (isNewestFirst ? -1 : 1))
        .slice(0, limit)
      return picked.map((order) => {
        const skipReason = skipReasonOf(order, nowMillis, windowGrace)
        const isSplit = memory.slicesOf(order.id).length > 0
        order.orderQueueStatus = isSplit ? "DONE" : skipReason === null ? "IN_PROGRESS" : "SKIPPED"
        const reason = isSplit ? because("already_split", "it was split before, and is not split again") : skipReason
        order.statusReason = reason?.text ?? null
        order.reasonCode = reason?.code ?? null
        order.claimVersion += 1
        order.splitAttempts += 1
        order.claimedBy = owner
        order.claimedAt = nowMillis
        const startsMillis = Math.abs(order.createdAt - nowMillis) <= yearMillis ? order.createdAt : null
        return { ...order, startsMillis, isRestarted: false }
      })
    })

const skipReasonOf = (order: OrderRow, nowMillis: number, grace: Duration.Duration | null): Reason | null => {
  if (order.cancelRequestedAt !== null) return because("order_cancelled", "cancelled before the split")
  const { durationMinutes } = order
  const isOver =
    grace !== null &&
    durationMinutes !== null &&
    durationMinutes >= 0 &&
    durationMinutes <= 1440 &&
    isOrderWindowOver({ startMillis: order.createdAt, windowMillis: durationMinutes * 60_000 }, grace, nowMillis)
  return isOver ? overBeforeSplit : null
}

const completeSplits =
  (memory: Memory): Orders["completeSplits"] =>
  (splits, options) =>
    Effect.suspend(() => {
      const { now } = options
      const mine = splits.flatMap(({ plan, claimVersion }) => {
        const order = owned(memory, plan.orderId, claimVersion)
        return order === null ? [] : [{ order, plan }]
      })
      const problem = writePlans(memory, mine, options)
      if (problem !== null) return Effect.fail(problem)
      for (const { order } of mine) {
        order.orderQueueStatus = "DONE"
        order.statusReason = null
        order.reasonCode = null
        order.holdReasonCode = order.holdReason === null ? null : "paused_by_operator"
        order.resumedAt = null
        order.splitAt = millisOf(now)
      }
      return Effect.succeed(mine.map(({ order }) => order.id))
    })

const failSplits =
  (memory: Memory): Orders["failSplits"] =>
  (failures) =>
    Effect.sync(() => {
      for (const { id, claimVersion, status, reason } of failures) {
        const order = owned(memory, id, claimVersion)
        if (order === null) continue
        order.orderQueueStatus = status
        order.statusReason = reason.text
        order.reasonCode = reason.code
      }
    })

const release =
  (memory: Memory): Orders["release"] =>
  (orders) =>
    Effect.sync(() => {
      for (const { id, claimVersion } of orders) {
        const order = owned(memory, id, claimVersion)
        if (order === null) continue
        order.orderQueueStatus = "PENDING"
        order.claimedBy = null
        order.claimedAt = null
        order.splitAttempts -= 1
      }
    })

const releaseStuck =
  (memory: Memory): Orders["releaseStuck"] =>
  ({ claimedBefore, maxAttempts }) =>
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
          (order.orderQueueStatus === "PENDING" ? "" : ": see that daemon's log, then split it again with order retry")
        order.reasonCode = order.orderQueueStatus === "PENDING" ? "split_timed_out" : "split_attempts_exhausted"
        order.claimedBy = null
        order.claimedAt = null
        const { id, orderQueueStatus, statusReason, reasonCode } = order
        return { id, orderQueueStatus, statusReason, reasonCode }
      })
    })

const stoppedAmong =
  (memory: Memory): Orders["stoppedAmong"] =>
  (ids) =>
    Effect.sync(() =>
      [...ids].filter((id) => {
        const order = memory.orders.get(id)
        return order !== undefined && (order.cancelRequestedAt !== null || order.holdReason !== null)
      })
    )

const lastRefusals =
  (memory: Memory): Orders["lastRefusals"] =>
  (ids, count) =>
    Effect.sync(() =>
      [...ids].flatMap((id) => {
        const order = memory.orders.get(id)
        if (order === undefined || order.cancelRequestedAt !== null || order.holdReason !== null) return []
        const slices = memory.slicesOf(id)
        if (!slices.some(({ stage }) => stage === "SCHEDULED") && !mayWantPlan(order)) return []
        const answered = slices
          .filter(isAnswered)
          .filter(({ placedAt }) => placedAt !== null && placedAt > (order.resumedAt ?? -Infinity))
          .toSorted((a, b) => (b.placedAt ?? 0) - (a.placedAt ?? 0) || b.sequenceNumber - a.sequenceNumber)
        return answered.length === 0 ? [] : [{ id, refusals: answered.slice(0, count).map(refusalOf) }]
      })
    )

const isAnswered = ({ stage, reasonCode, brokerStatus }: SliceRow): boolean =>
  stage === "FAILED"
    ? reasonCode === "broker_refused"
    : stage === "PROCESSED" && brokerStatus !== null && brokerStatus !== "PENDING" && brokerStatus !== "UNRECOGNISED"

const refusalOf = ({ stage, stageReason, brokerStatus, brokerStatusText }: SliceRow): string | null => {
  if (stage === "FAILED") return stageReason
  return brokerStatus === "REJECTED" ? (brokerStatusText ?? brokerStatus) : null
}

const noteDouble =
  (memory: Memory): Orders["noteDouble"] =>
  ({ tag, orderId, brokerOrderIds, reason }, now, alarm) =>
    Effect.suspend(() => {
      if (memory.doubles.has(tag)) return Effect.void
      memory.doubles.set(tag, brokerOrderIds)
      memory.hold(orderId, because("double_placement", reason), millisOf(now))
      return alarm
    })
