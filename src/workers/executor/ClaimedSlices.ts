import { Effect, Queue } from "effect"
import type { SliceId } from "../../domain/model/Ids.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { DueQueue } from "./DueQueue.ts"

/** The slices that this process has claimed and not placed yet: the state that the executor's loops share. */
export interface ClaimedSlices {
  readonly queue: DueQueue
  /** Signalled when the queue got new slices. */
  readonly queueChanged: Queue.Queue<void>
  /** Signalled when the queue is half empty, so that claiming again is worthwhile. */
  readonly queueHasRoom: Queue.Queue<void>
  /** Fired slices. A slice may still wait for its turn at the broker, where a cancel must reach it. */
  readonly fired: Map<SliceId, ClaimedSlice>
}

export const makeClaimedSlices: Effect.Effect<ClaimedSlices> = Effect.gen(function* () {
  return {
    queue: new DueQueue(),
    queueChanged: yield* Queue.sliding<void>(1),
    queueHasRoom: yield* Queue.sliding<void>(1),
    fired: new Map()
  }
})
