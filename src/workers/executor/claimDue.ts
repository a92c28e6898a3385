import { DateTime, Duration, Effect, Queue } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import type { DbError } from "../../db/DbError.ts"
import { looksAtQuotes } from "../../domain/limits/preTradeLimits.ts"
import type { SliceId } from "../../domain/model/Ids.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import type { ClaimedSlices } from "./ClaimedSlices.ts"

/**
 * Claims what is due soon, page by page in the order of due times. `fromStart` makes the next claim begin at the earliest due
 * slice again, which also happens once per poll interval.
 */
export const makeClaimDue = Effect.fnUntraced(function* ({ queue, queueChanged }: ClaimedSlices) {
  const config = yield* Configuration
  const slices = yield* SliceStore
  const instance = yield* Instance
  const { calendar } = yield* TradingHours
  const claimLimit = claimLimitOf(config)

  /** The last slice of the previous page, and when the current pass began at the start. */
  let claimedUpTo: SliceId | null = null
  let beganAt = DateTime.makeUnsafe(0)

  /** Fills the queue up to its limit; returns whether more may be due. */
  const claim: Effect.Effect<boolean, DbError> = Effect.gen(function* () {
    const room = claimLimit - queue.size
    if (room <= 0) return true
    const now = yield* DateTime.now
    // Slices that are due earlier may have been given back meanwhile.
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
    // A short page ends the pass. If the pass did not begin at the start, earlier slices may be due: it begins again there.
    return isFull || isFromTheStart ? isFull : yield* claim
  }).pipe(Effect.uninterruptible)

  return {
    claim,
    fromStart: Effect.sync(() => {
      claimedUpTo = null
    })
  }
})

/**
 * The last slice of a page by due time and id. The database compares microseconds, so its last slice may be a later one of the
 * same millisecond; continuing after an earlier slice leaves nothing out.
 */
const lastOf = (claimed: ReadonlyArray<ClaimedSlice>): SliceId | null =>
  claimed.reduce<ClaimedSlice | null>((last, slice) => (last === null || isLater(slice, last) ? slice : last), null)
    ?.id ?? null

const isLater = (a: ClaimedSlice, b: ClaimedSlice): boolean =>
  a.notBeforeMillis > b.notBeforeMillis || (a.notBeforeMillis === b.notBeforeMillis && a.id > b.id)

/**
 * How many slices are claimed ahead. After a crash each of them waits for its lease to end, so there are no more than the
 * broker takes within two seconds.
 */
export const claimLimitOf = (config: Configuration["Service"]): number =>
  config.brokerType === "zerodha"
    ? Math.min(config.sliceExecutorClaimLimit, config.zerodhaOrdersPerSecond * 2)
    : config.sliceExecutorClaimLimit
