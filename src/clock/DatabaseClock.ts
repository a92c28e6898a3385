import { Clock, Context, Duration, Effect, Layer, Ref, Schedule, Schema } from "effect"
import { Configuration } from "../config/Configuration.ts"
import { Db } from "../db/Db.ts"
import { DbError } from "../db/DbError.ts"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { clockOver } from "./overrideClock.ts"

/** What this process's two clocks show at one moment, the monotonic one and the wall clock, in nanoseconds. */
interface Reading {
  readonly monotonicNanos: bigint
  readonly localNanos: bigint
}

/** The same, and the database's wall clock. */
interface Anchor extends Reading {
  readonly databaseNanos: bigint
}

const nanosPerMilli = 1_000_000n
/** The wall clock and the monotonic clock of one host drift apart by far less than this between two syncs. */
const maxDriftNanos = 500n * nanosPerMilli
/** At the start, and after a jump, nothing is known yet: the best of more. */
const firstSamples = 5
/** Later on a sample makes the clock better, or leaves it. */
const laterSamples = 2
/** So often a question is asked anew during which the host was suspended or its time set. */
const maxRepeats = 5
/** The clocks of two hosts run apart by less than a 20,000th (50 ppm): ours runs so much slower, to be on the safe side. */
const driftDivisor = 20_000n

const noAnswer = new DbError({
  operation: "DatabaseClock.sample",
  message: "DatabaseClock.sample: the database gave no answer",
  isTransient: true,
  sqlState: null
})

const clocksParted = new DbError({
  operation: "DatabaseClock.sample",
  message:
    "DatabaseClock.sample: this host was suspended, or its time was set, each time that the database was asked for the time",
  isTransient: true,
  sqlState: null
})

/**
 * The database's time, on this process's monotonic clock. Replicas' clocks differ; due times, leases and quarantines are
 * compared across replicas, so all of them use the one clock they share.
 *
 * It is not ahead of the database: each sample counts as read at the very end of its round trip, and from there on the
 * clock runs slower by what two clocks may run apart (50 ppm). So "not early" by this clock is "not early" by the
 * database's. Only while the database's clock is being set back, or slewed faster than that, it is ahead: until the next
 * sync, and by what that was; after it by the fastest round trip of the sync at most. It is behind by at most that round
 * trip and 50 ppm, and by what the host was suspended for during the answer, if that was less than half a second.
 */
export class DatabaseClock extends Context.Service<
  DatabaseClock,
  {
    /** This host's wall clock minus the database's, in milliseconds, as of the last sync. */
    readonly offsetMillis: Effect.Effect<number>

    /**
     * Returns when the clock can be relied on. Costs nothing as a rule. When this host's two clocks have parted (it was
     * suspended, or its time was set), the clock is measured anew first: a lease may have run out unseen.
     */
    readonly settle: Effect.Effect<void, DbError>
  }
