import { Effect, FiberSet, Queue, References, Semaphore } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { fireAtMillis } from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { logAndContinue } from "../../runtime/logAndContinue.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import { claimLimitOf } from "./claimDue.ts"
import type { ClaimedSlices } from "./ClaimedSlices.ts"
import type { OutcomeWriter } from "./OutcomeWriter.ts"
import { makePlace } from "./place.ts"

/**
 * The loop that fires: waits for the next due time, to a fraction of a millisecond, and places the slice in a fiber of
 * `inFlight`; the outcome goes to the writer. It does not fire while the placement gate is closed or a back-off lasts.
 */
export const makeFireDue = Effect.fnUntraced(function* (
  { queue, queueChanged, queueHasRoom, fired }: ClaimedSlices,
  inFlight: FiberSet.FiberSet<void>,
  writer: OutcomeWriter
) {
  const config = yield* Configuration
  const gate = yield* PlacementGate
  const clock = yield* DatabaseClock
  const place = yield* makePlace
  const claimLimit = claimLimitOf(config)
  const permits = yield* Semaphore.make(config.sliceExecutorConcurrency)
  let backoffUntilMillis = 0

  const tellOfRoom = Effect.suspend(() =>
    queue.size <= claimLimit / 2 ? Queue.offer(queueHasRoom, undefined) : Effect.void
  )

  const fire = (slice: ClaimedSlice) =>
    Effect.suspend(() => {
      fired.set(slice.id, slice)
      return place(slice)
    }).pipe(
      Effect.flatMap((outcome) => {
        backoffUntilMillis = Math.max(backoffUntilMillis, outcome.backoffUntilMillis)
        return writer.write(outcome)
      }),
      logAndContinue(`Slice ${slice.id} met a bug and is reconciled when its lease ends`),
      Effect.ensuring(
        Effect.andThen(
          Effect.sync(() => fired.delete(slice.id)),
          tellOfRoom
        )
      ),
      Effect.ensuring(Semaphore.release(permits, 1)),
      // An interruption may end the broker call inside, but never the writing of its outcome.
      Effect.uninterruptible
    )

  /** Waits for the next due time and fires one slice. No interruption can fall between taking a slice and firing it. */
  const fireNext = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      if ((yield* gate.current) !== null) return yield* restore(gate.until(false))
      const next = queue.peek()
      if (next === undefined) return yield* restore(Queue.take(queueChanged))
      const now = yield* nowMillis
      const fireAt = fireAtMillis(next, backoffUntilMillis)
      if (now < fireAt) return yield* restore(Effect.raceFirst(clock.sleepUntil(fireAt), Queue.take(queueChanged)))

      yield* restore(Semaphore.take(permits, 1))
      const slice = queue.takeDue(now)
      if (slice === undefined) return yield* Semaphore.release(permits, 1)
      yield* FiberSet.run(inFlight, fire(slice), { startImmediately: true })
      yield* tellOfRoom
    })
  )

  // Without yielding: all slices due at one instant are sent before this process does anything else.
  return Effect.forever(fireNext, { disableYield: true }).pipe(
    Effect.provideService(References.MaxOpsBeforeYield, Infinity)
  )
})
