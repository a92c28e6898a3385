import { Effect, Queue } from "effect"
import type { OrderId, SliceId } from "../../domain/model/Ids.ts"
import { DueQueue } from "./DueQueue.ts"

/** What the executor's loops share: the slices that this process owns and has not placed yet. */
export interface ClaimedSlices {
  readonly queue: DueQueue
  /** There is something new in the queue. */
  readonly queueChanged: Queue.Queue<void>
  /** The queue is half empty: it is worth claiming again. */
  readonly queueHasRoom: Queue.Queue<void>
  /** Slices that are fired and their orders. One may still wait for its turn at the broker: there a cancel reaches it. */
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
