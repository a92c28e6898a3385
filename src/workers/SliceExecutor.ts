import { DateTime, Duration, Effect, FiberSet, Queue, References, Semaphore } from "effect"
import { PlacementGate } from "../broker/PlacementGate.ts"
import { Configuration } from "../config/Configuration.ts"
import { TradingHours } from "../config/TradingHours.ts"
import type { DbError } from "../db/DbError.ts"
import { Wakeups } from "../db/Wakeups.ts"
import { looksAtQuotes } from "../domain/limits/preTradeLimits.ts"
import type { OrderId, SliceId } from "../domain/model/Ids.ts"
import type { ClaimedSlice } from "../domain/model/OrderSlice.ts"
import { Instance } from "../runtime/Instance.ts"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { nowMillis } from "../runtime/nowMillis.ts"
import { OrderStore } from "../stores/orders/OrderStore.ts"
import { SliceStore } from "../stores/slices/SliceStore.ts"
import { DueQueue } from "./executor/DueQueue.ts"
import { makeFollowDayLimit } from "./executor/followDayLimit.ts"
import { makeFollowHalts } from "./executor/followHalts.ts"
import { makeOutcomeWriter } from "./executor/OutcomeWriter.ts"
import { makePlace } from "./executor/place.ts"
import { tick } from "./supervision/supervision.ts"
import { WorkerStatus } from "./supervision/WorkerStatus.ts"

/**
 * Places each slice at its time. Two loops share a queue of claimed slices: one claims what is due soon and drops what
 * was cancelled; the other waits for the next due time, to the fraction of a millisecond, and calls the broker. A third follows the
 * operators' halts. While placements are on hold nothing is claimed, and what was claimed is given back.
 *
 * When it is stopped, in this order: no more claims and no more calls; calls in flight end, or are given up as unknown
 * after SHUTDOWN_GRACE_SECONDS; claims that were not fired are given back; every outcome is written.
 */
