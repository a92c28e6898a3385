import { BigDecimal, DateTime, Effect, Option } from "effect"
import { dueInQueue } from "../../src/domain/lifecycle/lookBack.ts"
import { because, type Reason } from "../../src/domain/model/reason.ts"
import { isInHand } from "../../src/domain/model/sliceState.ts"
import { unknownInstrument } from "../../src/domain/planning/planOrder.ts"
import { type HaltStore, lostClaims } from "../../src/stores/operations/HaltStore.ts"
import type { Database, Stores, SubmittedOrder } from "./Database.ts"
import { Memory, millisOf } from "./Memory.ts"
import { memoryHistory } from "./memoryHistory.ts"
import { memoryHeartbeats, memoryLookout } from "./memoryLookout.ts"
import { memoryOrders } from "./memoryOrders.ts"
import { memoryRecovery } from "./memoryRecovery.ts"
import { memoryReplans } from "./memoryReplans.ts"
import { memorySettlement } from "./memorySettlement.ts"
import { memorySlices } from "./memorySlices.ts"
import type { HaltRow, OrderRow } from "./rows.ts"

/**
 * The service's database in memory, on which most runs take place because it is fast. Invariant: each function has the
 * effect and the answer that the store's statement has on PostgreSQL; StoreConformance.test.ts runs the same seeds on both
 * and compares traces and tables. A guard in a statement must be here too, for the mutations. The runner makes one for each
 * seed, or a postgresDatabase with `--store postgres`.
 */
export const memoryDatabase = (): Database => {
  const memory = new Memory()
  const stores: Stores = {
    orders: memoryOrders(memory),
    slices: memorySlices(memory),
    recovery: memoryRecovery(memory),
    settlement: memorySettlement(memory),
    replans: memoryReplans(memory),
    halts: memoryHalts(memory),
    heartbeats: memoryHeartbeats(memory),
    lookout: memoryLookout(memory),
    history: memoryHistory(memory),
    commands: memoryCommands(memory),
    // No limit of a run needs quotes, so none are stored and none have to be removed.
    quotes: { prune: () => Effect.void },
    instruments: {
      markets: (instruments) =>
        Effect.sync(() => new Map(instruments.map((instrument) => [instrument, unknownInstrument] as const)))
    }
  }
  return {
    stores,
    insertOrder: (order) => Effect.sync(() => void memory.orders.set(order.id, orderRow(order))),
    run: (_operation, statement) => {
      memory.history.logPosition += 1
      return Effect.runSyncExit(statement)
    },
    tables: () => memory,
    standby: () => {
      const kept = memory.clone()
      return () => {
        const before = memory.clone()
        const timeline = Number.parseInt(memory.history.timeline, 16) + 1
        memory.becomes(kept)
        memory.history.timeline = timeline.toString(16).padStart(8, "0")
        return before
      }
    }
  }
}

const orderRow = ({ limitPrice, ...order }: SubmittedOrder): OrderRow => ({
  ...order,
  limitPrice: limitPrice === null ? null : BigDecimal.format(limitPrice),
  requestId: null,
  originTraceId: null,
  orderQueueStatus: "PENDING",
  statusReason: null,
  reasonCode: null,
  claimVersion: 0,
  claimedBy: null,
  claimedAt: null,
  splitAttempts: 0,
  splitAt: null,
  cancelRequestedAt: null,
  heldAt: null,
  holdReason: null,
  holdReasonCode: null,
  resumedAt: null,
  settledAt: null
})

const haltOf = ({ requestedAt, ...halt }: HaltRow) => ({ ...halt, requestedAt: DateTime.makeUnsafe(requestedAt) })

const memoryHalts = (memory: Memory): HaltStore["Service"] => ({
  request: ({ requestedAt, ...halt }) =>
    Effect.sync(() => {
      const row = { ...halt, id: memory.halts.length + 1, requestedAt: millisOf(requestedAt) }
      memory.halts.push(row)
      return haltOf(row)
    }),
  restore: ({ requestedAt, reason, requestedBy }) =>
    Effect.sync(() => {
      if (memory.isHalted) return
      const row = { isHalted: true, reason, requestedBy, requestedAt: millisOf(requestedAt) }
      memory.halts.push({ ...row, id: memory.halts.length + 1 })
    }),
  current: Effect.sync(() => Option.map(Option.fromNullishOr(memory.halts.at(-1)), haltOf)),
  acknowledge: (instanceId, haltId) =>
    Effect.sync(() => {
      const worker = memory.workers.get(`${instanceId}/executor`)
      if (worker === undefined) return false
      worker.acknowledgedHalt = haltId
      return true
    }),
  waitingFor: (halt, now) =>
    Effect.sync(() => {
      const executors = [...memory.workers.values()].filter(({ worker }) => worker === "executor")
      const heard = new Set(
        executors.filter(({ acknowledgedHalt }) => acknowledgedHalt >= halt.id).map(({ instanceId }) => instanceId)
      )
      const alive = executors.filter(
        ({ heartbeatAt, staleAfterMillis }) => heartbeatAt >= millisOf(now) - staleAfterMillis
      )
      const claims = [...memory.slices.values()].filter((slice) => halt.isHalted && isInHand(slice, millisOf(now)))
      const waiting = new Set([
        ...alive.map(({ instanceId }) => instanceId),
        ...claims.map(({ claimedBy }) => claimedBy ?? ""),
        ...(halt.isHalted && !memory.isHistorySettled ? [lostClaims] : [])
      ])
      return [...waiting].filter((id) => !heard.has(id)).toSorted()
    })
})

const hold = (memory: Memory, orderId: string, reason: Reason, now: DateTime.Utc) =>
  Effect.sync(() => {
    const order = memory.orders.get(orderId)
    if (order === undefined || order.holdReason !== null) return false
    memory.hold(orderId, reason, millisOf(now))
    return true
  })

const memoryCommands = (memory: Memory): Stores["commands"] => ({
  pause: (orderId, { by, reason }, now) =>
    hold(memory, orderId, because("paused_by_operator", `paused by ${by}: ${reason}`), now),
  hold: (orderId, reason, now) => hold(memory, orderId, reason, now),
  resume: (orderId, _asked, now) =>
    Effect.sync(() => {
      const order = memory.orders.get(orderId)
      if (order === undefined || order.holdReason === null) return false
      order.holdReason = null
      order.holdReasonCode = null
      order.resumedAt = millisOf(now)
      for (const slice of memory.slicesOf(orderId)) {
        if (slice.stage !== "SCHEDULED" || !slice.isHeld) continue
        slice.isHeld = false
        slice.notBefore = dueInQueue(slice.notBefore, millisOf(now))
      }
      return true
    }),
  requestCancel: (orderId, _asked, now) =>
    Effect.sync(() => {
      const order = memory.orders.get(orderId)
      if (order === undefined) return
      if (order.cancelRequestedAt === null) {
        order.cancelRequestedAt = millisOf(now)
        if (order.orderQueueStatus === "PENDING") {
          order.orderQueueStatus = "SKIPPED"
          order.statusReason = "cancelled before the split"
          order.reasonCode = "order_cancelled"
        }
      }
      for (const slice of memory.slicesOf(orderId)) {
        if (slice.stage !== "SCHEDULED") continue
        slice.stage = "SKIPPED"
        slice.isHeld = false
        slice.stageReason = "order cancelled"
        slice.reasonCode = "order_cancelled"
      }
    })
})
