import { Effect } from "effect"
import { isFollowed, isInDoubt } from "../../src/domain/model/sliceState.ts"
import type { WatchStore } from "../../src/stores/slices/WatchStore.ts"
import { type Memory, millisOf } from "./Memory.ts"
import type { OrderRow, SliceRow } from "./rows.ts"

/** WatchStore's statement, on {@link Memory}. */
export const memoryWatch = (memory: Memory): WatchStore["Service"] => ({
  look: ({ now, doubtedSince }) =>
    Effect.sync(() => {
      const slices = [...memory.slices.values()]
      const nowMillis = millisOf(now)
      return {
        forBroker: slices.some((slice) => waitsForBroker(slice, nowMillis, millisOf(doubtedSince))),
        forPlan:
          slices.some(
            ({ stage, staleAt, isHeld }) => stage === "SCHEDULED" && staleAt !== null && staleAt < nowMillis && !isHeld
          ) || [...memory.orders.values()].some(mayWantPlan)
      }
    })
})

const waitsForBroker = (slice: SliceRow, nowMillis: number, doubtedSinceMillis: number): boolean => {
  if (slice.inDoubtAt !== null && slice.inDoubtAt >= doubtedSinceMillis) return true
  return isInDoubt(slice, nowMillis) || isFollowed(slice)
}

const mayWantPlan = (order: OrderRow): boolean =>
  (order.carryUnfilled === true || order.carryRejected === true || order.completion === "CROSS") &&
  order.orderQueueStatus === "DONE" &&
  order.settledAt === null &&
  order.cancelRequestedAt === null &&
  order.holdReason === null
