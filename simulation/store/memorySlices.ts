import { DateTime, Duration, Effect } from "effect"
import { cancelPause } from "../../src/domain/lifecycle/cancels.ts"
import { dueInQueue } from "../../src/domain/lifecycle/lookBack.ts"
import { isTerminal } from "../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { unknownFacts } from "../../src/domain/model/MarketFacts.ts"
import {
  type ClaimedSlice,
  ClaimVersion,
  type OpenSlice,
  sliceKeyOf,
  type SliceTransition,
  stageOf
} from "../../src/domain/model/OrderSlice.ts"
import { isFollowed, isInDoubt, isOpenAtBroker, isWindowOver } from "../../src/domain/model/sliceState.ts"
import type { MovedSlice, SliceStore } from "../../src/stores/slices/SliceStore.ts"
import type { BrokerEvent } from "../../src/stores/sql/insertEvents.ts"
import { type Memory, millisOf, millisOrNull } from "./Memory.ts"
import type { SliceRow } from "./rows.ts"

/** The keys of slices; the number of an order is that of its insertion. */
const keysIn = (memory: Memory) => {
  const numbers = new Map([...memory.orders.keys()].map((id, number) => [id, number]))
  return ({ orderId, sequenceNumber }: SliceRow) => sliceKeyOf(numbers.get(orderId) ?? 0, sequenceNumber)
}

type Place = Pick<ClaimedSlice, "notBeforeMillis" | "key">

const compareDue = (a: Place, b: Place): number => a.notBeforeMillis - b.notBeforeMillis || a.key - b.key

type Slices = SliceStore["Service"]

/** SliceStore's statements, on {@link Memory}. */
export const memorySlices = (memory: Memory): Slices => ({
  claimDue: claimDue(memory),
  transition: transition(memory),
  unresolved: unresolved(memory),
  open: open(memory),
  saveBrokerStates: saveBrokerStates(memory),
  claimCancels: claimCancels(memory),
  cancelAnswered: cancelAnswered(memory),
  releaseCancels: releaseCancels(memory),
  stopCancels: stopCancels(memory),
  audit: (events) => Effect.sync(() => append(memory, events))
})

const claimDue =
  (memory: Memory): Slices["claimDue"] =>
  ({ now, horizon, leaseExpiresAt, owner, limit, after = null, from = null, isLatestFirst = false, seen = null }) =>
    Effect.sync(() => {
      if (memory.isHalted) return []
      if (!memory.isHistorySettled) return []
      const { timeline, logPosition, versionBase } = memory.history
      if (seen !== null && (seen.timeline !== timeline || seen.logPosition > logPosition)) return []
      const [nowMillis, horizonMillis] = [millisOf(now), millisOf(horizon)]
      const keyOf = keysIn(memory)
      const placeOf = (slice: SliceRow) => ({ notBeforeMillis: slice.notBefore, key: keyOf(slice) })
      const picked = [...memory.slices.values()]
        .filter(
          (slice) =>
            slice.stage === "SCHEDULED" &&
            slice.notBefore <= horizonMillis &&
            (from === null || slice.notBefore >= millisOf(from)) &&
            (after === null || compareDue(placeOf(slice), after) > 0) &&
            !isWindowOver(slice.notAfter, nowMillis) &&
            !slice.isHeld &&
            (slice.staleAt === null || slice.staleAt >= nowMillis)
        )
        .toSorted((a, b) => compareDue(placeOf(a), placeOf(b)) * (isLatestFirst ? -1 : 1))
        .slice(0, limit)
      return picked.map((slice) => {
        slice.stage = "IN_PROGRESS"
        slice.stageReason = null
        slice.reasonCode = null
        slice.claimVersion = Math.max(slice.claimVersion, versionBase) + 1
        slice.claimedBy = owner
        slice.claimedAt = nowMillis
        slice.leaseExpiresAt = millisOf(leaseExpiresAt)
        slice.outcomeUnknownAt = null
        return {
          ...slice,
          ...placeOf(slice),
          ...unknownFacts,
          referencePrice: null,
          claimVersion: ClaimVersion.make(slice.claimVersion),
          notAfterMillis: Math.floor(slice.notAfter),
          leaseExpiresMillis: millisOf(leaseExpiresAt),
          scheduledMillis: slice.scheduledAt
        }
      })
    })

const transition =
  (memory: Memory): Slices["transition"] =>
  (transitions, events, now) =>
    Effect.sync(() => {
      const moved: Array<MovedSlice> = []
      for (const transition of transitions) {
        const slice = memory.slices.get(transition.slice.id)
        if (slice === undefined) continue
        if (slice.stage !== "IN_PROGRESS") continue
        if (slice.claimVersion !== transition.slice.claimVersion) continue
        // One that is unknown already was written before.
        if (transition.next._tag === "Unknown" && slice.outcomeUnknownAt !== null) continue
        move(memory, slice, transition, millisOf(now ?? transition.at))
        moved.push({ id: slice.id, stage: slice.stage })
      }
      append(memory, events)
      return moved
    })

