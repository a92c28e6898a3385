import { Clock, Context, Duration, Effect, Latch, Layer, Scope, type Stream, SubscriptionRef } from "effect"
import { Configuration } from "../config/Configuration.ts"
import type { Db } from "../db/Db.ts"
import type { DbError } from "../db/DbError.ts"
import { IsDatabaseOnThisHost } from "../db/IsDatabaseOnThisHost.ts"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { millisOfNanos } from "../runtime/nowMillis.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { makeAsk, readingOf, type TimeColumns, type Timed, timeUnsure } from "./askDatabase.ts"
import { clockOver } from "./overrideClock.ts"
import { makeSleepUntil } from "./sleepUntilDue.ts"
import {
  correctByHost,
  earliestOf,
  haveParted,
  jumpMillisOf,
  type Knowledge,
  latestOf,
  offsetMillisOf,
  type Reading,
  take,
  type TimeBounds
} from "./TimeBounds.ts"

const nanosPerMilli = 1_000_000n
/** At the start and after a jump, several answers make a close bound. */
const firstSamples = 5
const laterSamples = 2
/** Nothing is fired on an older bound: it is true, but nobody knows whether the database's clock was set meanwhile. */
const maxAgeNanos = 60_000n * nanosPerMilli

/**
 * The database's time, on this process's monotonic clock. Replicas' clocks differ, and due times, leases and quarantines are
 * compared across replicas, so all replicas use the one clock they share. Everything built on the layer reads it as its Clock;
 * the executor waits with `sleepUntil` and calls `waitForOffset` before it fires a slice.
 *
 * It is never ahead of the database: it shows the lower bound of `TimeBounds.ts`, whatever the rates at which time
 * synchronisation slews either host, up to 500 ppm each. So a slice that is not early by this clock is not early by the
 * database's. Two exceptions cannot be seen from here: a database clock that is set back is noticed at the next answer, and one
 * that is slewed by more than that (chrony may do it by up to 8 %) is ahead by that rate times the age of the answer, which
 * before a due time is a few milliseconds. The clock is behind by the answer's way back and 1.1 ms for each second since.
 *
 * Where the database is on this host, it reads this host's wall clock, and so does this clock, as long as each answer agrees.
 */
export class DatabaseClock extends Context.Service<
  DatabaseClock,
  {
    /** This host's wall clock minus the database's, in milliseconds, as of the last answer. */
    readonly offsetMillis: Effect.Effect<number>

    /**
     * Returns when the clock can be relied on, usually at once. When this host's two clocks have diverged (it was suspended,
     * or its time was set), or the last answer is more than a minute old, the database is asked first, because a lease may have
     * ended unnoticed. Fails when it does not answer, and while a jump of its clock is not believed.
     */
    readonly waitForOffset: Effect.Effect<void, DbError>

    /**
     * The database's time in milliseconds since 1970, with fractions, if the clock can be relied on; null if `waitForOffset`
     * would have to ask.
     */
    readonly reliableMillis: Effect.Effect<number | null>

    /** Sleeps until the database's clock has certainly reached a time, in milliseconds since 1970, and not much longer. */
    readonly sleepUntil: (dueMillis: number) => Effect.Effect<void>

    /** Why the database's clock is not believed, in words; null while it is. The current state first, then each change. */
    readonly doubts: Stream.Stream<string | null>

    /** Runs a statement that also asks for the time, and takes its answer as one of the clock's own. */
    readonly during: <A extends TimeColumns, E, R>(statement: Timed<A, E, R>) => Effect.Effect<A, E, R>
  }
>()("pulse-background/DatabaseClock") {
  /** Also provides the Clock of everything built on this layer. */
  static readonly layer: Layer.Layer<DatabaseClock, DbError, Db | Configuration> = Layer.effectContext(
    Effect.suspend(() => make)
  )
}

/**
 * The latest possible current time, in milliseconds since 1970. Deadlines are checked against it. Without a DatabaseClock it is
 * the current time.
 */
