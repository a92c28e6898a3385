import { Clock, Effect, Exit, FiberSet, Queue } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { fireAtMillis, laterBackoff } from "../../domain/lifecycle/placement.ts"
import { isLate } from "../../domain/lifecycle/turns.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { summary } from "../../runtime/logAndContinue.ts"
import { millisOfNanos } from "../../runtime/nowMillis.ts"
import { claimLimitOf } from "./claimDue.ts"
import type { ClaimedSlices } from "./ClaimedSlices.ts"
import type { OutcomeWriter } from "./OutcomeWriter.ts"
import { makePlace, type PlacementOutcome } from "./place.ts"

/** After so many late slices in a row the process may do something else, such as to claim and to write. */
const lateAtOnce = 250

/**
 * The loop that fires: waits for the next due time, to a fraction of a millisecond, and places the slice in a fiber of
 * `inFlight`; the outcome goes to the writer. It does not fire while the placement gate is closed or a back-off lasts. All that is due
 * at one instant is sent before this process does anything else.
 */
export const makeFireDue = Effect.fnUntraced(function* (
  claimed: ClaimedSlices,
  inFlight: FiberSet.FiberSet<void>,
  writer: OutcomeWriter
) {
  const { queue, queueChanged } = claimed
  const gate = yield* PlacementGate
  const clock = yield* DatabaseClock
  const time = yield* Clock.Clock
  const now = () => millisOfNanos(time.currentTimeNanosUnsafe())
  const { fire, hasRoom, room, backoffUntilMillis } = yield* makeFire(claimed, inFlight, writer, now)

  /** Fires what is due, and returns what to wait for then. */
  const fireDue = (): Effect.Effect<unknown> => {
    let nowMillis = now()
    for (let late = 0; late < lateAtOnce;) {
      if (gate.isClosed()) return gate.until(false)
      const next = queue.peek()
      if (next === undefined) return Queue.take(queueChanged)
      const fireAt = fireAtMillis(next, backoffUntilMillis(), nowMillis)
      if (nowMillis < fireAt) nowMillis = now()
      if (nowMillis < fireAt) return Effect.raceFirst(clock.sleepUntil(fireAt), Queue.take(queueChanged))
      if (!hasRoom()) return Queue.take(room)
      const slice = queue.takeDue(nowMillis)
      if (slice === undefined) break
      fire(slice)
      late = isLate(slice, nowMillis) ? late + 1 : 0
    }
    return Effect.yieldNow
  }

  // Taking a slice and firing it are one step, which no interruption divides.
  return Effect.forever(Effect.suspend(fireDue), { disableYield: true })
})

/** Makes the function that fires one slice, and what it needs to know of those that are not answered yet. */
const makeFire = Effect.fnUntraced(function* (
  { queue, queueHasRoom, fired }: ClaimedSlices,
  inFlight: FiberSet.FiberSet<void>,
  writer: OutcomeWriter,
  now: () => number
) {
  const config = yield* Configuration
  const place = yield* makePlace
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const room = yield* Queue.sliding<void>(1)
  const fewClaimed = claimLimitOf(config) / 2
  let backoffUntilMillis = 0
  let unanswered = 0

  const hasRoom = () => unanswered < config.sliceExecutorConcurrency
  const tellOfRoom = () => {
    if (queue.size <= fewClaimed) Queue.offerUnsafe(queueHasRoom, undefined)
  }

  const end = (slice: ClaimedSlice, placed: Exit.Exit<PlacementOutcome>): Effect.Effect<void> => {
    fired.delete(slice.id)
    if (!hasRoom()) Queue.offerUnsafe(room, undefined)
    unanswered -= 1
    tellOfRoom()
    if (Exit.isFailure(placed)) {
      return Effect.logWarning(
        `Slice ${slice.id} met a bug and is reconciled when its lease ends: ${summary(placed.cause)}`
      )
    }
    backoffUntilMillis = laterBackoff(backoffUntilMillis, placed.value.backoffUntilMillis, now())
    writer.write(placed.value)
    return Effect.void
  }

  return {
    hasRoom,
    /** Signalled when there is room again. */
    room,
    backoffUntilMillis: () => backoffUntilMillis,
    fire: (slice: ClaimedSlice): void => {
      unanswered += 1
      fired.set(slice.id, slice)
      tellOfRoom()
      // An interruption may end the broker call inside, but never the writing of its outcome.
      const fiber = run(
        Effect.flatMap(Effect.exit(place(slice)), (placed) => end(slice, placed)),
        { uninterruptible: true }
      )
      if (fiber.pollUnsafe() === undefined) FiberSet.addUnsafe(inFlight, fiber)
    }
  }
})
