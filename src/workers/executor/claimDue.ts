import { DateTime, Duration, Effect, Queue } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import type { DbError } from "../../db/DbError.ts"
import { recentMillis } from "../../domain/lifecycle/turns.ts"
import { looksAtQuotes } from "../../domain/limits/preTradeLimits.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import type { ClaimedSlices } from "./ClaimedSlices.ts"

/**
 * Claims what is due soon, page by page in the order of due times. `fromStart` makes the next claim begin at the earliest due
 * slice again, which also happens once per poll interval.
 *
 * While more is due than is claimed at a time, such pages would only reach what has waited longest. Then they keep a fifth of the
 * room, and before each of them comes what can still be on time, with a room of its own, and what became due last.
 */
export const makeClaimDue = Effect.fnUntraced(function* (claimed: ClaimedSlices) {
  const { queue, fired } = claimed
  const config = yield* Configuration
  const claimSome = yield* makeClaimSome(claimed)
  const claimLimit = claimLimitOf(config)

  /** The last slice of the previous page, and when the current pass began at the start. */
  let claimedUpTo: ClaimedSlice | null = null
  let beganAt = DateTime.makeUnsafe(0)
  /** The due time of the last slice of a page that did not hold all that was due; null if the last one did. */
  let backlogMillis: number | null = null

  /** Claims the next page; returns whether more may be due. */
  const claimPage = (now: DateTime.Utc, room: number): Effect.Effect<boolean, DbError> =>
    Effect.gen(function* () {
      if (room <= 0) return true
      // Slices that are due earlier may have been given back meanwhile.
      if (DateTime.isGreaterThanOrEqualTo(now, DateTime.addDuration(beganAt, config.sliceExecutorPollInterval)))
        claimedUpTo = null
      if (claimedUpTo === null) beganAt = now
      const page = yield* claimSome(now, { after: claimedUpTo }, room)
      const isFromTheStart = claimedUpTo === null
      const isFull = page.length === room
      const last = isFull ? lastOf(page) : null
      claimedUpTo = last
      backlogMillis = last !== null && last.notBeforeMillis <= DateTime.toEpochMillis(now) ? last.notBeforeMillis : null
      // A short page ends the pass. If the pass did not begin at the start, earlier slices may be due: it begins again there.
      return isFull || isFromTheStart ? isFull : yield* claimPage(now, room - page.length)
    })

  const claimUpcoming = (now: DateTime.Utc) => claimSome(now, { from: now }, 2 * claimLimit - queue.size - fired.size)

  /** Claims while more is due than is claimed at a time. Slices that are not due yet take no room from those that are. */
  const claimBacklogged = Effect.fnUntraced(function* (now: DateTime.Utc, longestMillis: number) {
    const room = () => claimLimit - queue.dueBy(DateTime.toEpochMillis(now)) - fired.size
    yield* claimUpcoming(now)
    const recent = { from: DateTime.subtract(now, { milliseconds: recentMillis }), horizon: now, isLatestFirst: true }
    yield* claimSome(now, recent, room())
    const longest = queue.dueBy(longestMillis) + [...fired.values()].filter(isDueBy(longestMillis)).length
    return yield* claimPage(now, Math.max(room(), Math.ceil(claimLimit / 5) - longest))
  })

  /** Claims what may be due; returns whether more may be. */
  const claim: Effect.Effect<boolean, DbError> = Effect.gen(function* () {
    const now = yield* DateTime.now
    if (backlogMillis !== null) return yield* claimBacklogged(now, backlogMillis)
    const mayHaveMore = yield* claimPage(now, claimLimit - queue.size - fired.size)
    if (backlogMillis !== null) yield* claimUpcoming(now)
    return mayHaveMore
  }).pipe(Effect.uninterruptible)

  return {
    claim,
    fromStart: Effect.sync(() => {
      claimedUpTo = null
    })
  }
})

const isDueBy =
  (millis: number) =>
  ({ notBeforeMillis }: ClaimedSlice): boolean =>
    notBeforeMillis <= millis

type ClaimOptions = Parameters<SliceStore["Service"]["claimDue"]>[0]

/** Claims up to `limit` slices, those that are due soon unless the options say otherwise, into the queue. */
const makeClaimSome = Effect.fnUntraced(function* ({ queue, queueChanged }: ClaimedSlices) {
  const config = yield* Configuration
  const slices = yield* SliceStore
  const instance = yield* Instance
  const { calendar } = yield* TradingHours
  const ahead = Duration.sum(config.sliceExecutorPollInterval, config.sliceExecutorClaimAhead)

  return Effect.fnUntraced(function* (now: DateTime.Utc, some: Partial<ClaimOptions>, limit: number) {
    if (limit <= 0) return []
    const claimed = yield* slices.claimDue({
      now,
      horizon: DateTime.addDuration(now, ahead),
      leaseExpiresAt: DateTime.addDuration(now, config.sliceExecutionTimeout),
      owner: instance.id,
      keepsHours: calendar !== null,
      quotes: looksAtQuotes(config.limits) ? config.limits : null,
      ...some,
      limit
    })
    queue.add(claimed)
    yield* Queue.offer(queueChanged, undefined)
    return claimed
  })
})

/** The last slice of a page as the database orders them. */
const lastOf = (claimed: ReadonlyArray<ClaimedSlice>): ClaimedSlice | null =>
  claimed.reduce<ClaimedSlice | null>((last, slice) => (last === null || isLater(slice, last) ? slice : last), null)

const isLater = (a: ClaimedSlice, b: ClaimedSlice): boolean =>
  a.dueMicros > b.dueMicros || (a.dueMicros === b.dueMicros && a.key > b.key)

/**
 * How many slices are claimed and not placed at a time; twice as many while more is due than can be sent. After a crash each of
 * them waits for its lease to end, so there are no more than the broker takes within two seconds.
 */
export const claimLimitOf = (config: Configuration["Service"]): number =>
  config.brokerType === "zerodha"
    ? Math.min(config.sliceExecutorClaimLimit, config.zerodhaOrdersPerSecond * 2)
    : config.sliceExecutorClaimLimit
