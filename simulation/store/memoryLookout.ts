import { Duration, Effect } from "effect"
import { isFollowed, isInDoubt, isWindowOver } from "../../src/domain/model/sliceState.ts"
import type { Beat } from "../../src/stores/operations/HeartbeatStore.ts"
import type { Sighting } from "../../src/stores/operations/LookoutStore.ts"
import type { Stores } from "./Database.ts"
import { type Memory, millisOf } from "./Memory.ts"
import { mayWantPlan } from "./memoryReplans.ts"

/** The statements of HeartbeatStore that the workers call, on {@link Memory}. */
export const memoryHeartbeats = (memory: Memory): Stores["heartbeats"] => ({
  beat: (beat) => Effect.sync(() => write(memory, beat)),
  leave: ({ id }) =>
    Effect.sync(() => {
      for (const [key, { instanceId }] of memory.workers) if (instanceId === id) memory.workers.delete(key)
    }),
  forget: (before) =>
    Effect.sync(() => {
      for (const [key, { heartbeatAt }] of memory.workers) {
        if (heartbeatAt < millisOf(before)) memory.workers.delete(key)
      }
    })
})

const write = (memory: Memory, { instance, heartbeats }: Beat): void => {
  for (const { worker, okAt, staleAfter } of heartbeats) {
    const key = `${instance.id}/${worker}`
    const row = memory.workers.get(key)
    memory.workers.set(key, {
      instanceId: instance.id,
      worker,
      heartbeatAt: millisOf(okAt),
      staleAfterMillis: Math.round(Duration.toMillis(staleAfter)),
      acknowledgedHalt: row?.acknowledgedHalt ?? 0
    })
  }
}

/** LookoutStore's statement, on {@link Memory}, which has no clock: the simulation tells the time. */
export const memoryLookout = (memory: Memory): Stores["lookout"] => ({
  look: ({ beat, now }) =>
    Effect.sync((): Sighting => {
      const nowMillis = millisOf(now)
      const orders = [...memory.orders.values()]
      const slices = [...memory.slices.values()]
      const scheduled = slices.filter(({ stage, isHeld }) => stage === "SCHEDULED" && !isHeld)
      const isStale = ({ staleAt }: { readonly staleAt: number | null }) => staleAt !== null && staleAt < nowMillis
      const dues = scheduled
        .filter((slice) => !isStale(slice) && !isWindowOver(slice.notAfter, nowMillis))
        .map(({ notBefore }) => Math.floor(notBefore))
      const acknowledged = memory.workers.get(`${beat.instance.id}/executor`)?.acknowledgedHalt ?? 0
      write(memory, beat)
      return {
        micros: 0n,
        bootId: null,
        hasPendingOrders: orders.some(({ orderQueueStatus }) => orderQueueStatus === "PENDING"),
        nextDueMillis: dues.length === 0 ? null : Math.min(...dues),
        isHaltFollowed: memory.halts.length <= acknowledged,
        isBrokerAwaited: slices.some((slice) => isInDoubt(slice, nowMillis) || isFollowed(slice)),
        mayWantPlan: scheduled.some(isStale) || orders.some(mayWantPlan),
        hasDeliveries: false,
        hasUnsealed: false,
        calendarRevision: 0,
        timeline: memory.history.timeline,
        systemIdentifier: null,
        logPosition: memory.history.logPosition,
        isHistorySettled: memory.isHistorySettled
      }
    })
})
