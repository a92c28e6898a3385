import { DateTime, Duration, Option, Result } from "effect"
import type { Room } from "../../limits/participation.ts"
import { venueIds } from "../../market/Venue.ts"
import { sliceIdOf, tagOf } from "../../model/Ids.ts"
import type { ClaimedSlice } from "../../model/OrderSlice.ts"
import { type OrderPlan } from "../planOrder.ts"
import { planSchedule, type ScheduleInput } from "../schedule/Schedule.ts"
import { lastSequence } from "../Split.ts"
import type { Cut, RunningOrder } from "./RunningOrder.ts"

/** The slice to cut, how much of it may go now, and how long after that its rest is due. */
export interface CutRequest {
  readonly slice: ClaimedSlice
  readonly room: Room
  readonly step: Duration.Duration
  readonly now: DateTime.Utc
}

/**
 * A plan of two slices in place of one that its owner has claimed and not sent: as much as is allowed at its time, and the rest a step
 * later. Both are whole lots. Null if not a lot is allowed, or if the slice is not as it was claimed. All else of the order stays as it
 * is planned, and the window too.
 */
export const cutSlice = (running: RunningOrder, { slice, room, step, now }: CutRequest): Cut | null => {
  const { plan, order, nextSequence } = running
  const { lotSize } = plan.input
  const own = running.slices.find(({ id }) => id === slice.id)
  if (own === undefined || own.stage !== "IN_PROGRESS" || own.isInDoubt) return null
  const wholeLots = (quantity: number) => Math.max(0, Math.floor(quantity / lotSize)) * lotSize
  const steady = wholeLots(Math.min(room.steady, room.most))
  const quantity = steady > 0 || !room.isFirst ? steady : Math.min(lotSize, wholeLots(room.most))
  if (quantity === 0 || nextSequence >= lastSequence) return null
  const revision = plan.revision + 1
  const input: ScheduleInput = {
    seed: `${order.planSeed ?? order.id}#${revision}`,
    totalQuantity: slice.quantity,
    lotSize,
    numSlices: 2,
    windowMillis: Math.ceil(Math.max(Duration.toMillis(step), plan.input.leastGapMillis)),
    randomize: false,
    curve: { _tag: "InProportion", profile: [quantity, slice.quantity - quantity], from: 0, to: 1 },
    leastGapMillis: 0,
    largestSlice: null
  }
  const parts = Option.getOrNull(Result.getSuccess(planSchedule(input)))
  if (parts === null || (parts[0]?.quantity ?? Infinity) > room.most) return null
  const startsMillis = Math.ceil(Math.max(slice.notBeforeMillis, DateTime.toEpochMillis(now)))
  const made: OrderPlan = {
    input,
    slices: parts.map((part, index) => {
      const sequenceNumber = nextSequence + index
      const id = sliceIdOf(order.id, sequenceNumber)
      return { ...part, id, tag: tagOf(id), sequenceNumber, dueMillis: part.offsetMillis }
    }),
    orderId: order.id,
    revision,
    firstSequence: nextSequence,
    startsAt: DateTime.makeUnsafe(startsMillis),
    endMillis: DateTime.toEpochMillis(plan.endsAt) - startsMillis,
    completeMillis: plan.completesAt === null ? null : DateTime.toEpochMillis(plan.completesAt) - startsMillis,
    market: venueIds.find((id) => id === slice.market) ?? null,
    sessions: null,
    orderType: slice.orderType,
    limitPrice: slice.limitPrice,
    // A part of a completion is sent as one: the order's lateness policy does not apply to it.
    cause: plan.cause === "COMPLETION" ? "COMPLETION" : "VOLUME",
    note: null
  }
  return {
    _tag: "Cut",
    plan: made,
    slice: { key: slice.key, claimVersion: slice.claimVersion },
    cutSequence: slice.sequenceNumber
  }
}
