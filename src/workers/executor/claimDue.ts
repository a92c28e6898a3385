import { DateTime, Duration, Effect, Queue } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import type { DbError } from "../../db/DbError.ts"
import { answeredRows, type Readable } from "../../db/Readable.ts"
import { lookBackMillis } from "../../domain/lifecycle/lookBack.ts"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { recentMillis } from "../../domain/lifecycle/turns.ts"
import { looksAtQuotes } from "../../domain/limits/preTradeLimits.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import { ServerHistory } from "../supervision/ServerHistory.ts"
import type { ClaimedSlices } from "./ClaimedSlices.ts"

/** All that is due is looked at so often, whatever was seen before. */
const fullLookMillis = 30_000

/**
 * Claims what is due soon, page by page in the order of due times. `fromStart` makes the next claim begin with the earliest due
 * slices again, which also happens once per poll interval; `lookFully` makes it see all that is due, however long ago.
 *
 * Once a pass has seen all that is due, the next ones begin a minute ago (lookBack.ts says why they miss nothing), until half a
 * minute has passed, placements were on hold, or a claim of this process has failed: its slices may be SCHEDULED again.
 *
 * While more is due than is claimed at a time, such pages would only reach what has waited longest. Then they keep a fifth of the
 * room, and before each of them comes what can still be on time, with a room of its own, and what became due last.
 */
export const makeClaimDue = Effect.fnUntraced(function* (claimed: ClaimedSlices) {
  const { queue, fired } = claimed
  const config = yield* Configuration
  const claimSome = yield* makeClaimSome(claimed)
  const claimLimit = claimLimitOf(config)
  const pass = makePass(config.sliceExecutorPollInterval)

  /** Claims the next page; returns whether more may be due. */
  const claimPage = (now: DateTime.Utc, room: number): Effect.Effect<boolean, DbError> =>
    Effect.gen(function* () {
      if (room <= 0) return true
      const { after, from } = pass.next(now)
      const page = yield* claimSome(now, { after, from }, room)
      const isFull = answeredRows(page) === room
      pass.saw(lastOf(page), isFull, now)
      // A short page ends the pass. If the pass did not begin at the start, earlier slices may be due: it begins again there.
      return isFull || after === null ? isFull : yield* claimPage(now, room - answeredRows(page))
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
    const backlogMillis = pass.backlogMillis()
    if (backlogMillis !== null) return yield* claimBacklogged(now, backlogMillis)
    const mayHaveMore = yield* claimPage(now, claimLimit - queue.size - fired.size)
    if (pass.backlogMillis() !== null) yield* claimUpcoming(now)
    return mayHaveMore
  }).pipe(
    Effect.tapCause(() => Effect.sync(pass.lookFully)),
    Effect.uninterruptible
  )

  return { claim, fromStart: Effect.sync(pass.fromStart), lookFully: Effect.sync(pass.lookFully) }
})

/** The passes over what is due: where the next page begins. Plain memory. */
const makePass = (pollInterval: Duration.Duration) => {
  /** The last slice of the previous page; null at the start of a pass. */
  let after: ClaimedSlice | null = null
  let from: DateTime.Utc | null = null
  let beganAt = DateTime.makeUnsafe(0)
  let fullyAt = DateTime.makeUnsafe(0)
  /** Whether the pass has seen all that is due, and so the next one need not. */
  let hasSeenAll = false
  /** The due time of the last slice of a page that did not hold all that was due; null if the last one did. */
  let backlogMillis: number | null = null

  const isPast = (at: DateTime.Utc, intervalMillis: number, now: DateTime.Utc): boolean =>
    !isPausedUntil(DateTime.toEpochMillis(now), DateTime.toEpochMillis(at) + intervalMillis, intervalMillis)

  const begin = (now: DateTime.Utc) => {
    const isFull = !hasSeenAll || isPast(fullyAt, fullLookMillis, now)
    after = null
    from = isFull ? null : DateTime.subtract(now, { milliseconds: lookBackMillis })
    beganAt = now
    if (isFull) fullyAt = now
    hasSeenAll = false
  }

  return {
    /** Where the next page begins. */
    next: (now: DateTime.Utc) => {
      // Slices that are due earlier may have come back meanwhile. Not behind a full pass: they come back as due lately.
      const isOver = isPast(
        beganAt,
        from === null && !hasSeenAll ? fullLookMillis : Duration.toMillis(pollInterval),
        now
      )
      if (after === null || isOver) begin(now)
      return { after, from }
    },
    /** Takes note of a page: its last slice, null if none of it could be read, and whether there may be more behind it. */
    saw: (last: ClaimedSlice | null, isFull: boolean, now: DateTime.Utc) => {
      after = isFull ? (last ?? after) : null
      const isDue = isFull && last !== null && last.notBeforeMillis <= DateTime.toEpochMillis(now)
      backlogMillis = isDue ? last.notBeforeMillis : null
      hasSeenAll = !isDue && (last !== null || !isFull)
    },
    fromStart: () => {
      if (hasSeenAll) after = null
    },
    lookFully: () => {
      after = null
      hasSeenAll = false
    },
    backlogMillis: () => backlogMillis
  }
}

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
  const hours = yield* TradingHours
  const history = yield* ServerHistory
  const ahead = Duration.sum(config.sliceExecutorPollInterval, config.sliceExecutorClaimAhead)

  return Effect.fnUntraced(function* (now: DateTime.Utc, some: Partial<ClaimOptions>, limit: number) {
    if (limit <= 0) return [] as Readable<ClaimedSlice>
    const claimed = yield* slices.claimDue({
      now,
      horizon: DateTime.addDuration(now, ahead),
      leaseExpiresAt: DateTime.addDuration(now, config.sliceExecutionTimeout),
      owner: instance.id,
      keepsHours: hours.calendar() !== null,
      seen: history.seen(),
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
  a.notBeforeMillis > b.notBeforeMillis || (a.notBeforeMillis === b.notBeforeMillis && a.key > b.key)

/**
 * How many slices are claimed and not placed at a time; twice as many while more is due than can be sent. After a crash each of
 * them waits for its lease to end, so there are no more than the broker takes within two seconds.
 */
export const claimLimitOf = (config: Configuration["Service"]): number =>
  config.brokerType === "zerodha"
    ? Math.min(config.sliceExecutorClaimLimit, config.zerodhaOrdersPerSecond * 2)
    : config.sliceExecutorClaimLimit