export const SliceExecutor = Effect.scoped(
  Effect.gen(function* () {
    const config = yield* Configuration
    const status = yield* WorkerStatus
    const wakeups = yield* Wakeups
    const slices = yield* SliceStore
    const orders = yield* OrderStore
    const instance = yield* Instance
    const gate = yield* PlacementGate
    const { calendar } = yield* TradingHours

    const claimLimit = claimLimitOf(config)
    const queue = new DueQueue()
    const queueChanged = yield* Queue.sliding<void>(1)
    const queueHasRoom = yield* Queue.sliding<void>(1)

    const writer = yield* makeOutcomeWriter
    const place = yield* makePlace
    const followHalts = yield* makeFollowHalts
    const followDayLimit = yield* makeFollowDayLimit

    const giveBack = (unfired: ReadonlyArray<ClaimedSlice>, reason: string) =>
      Effect.flatMap(DateTime.now, (at) =>
        Effect.forEach(
          unfired,
          (slice) =>
            writer.write({
              transition: {
                slice,
                next: { _tag: "Rescheduled", code: "given_back", reason, notBefore: null },
                attempts: slice.attempts,
                placedAt: null,
                at
              },
              event: null
            }),
          { discard: true }
        )
      )
    yield* Effect.addFinalizer(() => giveBack(queue.drain(), "given back: its executor stopped"))

    const inFlight = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(inFlight).pipe(Effect.timeoutOption(config.shutdownGrace)))
    // Whoever still waits for a turn at the broker need not be waited for. Started anew, the executor may place again.
    yield* Effect.acquireRelease(gate.open("stopping"), () => gate.close("stopping", "the executor stops"))

    /** What is fired already may still wait for its turn at the broker: there its order's end reaches it. */
    const fired = new Map<SliceId, OrderId>()
    const dropStopped = Effect.gen(function* () {
      const orderIds = new Set([...queue.orderIds(), ...fired.values()])
      const stopped = new Set(orderIds.size === 0 ? [] : yield* orders.stoppedAmong(orderIds))
      yield* giveBack(queue.removeOrders(stopped), "given back: order cancelled or on hold")
      yield* gate.withdraw(new Set([...fired].flatMap(([id, orderId]) => (stopped.has(orderId) ? [id] : []))))
    })

    /** Where the last claim stopped, and since when claims have not begun at the start again. */
    let claimedUpTo: SliceId | null = null
    let beganAt = DateTime.makeUnsafe(0)

    /** Claims as much as there is room for; returns whether there may be more. */
    const claim: Effect.Effect<boolean, DbError> = Effect.gen(function* () {
      const room = claimLimit - queue.size
      if (room <= 0) return true
      const now = yield* DateTime.now
      // Of what is due earlier something may have come back meanwhile.
      if (DateTime.isGreaterThanOrEqualTo(now, DateTime.addDuration(beganAt, config.sliceExecutorPollInterval)))
        claimedUpTo = null
      if (claimedUpTo === null) beganAt = now
      const ahead = Duration.sum(config.sliceExecutorPollInterval, config.sliceExecutorClaimAhead)
      const claimed = yield* slices.claimDue({
        now,
        horizon: DateTime.addDuration(now, ahead),
        leaseExpiresAt: DateTime.addDuration(now, config.sliceExecutionTimeout),
        owner: instance.id,
        limit: room,
        after: claimedUpTo,
        keepsHours: calendar !== null,
        quotes: looksAtQuotes(config.limits) ? config.limits : null
      })
      queue.add(claimed)
      yield* Queue.offer(queueChanged, undefined)
      const isFromTheStart = claimedUpTo === null
      const isFull = claimed.length === room
      claimedUpTo = isFull ? lastOf(claimed) : null
      // Nothing is left after the last claim; before it something may be.
      return isFull || isFromTheStart ? isFull : yield* claim
    }).pipe(Effect.uninterruptible)

    const claimLoop = Effect.gen(function* () {
      let hold = yield* gate.current
      let mayHaveMore = false
      yield* tick(
        status,
        "executor",
        Effect.gen(function* () {
          yield* followDayLimit
          hold = yield* gate.current
          if (hold !== null) {
            claimedUpTo = null
            return yield* giveBack(queue.drain(), `given back, placements are on hold: ${hold.reason}`)
          }
          yield* dropStopped
          mayHaveMore = yield* claim
        })
      )
      const fromTheStart = Effect.sync(() => {
        claimedUpTo = null
      })
      yield* Effect.raceAllFirst([
        gate.until(hold === null),
        Effect.andThen(wakeups.next("slices"), fromTheStart),
        wakeups.next("cancels"),
        ...(mayHaveMore ? [Queue.take(queueHasRoom)] : []),
        Effect.sleep(config.sliceExecutorPollInterval)
      ])
    })

    const permits = yield* Semaphore.make(config.sliceExecutorConcurrency)
    let holdUntilMillis = 0
    const fire = (slice: ClaimedSlice) =>
      Effect.suspend(() => {
        fired.set(slice.id, slice.orderId)
        return place(slice)
      }).pipe(
        Effect.flatMap((outcome) => {
          holdUntilMillis = Math.max(holdUntilMillis, outcome.holdUntilMillis)
          return writer.write(outcome)
        }),
        logAndContinue(`Slice ${slice.id} met a bug and is reconciled when its lease ends`),
        Effect.ensuring(Effect.sync(() => fired.delete(slice.id))),
        Effect.ensuring(Semaphore.release(permits, 1)),
        // An interruption ends the broker call inside, never the writing of its outcome.
        Effect.uninterruptible
      )

    /** Waits for the next due time and fires what is due. Between taking a slice and firing it nothing interrupts. */
    const fireNext = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if ((yield* gate.current) !== null) return yield* restore(gate.until(false))
        const next = queue.peek()
        if (next === undefined) return yield* restore(Queue.take(queueChanged))
        const now = yield* nowMillis
        const waitMillis = Math.max(next.notBeforeMillis, holdUntilMillis) - now
        if (waitMillis > 0) return yield* restore(Effect.raceFirst(Effect.sleep(waitMillis), Queue.take(queueChanged)))

        yield* restore(Semaphore.take(permits, 1))
        const slice = queue.takeDue(now)
        if (slice === undefined) return yield* Semaphore.release(permits, 1)
        yield* FiberSet.run(inFlight, fire(slice), { startImmediately: true })
        if (queue.size <= claimLimit / 2) yield* Queue.offer(queueHasRoom, undefined)
      })
    )

    // What is due at one instant is sent before this process does anything else.
    const fireLoop = Effect.forever(fireNext, { disableYield: true }).pipe(
      Effect.provideService(References.MaxOpsBeforeYield, Infinity)
    )
    return yield* Effect.raceAllFirst([followHalts, Effect.forever(claimLoop), fireLoop])
  })
)

/**
 * The one that a claim in order came to last, for all that can be told here. The database may sort what is due in the same
 * millisecond otherwise; going on after an earlier one leaves nothing out.
 */
const lastOf = (claimed: ReadonlyArray<ClaimedSlice>): SliceId | null =>
  claimed.reduce<ClaimedSlice | null>((last, slice) => (last === null || isLater(slice, last) ? slice : last), null)
    ?.id ?? null

const isLater = (a: ClaimedSlice, b: ClaimedSlice): boolean =>
  a.notBeforeMillis > b.notBeforeMillis || (a.notBeforeMillis === b.notBeforeMillis && a.id > b.id)

/** Whatever a crash leaves claimed waits for its lease to end: no more is claimed than the broker will take soon. */
const claimLimitOf = (config: Configuration["Service"]): number =>
  config.brokerType === "zerodha"
    ? Math.min(config.sliceExecutorClaimLimit, config.zerodhaOrdersPerSecond * 2)
    : config.sliceExecutorClaimLimit
