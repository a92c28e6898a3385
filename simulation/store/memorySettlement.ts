import { DateTime, Effect } from "effect"
import type { SettledSlice } from "../../src/domain/lifecycle/settlement.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { ClaimVersion } from "../../src/domain/model/OrderSlice.ts"
import { because } from "../../src/domain/model/reason.ts"
import type { Repair } from "../../src/stores/account/repairSlices.ts"
import type { SettlementStore } from "../../src/stores/account/SettlementStore.ts"
import { giveBrokerOrder } from "./giveBrokerOrder.ts"
import { type Memory, millisOf } from "./Memory.ts"
import type { SliceRow } from "./rows.ts"

/** SettlementStore's statements, on {@link Memory}. */
export const memorySettlement = (memory: Memory): SettlementStore["Service"] => ({
  slices: (tags) =>
    Effect.sync(() => {
      const wanted = new Set<string>(tags)
      return [...memory.slices.values()].filter(({ tag }) => wanted.has(tag)).map((slice) => settled(memory, slice))
    }),

  note: (differences, now, alarm) =>
    Effect.suspend(() => {
      const fresh = differences.filter((difference) => {
        const known = memory.differences.get(`${difference.tag} ${difference.kind}`)
        return known === undefined || known.facts !== difference.facts || known.isEnded
      })
      for (const difference of fresh) {
        memory.differences.set(`${difference.tag} ${difference.kind}`, {
          ...difference,
          seenAt: millisOf(now),
          isEnded: false
        })
      }
      const [first, ...more] = differences
      if (fresh.length === 0 || first === undefined) return Effect.succeed(false)
      const words = more.length === 0 ? first.words : `${first.words}; and ${more.length} more`
      if (first.isHeld && first.orderId !== null) hold(memory, first.orderId, words, millisOf(now))
      return Effect.as(alarm, true)
    }),

  repair: (repairs, { by, reason }) =>
    Effect.sync(() => repairs.filter((one) => repair(memory, one, `reconciled by ${by}: ${reason}`)).length),

  end: (differences) =>
    Effect.sync(() => {
      for (const { tag, kind } of differences) {
        const known = memory.differences.get(`${tag} ${kind}`)
        if (known !== undefined) known.isEnded = true
      }
    }),

  current: (since) =>
    Effect.sync(() =>
      [...memory.differences.values()]
        .filter(({ seenAt }) => seenAt >= millisOf(since))
        .filter(({ isEnded, isHeld, orderId, seenAt }) => {
          const order = orderId === null ? undefined : memory.orders.get(orderId)
          if (isEnded && !(isHeld && (order?.holdReason ?? null) !== null)) return false
          return !(Math.max(order?.resumedAt ?? 0, order?.cancelRequestedAt ?? 0) >= seenAt)
        })
        .toSorted(
          (a, b) =>
            Number(b.isCritical) - Number(a.isCritical) ||
            a.seenAt - b.seenAt ||
            (`${a.tag} ${a.kind}` < `${b.tag} ${b.kind}` ? -1 : 1)
        )
        .map(({ seenAt, ...difference }) => ({ ...difference, seenAt: DateTime.makeUnsafe(seenAt) }))
    )
})

const hold = (memory: Memory, orderId: string, words: string, nowMillis: number): void => {
  const order = memory.orders.get(orderId)
  if (order === undefined || order.holdReasonCode === "double_placement") return
  const { heldAt, holdReason, holdReasonCode } = order
  const before =
    holdReason === null || holdReasonCode === "broker_differs" ? "" : `; it was on hold before: ${holdReason}`
  memory.hold(
    orderId,
    because("broker_differs", `${words}${before}`),
    (holdReason === null ? null : heldAt) ?? nowMillis
  )
}

const settled = (memory: Memory, slice: SliceRow): SettledSlice => ({
  ...slice,
  claimVersion: ClaimVersion.make(slice.claimVersion),
  brokerOrderId: slice.brokerOrderId === null ? null : BrokerOrderId.make(slice.brokerOrderId),
  acknowledgedMillis: slice.acknowledgedAt === null ? null : Math.ceil(slice.acknowledgedAt),
  isCancelAsked: slice.cancelSentAt !== null || (memory.orders.get(slice.orderId)?.cancelRequestedAt ?? null) !== null
})

/** Writes the state of the broker order to a final slice, if nothing has changed since it was read. */
const repair = (memory: Memory, { slice: read, order, noted }: Repair, reason: string): boolean => {
  const slice = memory.slices.get(read.id)
  if (slice === undefined || slice.stage !== read.stage || slice.claimVersion !== read.claimVersion) return false
  if (slice.replacedBy !== null || slice.brokerIsFinal !== read.brokerIsFinal) return false
  if (slice.brokerStatus !== read.brokerStatus || slice.filledQuantity !== read.filledQuantity) return false
  if (slice.carriedQuantity !== read.carriedQuantity || !memory.isOnRecord(slice.tag, noted)) return false
  giveBrokerOrder(slice, order, because("repaired_from_order_list", reason))
  slice.leftBookAt = null
  return true
}