const unresolved =
  (memory: Memory): Slices["unresolved"] =>
  (now, limit) =>
    Effect.sync(() => {
      const keyOf = keysIn(memory)
      return [...memory.slices.values()]
        .filter((slice) => isInDoubt(slice, millisOf(now)))
        .map((slice) => ({ slice, last: slice.outcomeUnknownAt ?? slice.leaseExpiresAt ?? 0 }))
        .toSorted((a, b) => a.last - b.last)
        .slice(0, limit)
        .map(({ slice, last }) => ({
          ...slice,
          key: keyOf(slice),
          claimVersion: ClaimVersion.make(slice.claimVersion),
          notAfterMillis: Math.floor(slice.notAfter),
          firstSentMillis: Math.floor(slice.claimedAt ?? 0),
          lastSentMillis: Math.ceil(last),
          readMillis: millisOf(now)
        }))
    })

const open =
  (memory: Memory): Slices["open"] =>
  (after, limit, now) =>
    Effect.sync(() =>
      [...memory.slices.values()]
        .filter(isFollowed)
        .map((slice) => openSlice(memory, slice, millisOf(now)))
        .filter((slice) => after === null || isAfter(slice, after))
        .toSorted((a, b) => (isAfter(a, b) ? 1 : -1))
        .slice(0, limit)
    )

const saveBrokerStates =
  (memory: Memory): Slices["saveBrokerStates"] =>
  (states) =>
    Effect.sync(() => {
      for (const { slice: open, state, noted } of states) {
        if (!memory.isOnRecord(open.tag, noted)) continue
        const slice = memory.slices.get(open.id)
        if (slice?.stage !== "PROCESSED" || slice.brokerOrderId !== open.brokerOrderId) continue
        if (slice.brokerIsFinal) continue
        if (state.filledQuantity < slice.filledQuantity) continue
        slice.brokerStatus = state.status
        slice.brokerStatusText = state.statusText
        slice.brokerIsFinal = isTerminal(state.status)
        if (slice.brokerIsFinal) memory.cancels.delete(slice.id)
        slice.filledQuantity = state.filledQuantity
        slice.averagePrice = state.averagePrice ?? slice.averagePrice
      }
    })

const claimCancels =
  (memory: Memory): Slices["claimCancels"] =>
  ({ ids, limit, now, mayRepeat }) =>
    Effect.sync(() => {
      const isPauseOver = ({ id }: SliceRow, sentAt: number) =>
        sentAt + Duration.toMillis(cancelPause(cancelsOf(memory, id).tries)) < millisOf(now) ||
        sentAt > millisOf(now) + 60_000
      const picked = ids
        .flatMap((id) => memory.slices.get(id) ?? [])
        .filter(isOpenAtBroker)
        .filter((slice) => slice.cancelSentAt === null || (mayRepeat && isPauseOver(slice, slice.cancelSentAt)))
        .toSorted((a, b) => cancelledBefore(a, b) || (a.acknowledgedAt ?? 0) - (b.acknowledgedAt ?? 0))
        .slice(0, limit)
      return picked.map((slice) => {
        const { id } = slice
        const isFirst = slice.cancelSentAt === null
        slice.cancelSentAt = millisOf(now)
        const { tries, refusal } = cancelsOf(memory, id)
        return { id, isFirst, tries, refusal: refusal?.text ?? null }
      })
    })

const cancelsOf = (memory: Memory, id: string) => memory.cancels.get(id) ?? { tries: 0, refusal: null }

const cancelAnswered =
  (memory: Memory): Slices["cancelAnswered"] =>
  ({ slice: { key, brokerOrderId }, claimedAt, refusal }, events) =>
    Effect.sync(() => {
      const keyOf = keysIn(memory)
      const slice = [...memory.slices.values()].find(
        (one) => one.brokerOrderId === brokerOrderId && isOpenAtBroker(one) && keyOf(one) === key
      )
      if (slice?.cancelSentAt === millisOf(claimedAt)) {
        const before = cancelsOf(memory, slice.id)
        const isAlike = (before.refusal === null) === (refusal === null)
        memory.cancels.set(slice.id, { tries: isAlike ? before.tries + 1 : 1, refusal })
      }
      append(memory, events)
    })

const releaseCancels =
  (memory: Memory): Slices["releaseCancels"] =>
  (given, claimedAt) =>
    Effect.sync(() => {
      const keyOf = keysIn(memory)
      const keys = new Set(given.map(({ key }) => key))
      for (const slice of memory.slices.values()) {
        const isClaim = slice.cancelSentAt === millisOf(claimedAt) && isOpenAtBroker(slice)
        if (isClaim && keys.has(keyOf(slice))) slice.cancelSentAt = null
      }
    })

