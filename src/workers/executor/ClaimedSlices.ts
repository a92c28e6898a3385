import { Effect, Queue } from "effect"
import type { OrderId, SliceId } from "../../domain/model/Ids.ts"
import { DueQueue } from "./DueQueue.ts"

/** The slices that this process has claimed and not placed yet: the state that the executor's loops share. */
export interface ClaimedSlices {
  readonly queue: DueQueue
  /** Signalled when the queue got new slices. */
  readonly queueChanged: Queue.Queue<void>
  /** Signalled when the queue is half empty, so that claiming again is worthwhile. */
  readonly queueHasRoom: Queue.Queue<void>
  /** Fired slices and their orders. A slice may still wait for its turn at the broker, where a cancel must reach it. */
  readonly fired: Map<SliceId, OrderId>
}

export const makeClaimedSlices: Effect.Effect<ClaimedSlices> = Effect.gen(function* () {
  return {
    queue: new DueQueue(),
    queueChanged: yield* Queue.sliding<void>(1),
    queueHasRoom: yield* Queue.sliding<void>(1),
    fired: new Map()
  }
})