export const LatestTime: Context.Reference<Effect.Effect<number>> = Context.Reference("pulse-background/LatestTime", {
  defaultValue: () => Clock.currentTimeMillis
})

const make = Effect.gen(function* () {
  const config = yield* Configuration
  const local = yield* Clock.Clock
  const scope = yield* Scope.Scope
  const isOnThisHost = yield* IsDatabaseOnThisHost
  const times = yield* makeTimes(local)
  const corrected = yield* Latch.make()
  const doubt = yield* SubscriptionRef.make<string | null>(null)

  const noteAnswer = Effect.gen(function* () {
    yield* corrected.release
    const before = SubscriptionRef.getUnsafe(doubt)
    const now = times.isDoubted() ? (before ?? times.doubtWords()) : null
    if (now !== before) yield* SubscriptionRef.set(doubt, now)
  })
  const measure = Effect.andThen(times.sample, noteAnswer)
  const report = yield* makeReport(times.offsetMillis)
  const measureAndReport = (samples: number) => Effect.andThen(Effect.repeat(measure, { times: samples - 1 }), report)

  const waitForOffset = Effect.gen(function* () {
    if (times.hasParted()) yield* measureAndReport(firstSamples)
    else if (times.isOlderThan(maxAgeNanos) || times.isDoubted()) yield* measureAndReport(1)
    if (times.isDoubted()) return yield* timeUnsure(times.doubtWords())
  })

  // The first answer is there already.
  yield* Effect.repeat(measure, { times: firstSamples - 2 })
  // Other statements tell the time, too: the clock asks when none has for an interval.
  const syncNanos = BigInt(Math.round(Duration.toMillis(config.clockSyncInterval))) * nanosPerMilli
  const sync = Effect.suspend(() => (times.isOlderThan(syncNanos) ? measureAndReport(laterSamples) : report))
  const orLog = logAndContinue("Could not read the database's clock")
  yield* orLog(measureAndReport(laterSamples)).pipe(
    Effect.andThen(Effect.forever(Effect.andThen(Effect.sleep(config.clockSyncInterval), orLog(sync)))),
    Effect.forkScoped
  )

  const sleepUntil = makeSleepUntil({
    earliestMillis: () => millisOfNanos(times.earliestNanos()),
    latestMillis: () => millisOfNanos(times.latestNanos()),
    monotonicMillis: () => Number(local.monotonicTimeNanosUnsafe()) / 1e6,
    probe: Effect.catchCause(measure, (cause) =>
      Effect.logDebug("A probe of the database's clock failed; its time is carried on, somewhat slow", cause)
    ),
    wantsProbes: () => !(isOnThisHost && times.isByHost()),
    corrected,
    fork: (probe) => Effect.forkIn(probe, scope)
  })

  return Context.make(
    DatabaseClock,
    DatabaseClock.of({
      offsetMillis: Effect.sync(times.offsetMillis),
      waitForOffset,
      reliableMillis: Effect.sync(times.reliableMillis),
      sleepUntil,
      doubts: SubscriptionRef.changes(doubt),
      during: (statement) => Effect.tap(times.during(statement), noteAnswer)
    })
  ).pipe(
    Context.add(Clock.Clock, clockShowing(local, times.earliestNanos)),
    Context.add(
      LatestTime,
      Effect.sync(() => Number(times.latestNanos() / nanosPerMilli) + 1)
    )
  )
})

/** Reports how far this host's wall clock is from the database's. */
const makeReport = Effect.fnUntraced(function* (getOffsetMillis: () => number) {
  const config = yield* Configuration
  const telemetry = yield* Telemetry
  return Effect.suspend(() => {
    const offsetMillis = getOffsetMillis()
    telemetry.clockOffset(offsetMillis)
    return Math.abs(offsetMillis) > Duration.toMillis(config.clockOffsetLimit)
      ? Effect.logError(
          `This host's clock is ${Math.abs(offsetMillis)} ms ${offsetMillis > 0 ? "ahead of" : "behind"} the database's. ` +
            "Due times follow the database's clock; check time synchronisation on both hosts."
        )
      : Effect.logDebug(`This host's clock differs from the database's by ${offsetMillis} ms`)
  })
})