const stopCancels =
  (memory: Memory): Slices["stopCancels"] =>
  (ids, reason) =>
    Effect.sync(() => {
      const open = ids.flatMap((id) => memory.slices.get(id) ?? []).filter(isOpenAtBroker)
      return open.flatMap(({ id }) => {
        const { tries, refusal } = cancelsOf(memory, id)
        if (refusal?.text === reason.text && refusal.code === reason.code) return []
        memory.cancels.set(id, { tries: refusal === null ? 0 : tries, refusal: reason })
        return [id]
      })
    })

const cancelledBefore = (a: SliceRow, b: SliceRow): number => (a.cancelSentAt ?? 0) - (b.cancelSentAt ?? 0)

/** A slice that comes back to the queue, for whose window later plans count too. */
const comeBack = (memory: Memory, slice: SliceRow, notBefore: DateTime.Utc | null, nowMillis: number) => {
  slice.notBefore = dueInQueue(Math.max(millisOrNull(notBefore) ?? 0, slice.notBefore), nowMillis)
  for (const { firstSequence, closesAt } of memory.plansOf(slice.orderId))
    if (firstSequence > slice.sequenceNumber) slice.notAfter = Math.min(slice.notAfter, closesAt)
}

const move = (
  memory: Memory,
  slice: SliceRow,
  { next, attempts, placedAt, at }: SliceTransition,
  nowMillis: number
) => {
  const order = memory.orders.get(slice.orderId)
  const atMillis = millisOf(at)
  const stage = stageOf(next)
  const isBack = stage === "SCHEDULED"
  const isCancelled = isBack && order !== undefined && order.cancelRequestedAt !== null
  const found = next._tag === "Processed" ? next.found : null
  if (next._tag === "Unknown" || isInDoubt(slice, atMillis)) slice.inDoubtAt = atMillis
  slice.stage = isCancelled ? "SKIPPED" : stage
  slice.stageReason = isCancelled ? "order cancelled" : "reason" in next ? next.reason : null
  slice.reasonCode = isCancelled ? "order_cancelled" : "code" in next ? next.code : null
  if (next._tag === "Rescheduled" && !isCancelled) comeBack(memory, slice, next.notBefore, nowMillis)
  slice.isHeld = isBack && order !== undefined && order.holdReason !== null
  slice.outcomeUnknownAt = next._tag === "Unknown" ? atMillis : null
  slice.attempts = attempts
  slice.placedAt = millisOrNull(placedAt) ?? slice.placedAt
  slice.acknowledgedAt = stage === "PROCESSED" ? atMillis : null
  memory.cancels.delete(slice.id)
  slice.brokerOrderId = next._tag === "Processed" ? next.brokerOrderId : null
  slice.brokerStatus = found?.status ?? null
  slice.brokerStatusText = found?.statusText ?? null
  slice.brokerIsFinal = isTerminal(found?.status ?? "PENDING")
  slice.filledQuantity = found?.filledQuantity ?? 0
  slice.averagePrice = found?.averagePrice ?? null
}

const append = (memory: Memory, events: ReadonlyArray<BrokerEvent>): void => {
  for (const event of events) if (!memory.events.has(event.id)) memory.events.set(event.id, event)
}

const openSlice = (memory: Memory, slice: SliceRow, nowMillis: number): OpenSlice => {
  const order = memory.orders.get(slice.orderId)
  const acknowledgedAt = slice.acknowledgedAt ?? 0
  const patience = order?.cancelUnfilledAfterSeconds ?? null
  const plan = order?.completion === "CROSS" ? memory.plansOf(slice.orderId).at(-1) : undefined
  const completesAt = plan?.completesAt ?? null
  const isStopped = memory.isHalted || (order?.holdReason ?? null) !== null
  return {
    ...slice,
    key: keysIn(memory)(slice),
    brokerOrderId: BrokerOrderId.make(slice.brokerOrderId ?? ""),
    acknowledgedAt: DateTime.makeUnsafe(acknowledgedAt),
    isCancelWanted:
      (order?.cancelRequestedAt ?? null) !== null ||
      (completesAt !== null && completesAt <= nowMillis && !isStopped) ||
      (plan?.cause !== "COMPLETION" && patience !== null && acknowledgedAt + patience * 1000 <= nowMillis)
  }
}

const isAfter = (slice: OpenSlice, other: OpenSlice): boolean => {
  const [at, otherAt] = [millisOf(slice.acknowledgedAt), millisOf(other.acknowledgedAt)]
  return at !== otherAt ? at > otherAt : slice.id > other.id
}
