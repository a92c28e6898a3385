import { DateTime, Duration, Effect, Option } from "effect"
import { BrokerOrderId, type Tag } from "../../src/domain/model/Ids.ts"
import { ClaimVersion } from "../../src/domain/model/OrderSlice.ts"
import { because } from "../../src/domain/model/reason.ts"
import type { FoundSlice } from "../../src/domain/operations/serverHistory.ts"
import { type HistoryStore, theService } from "../../src/stores/operations/HistoryStore.ts"
import { giveBrokerOrder } from "./giveBrokerOrder.ts"
import { type Memory, millisOf } from "./Memory.ts"

/** HistoryStore's statements, on {@link Memory}. */
export const memoryHistory = (memory: Memory): HistoryStore["Service"] => ({
  mark: (reason, isAnew, now) =>
    Effect.sync(() => {
      const { history } = memory
      const isMarked = history.unsettled !== null && history.unsettled.timeline === history.timeline
      if (!isAnew && (isMarked || memory.isHistorySettled)) return
      history.unsettled = { since: millisOf(now), timeline: history.timeline, reason }
    }),

  unsettled: (now) =>
    Effect.sync(() =>
      Option.map(Option.fromNullishOr(memory.history.unsettled), ({ since, reason }) => ({
        since: DateTime.makeUnsafe(since),
        forMillis: millisOf(now) - since,
        reason,
        seenAt: null
      }))
    ),

  tagged: (tags: ReadonlySet<Tag>) =>
    Effect.sync(() =>
      [...memory.slices.values()]
        .filter(({ tag }) => tags.has(tag))
        .map((slice) => ({
          ...slice,
          claimVersion: ClaimVersion.make(slice.claimVersion),
          brokerOrderId: slice.brokerOrderId === null ? null : BrokerOrderId.make(slice.brokerOrderId),
          isReplaced: slice.replacedBy !== null || slice.carriedQuantity > 0
        }))
    ),

  adopt: (found, reason, now) =>
    Effect.sync(() => new Set(found.flatMap((one) => adopt(memory, one, reason, millisOf(now))))),

  // The order list of a run begins with the run.
  unprovable: () => Effect.succeed(0),

  noteOrphans: (orphans) =>
    Effect.sync(() => {
      const known = new Set([...memory.slices.values()].map(({ tag }) => tag))
      const noted = orphans.filter(({ tag }) => !known.has(tag))
      for (const { tag, brokerOrderIds } of noted) {
        memory.orphans.set(tag, { brokerOrderIds, isTold: memory.orphans.get(tag)?.isTold ?? false })
      }
      return noted.filter(({ tag }) => memory.orphans.get(tag)?.isTold !== true).length
    }),

  settle: ({ since, wait, halt, now }) =>
    Effect.sync(() => {
      const { history } = memory
      const { unsettled } = history
      if (unsettled === null || unsettled.since !== millisOf(since)) return false
      if (unsettled.timeline !== history.timeline) return false
      if (unsettled.since + Duration.toMillis(wait) > millisOf(now)) return false
      history.recordedTimeline = history.timeline
      history.versionBase += 1000
      history.unsettled = null
      if (halt !== null) {
        const row = { isHalted: true, reason: halt, requestedBy: theService, requestedAt: millisOf(now) }
        memory.halts.push({ ...row, id: memory.halts.length + 1 })
        for (const orphan of memory.orphans.values()) orphan.isTold = true
      }
      return true
    })
})

/** Gives the slice the broker order and returns its id; empty when the slice has changed since. */
const adopt = (
  memory: Memory,
  { slice: read, order }: FoundSlice,
  reason: string,
  nowMillis: number
): ReadonlyArray<string> => {
  const slice = memory.slices.get(read.id)
  if (slice === undefined || slice.stage === "PROCESSED" || slice.claimVersion !== read.claimVersion) return []
  if (slice.replacedBy !== null || slice.carriedQuantity !== 0) return []
  const wasQueued = slice.stage === "SCHEDULED" || slice.stage === "IN_PROGRESS"
  slice.inDoubtAt = wasQueued ? nowMillis : slice.inDoubtAt
  giveBrokerOrder(slice, order, because("forgotten_by_database", reason))
  slice.outcomeUnknownAt = null
  slice.acknowledgedAt = slice.acknowledgedAt ?? nowMillis
  return [slice.id]
}
