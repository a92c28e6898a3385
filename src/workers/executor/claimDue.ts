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
 * Claims what is due soon, page after page in the order of due times. `fromStart` makes the next claim begin at the
 * earliest due slice again; it does so by itself once in a poll interval.
 */
export const makeClaimDue = Effect.fnUntraced(function* ({ queue, queueChanged }: ClaimedSlices) {
  const config = yield* Configuration
  const slices = yield* SliceStore
  const instance = yield* Instance
  const { calendar } = yield* TradingHours
  const claimLimit = claimLimitOf(config)

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

  return {
    claim,
    fromStart: Effect.sync(() => {
      claimedUpTo = null
    })
  }
})

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
export const claimLimitOf = (config: Configuration["Service"]): number =>
  config.brokerType === "zerodha"
    ? Math.min(config.sliceExecutorClaimLimit, config.zerodhaOrdersPerSecond * 2)
    : config.sliceExecutorClaimLimit