/** The lower bound of the database's time at a reading, and whether it can be relied on. */
interface Look {
  readonly at: Reading
  readonly earliestNanos: bigint
  readonly isReliable: boolean
}

const momentNanos = 10_000n

/** What is known of the database's time, corrected by each sample. */
const makeTimes = Effect.fnUntraced(function* (local: Clock.Clock) {
  const { ask, during } = yield* makeAsk(local)
  const first = yield* ask
  let knowledge: Knowledge = { trusted: first.answer, doubted: null }
  /** The bounds by this host's wall clock, while the last answer has shown that it is the database's too. */
  let byHost: TimeBounds | null = first.isByThisClock ? first.answer : null

  let latest: Look | null = null

  const learn = ({ answer, isByThisClock }: typeof first): void => {
    knowledge = take(knowledge, answer)
    byHost = isByThisClock ? (byHost ?? answer) : null
    latest = null
  }

  /** The bounds by the host's clock; null while that is not the database's, or was set since the last answer. */
  const hostBounds = (now: Reading): TimeBounds | null => {
    if (byHost === null || haveParted(knowledge.trusted, now)) return null
    byHost = correctByHost(byHost, now)
    return byHost
  }

  const read = () => readingOf(local)
  const isOlderAt = (now: Reading, nanos: bigint) => now.monotonicNanos - knowledge.trusted.monotonicNanos > nanos
  /** A burst asks for each slice: what was found is used again for a moment, as a time that the database's clock has reached. */
  const look = (): Look => {
    if (latest !== null && local.monotonicTimeNanosUnsafe() - latest.at.monotonicNanos < momentNanos) return latest
    const at = read()
    latest = {
      at,
      earliestNanos: hostBounds(at)?.earliestNanos ?? earliestOf(knowledge, at),
      isReliable: !haveParted(knowledge.trusted, at) && !isOlderAt(at, maxAgeNanos) && knowledge.doubted === null
    }
    return latest
  }

  return {
    sample: Effect.map(ask, learn),
    during: <A extends TimeColumns, E, R>(statement: Timed<A, E, R>) =>
      Effect.map(during(statement), ({ answered, told }) => {
        if (told !== null) learn(told)
        return answered
      }),
    earliestNanos: () => look().earliestNanos,
    latestNanos: () => {
      const now = read()
      return hostBounds(now)?.latestNanos ?? latestOf(knowledge, now)
    },
    reliableMillis: () => {
      const { earliestNanos, isReliable } = look()
      return isReliable ? millisOfNanos(earliestNanos) : null
    },
    isByHost: () => hostBounds(read()) !== null,
    hasParted: () => haveParted(knowledge.trusted, read()),
    /** Whether the last answer that is believed is older than this. */
    isOlderThan: (nanos: bigint) => isOlderAt(read(), nanos),
    isDoubted: () => knowledge.doubted !== null,
    doubtWords: () => doubtWords(jumpMillisOf(knowledge)),
    offsetMillis: () => offsetMillisOf(knowledge)
  }
})

const doubtWords = (jumpMillis: number): string =>
  `the database's clock has jumped ${jumpMillis < 0 ? "back" : "forward"} by ${(Math.abs(jumpMillis) / 1000).toFixed(1)} s, ` +
  "and neither clock of this host confirms it. If the database's clock is wrong, set it right; if it is right, set this " +
  "host's clock right or restart this daemon"

const clockShowing = (local: Clock.Clock, currentTimeNanosUnsafe: () => bigint): Clock.Clock => {
  const currentTimeMillisUnsafe = () => Number(currentTimeNanosUnsafe() / nanosPerMilli)
  return clockOver(local, {
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe)
  })
}
