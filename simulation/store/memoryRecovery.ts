import { Effect } from "effect"
import { ClaimVersion } from "../../src/domain/model/OrderSlice.ts"
import { because, type Reason } from "../../src/domain/model/reason.ts"
import { isFollowed, isInDoubt, isOpenAtBroker, isWindowOver } from "../../src/domain/model/sliceState.ts"
import type { LateArrival, RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { giveBrokerOrder } from "./giveBrokerOrder.ts"
import { type Memory, millisOf } from "./Memory.ts"
import { mayWantPlan } from "./memoryReplans.ts"
import type { SliceRow } from "./rows.ts"

const cancelledDaysMillis = 3 * 86_400_000

/** RecoveryStore's statements, on {@link Memory}. */
export const memoryRecovery = (memory: Memory): RecoveryStore["Service"] => ({
  look: ({ now, doubtedSince }) =>
    Effect.sync(() => {
      const slices = [...memory.slices.values()]
      const nowMillis = millisOf(now)
      return {
        hasSent: slices.some(({ claimedAt }) => claimedAt !== null && claimedAt >= millisOf(doubtedSince)),
        forBroker: slices.some((slice) => waitsForBroker(slice, nowMillis, millisOf(doubtedSince))),
        forPlan:
          slices.some(
            ({ stage, staleAt, isHeld }) => stage === "SCHEDULED" && staleAt !== null && staleAt < nowMillis && !isHeld
          ) || [...memory.orders.values()].some(mayWantPlan)
      }
    }),

  previouslyInDoubt: (since, limit) =>
    Effect.sync(() =>
      [...memory.slices.values()]
        .flatMap((slice) => (slice.inDoubtAt === null ? [] : [{ slice, inDoubtAt: slice.inDoubtAt }]))
        .filter(({ inDoubtAt }) => inDoubtAt >= millisOf(since))
        .filter(({ slice }) => slice.stage !== "IN_PROGRESS" && !isOpenAtBroker(slice))
        .toSorted((a, b) => b.inDoubtAt - a.inDoubtAt)
        .slice(0, limit)
        .map(({ slice }) => ({ ...slice, claimVersion: ClaimVersion.make(slice.claimVersion) }))
    ),

  takeOver: (lateArrivals, reason, now) =>
    Effect.sync(() => new Set(lateArrivals.flatMap((late) => takeOver(memory, late, reason, millisOf(now))))),

  leaveOrderList: (ids, now) =>
    Effect.sync(() => {
      const left = new Set<string>()
      for (const id of ids) {
        const slice = memory.slices.get(id)
        if (slice === undefined || !isFollowed(slice)) continue
        slice.leftBookAt = millisOf(now)
        left.add(id)
      }
      return left
    }),

  skipStale: (now, reason, limit) =>
    Effect.sync(() =>
      skip(
        memory,
        because("window_over", reason),
        limit,
        ({ notBefore, notAfter }) => notBefore <= millisOf(now) && isWindowOver(notAfter, millisOf(now))
      )
    ),

  skipCancelled: (now, limit) =>
    Effect.sync(() =>
      skip(memory, because("order_cancelled", "order cancelled"), limit, ({ orderId }) => {
        const at = memory.orders.get(orderId)?.cancelRequestedAt ?? null
        return at !== null && at >= millisOf(now) - cancelledDaysMillis
      })
    )
})

const waitsForBroker = (slice: SliceRow, nowMillis: number, doubtedSinceMillis: number): boolean => {
  if (slice.inDoubtAt !== null && slice.inDoubtAt >= doubtedSinceMillis) return true
  return isInDoubt(slice, nowMillis) || isFollowed(slice)
}

/**
 * Gives the slice the broker order and returns its id; empty when the slice has changed since, or other slices replace it.
 */
const takeOver = (
  memory: Memory,
  { slice: doubted, order, noted }: LateArrival,
  reason: string,
  nowMillis: number
): ReadonlyArray<string> => {
  const slice = memory.slices.get(doubted.id)
  if (slice === undefined || slice.stage === "PROCESSED" || slice.stage === "IN_PROGRESS") return []
  if (!memory.isOnRecord(slice.tag, noted)) return []
  if (slice.claimVersion !== doubted.claimVersion) return []
  if (slice.replacedBy !== null || slice.carriedQuantity !== 0) return []
  giveBrokerOrder(slice, order, because("late_arrival", reason))
  slice.acknowledgedAt = nowMillis
  return [slice.id]
}

/** SCHEDULED → SKIPPED for up to `limit` of the wanted slices; returns their ids. */
const skip = (
  memory: Memory,
  reason: Reason,
  limit: number,
  isWanted: (slice: SliceRow) => boolean
): ReadonlyArray<string> =>
  [...memory.slices.values()]
    .filter((slice) => slice.stage === "SCHEDULED" && isWanted(slice))
    .slice(0, limit)
    .map((slice) => {
      slice.stage = "SKIPPED"
      slice.isHeld = false
      slice.stageReason = reason.text
      slice.reasonCode = reason.code
      return slice.id
    })
