import { Effect } from "effect"
import { isTerminal } from "../../src/domain/model/BrokerOrder.ts"
import { ClaimVersion } from "../../src/domain/model/OrderSlice.ts"
import { isFollowed, isOpenAtBroker } from "../../src/domain/model/sliceState.ts"
import type { DoubtStore } from "../../src/stores/slices/DoubtStore.ts"
import { type Memory, millisOf } from "./Memory.ts"

/** DoubtStore's statements, on {@link Memory}. */
export const memoryDoubts = (memory: Memory): DoubtStore["Service"] => ({
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

  takeOver: (turnedUp, reason, now) =>
    Effect.sync(() => {
      const taken = new Set<string>()
      for (const { slice: doubted, order } of turnedUp) {
        const slice = memory.slices.get(doubted.id)
        if (slice === undefined || slice.stage === "PROCESSED" || slice.stage === "IN_PROGRESS") continue
        if (slice.claimVersion !== doubted.claimVersion) continue
        if (slice.replacedBy !== null || slice.carriedQuantity !== 0) continue
        slice.stage = "PROCESSED"
        slice.stageReason = reason
        slice.claimVersion += 1
        slice.brokerOrderId = order.brokerOrderId
        slice.acknowledgedAt = millisOf(now)
        slice.brokerStatus = order.status
        slice.brokerStatusText = order.statusText
        slice.brokerIsFinal = isTerminal(order.status)
        slice.filledQuantity = order.filledQuantity
        slice.averagePrice = order.averagePrice
        taken.add(slice.id)
      }
      return taken
    }),

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
    })
})