>()("pulse-background/DatabaseClock") {
  /** Also installs itself as the Clock of everything built on this layer. */
  static readonly layer: Layer.Layer<DatabaseClock, DbError, Db | Configuration> = Layer.effectContext(
    Effect.gen(function* () {
      const config = yield* Configuration
      const local = yield* Clock.Clock
      const { query, sql } = yield* Db
      const telemetry = yield* Telemetry

      const sample = Effect.gen(function* () {
        const before = readingOf(local)
        const [row] = yield* query(
          "DatabaseClock.sample",
          Schema.Struct({ micros: Schema.BigInt }),
          sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros`
        )
        const after = readingOf(local)
        if (row === undefined) return yield* noAnswer
        // The monotonic clock knows nothing of a suspension during the question: such an answer is old, not quick.
        if (haveParted(before, after)) return yield* clocksParted
        const anchor: Anchor = { databaseNanos: row.micros * 1000n, ...after }
        return { anchor, roundTripNanos: after.monotonicNanos - before.monotonicNanos }
      }).pipe(Effect.retry({ times: maxRepeats, while: (error) => error === clocksParted }))

      const bestOf = Effect.fnUntraced(function* (samples: number) {
        let best = yield* sample
        for (let n = 1; n < samples; n += 1) {
          const next = yield* sample
          // What was measured before a suspension is good for nothing after it.
          if (next.roundTripNanos < best.roundTripNanos || haveParted(best.anchor, next.anchor)) best = next
        }
        return best
      })

      const anchor = yield* Ref.make((yield* bestOf(firstSamples)).anchor)
      const clock = makeClock(local, anchor)

      const sync = Effect.fnUntraced(function* (samples: number) {
        const measured = yield* bestOf(samples)
        const corrected = yield* Ref.updateAndGet(anchor, (current) => correct(current, measured))
        const offsetMillis = offsetMillisOf(corrected)
        telemetry.clockOffset(offsetMillis)
        if (Math.abs(offsetMillis) > Duration.toMillis(config.clockOffsetLimit)) {
          yield* Effect.logError(
            `This host's clock is ${Math.abs(offsetMillis)} ms ${offsetMillis > 0 ? "ahead of" : "behind"} the database's. ` +
              "Due times follow the database's clock; check time synchronisation on both hosts."
          )
        } else {
          yield* Effect.logDebug(`This host's clock differs from the database's by ${offsetMillis} ms`)
        }
      })

      const settle = Effect.suspend(() =>
        haveParted(Ref.getUnsafe(anchor), readingOf(local)) ? sync(firstSamples) : Effect.void
      )

      yield* sync(laterSamples).pipe(
        logAndContinue("Could not read the database's clock"),
        Effect.repeat(Schedule.spaced(config.clockSyncInterval)),
        Effect.forkScoped
      )

      return Context.make(
        DatabaseClock,
        DatabaseClock.of({ offsetMillis: Effect.map(Ref.get(anchor), offsetMillisOf), settle })
      ).pipe(Context.add(Clock.Clock, clock), Context.add(LatestTime, latestTime(local, anchor)))
    })
  )
}

/**
 * The latest that it may be by now, in milliseconds since 1970: what a deadline is held against. Without a DatabaseClock,
 * the time.
 */
export const LatestTime: Context.Reference<Effect.Effect<number>> = Context.Reference("pulse-background/LatestTime", {
  defaultValue: () => Clock.currentTimeMillis
})

/** The monotonic clock stands still while the host is suspended, the wall clock may be set back: whichever says more. */
const latestTime = (local: Clock.Clock, anchor: Ref.Ref<Anchor>): Effect.Effect<number> =>
  Effect.map(Ref.get(anchor), (anchor) => {
    const { passed, passedByWallClock } = between(anchor, readingOf(local))
    return Number((anchor.databaseNanos + larger(passed, passedByWallClock)) / nanosPerMilli)
  })

/** Effect's wall clock in nanoseconds follows the monotonic one for up to a second; the one in milliseconds shows what the host is set to. */
const readingOf = (local: Clock.Clock): Reading => ({
  monotonicNanos: local.monotonicTimeNanosUnsafe(),
  localNanos: BigInt(local.currentTimeMillisUnsafe()) * nanosPerMilli
})

const between = (from: Reading, to: Reading) => ({
  passed: to.monotonicNanos - from.monotonicNanos,
  passedByWallClock: to.localNanos - from.localNanos
})

/** Whether the host was suspended meanwhile, or its time set: then its two clocks say that different times have passed. */
const haveParted = (from: Reading, to: Reading): boolean => {
  const { passed, passedByWallClock } = between(from, to)
  return passed - passedByWallClock > maxDriftNanos || passedByWallClock - passed > maxDriftNanos
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** A measurement, and how long its round trip took: the database's time lay somewhere within. */
interface Measurement {
  readonly anchor: Anchor
  readonly roundTripNanos: bigint
}

/**
 * What a new measurement makes of the clock. Both the measurement and the clock as it ran on are times that the database's
 * clock has reached: the later one is good, unless it is later than the measurement allows.
 */
export const correct = (current: Anchor, { anchor, roundTripNanos }: Measurement): Anchor => {
  const running = nanosAt(current, anchor.monotonicNanos)
  const isPossible = running <= anchor.databaseNanos + roundTripNanos
  return isPossible && running > anchor.databaseNanos ? { ...anchor, databaseNanos: running } : anchor
}

/** The database's time at a moment of the monotonic clock, as late as it may be by now. */
const nanosAt = ({ databaseNanos, monotonicNanos }: Anchor, nowNanos: bigint): bigint => {
  const passed = nowNanos - monotonicNanos
  return databaseNanos + passed - passed / driftDivisor
}

const offsetMillisOf = ({ databaseNanos, localNanos }: Anchor): number =>
  Number((localNanos - databaseNanos) / nanosPerMilli)

const makeClock = (local: Clock.Clock, anchor: Ref.Ref<Anchor>): Clock.Clock => {
  const currentTimeNanosUnsafe = () => nanosAt(Ref.getUnsafe(anchor), local.monotonicTimeNanosUnsafe())
  const currentTimeMillisUnsafe = () => Number(currentTimeNanosUnsafe() / nanosPerMilli)
  return clockOver(local, {
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe)
  })
}
