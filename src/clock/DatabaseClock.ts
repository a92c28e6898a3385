import { Clock, Context, Duration, Effect, Layer, Ref, Schedule, Schema } from "effect"
import { Configuration } from "../config/Configuration.ts"
import { Db } from "../db/Db.ts"
import { DbError } from "../db/DbError.ts"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { clockOver } from "./overrideClock.ts"

/** This process's monotonic clock and wall clock, read at one moment, in nanoseconds. */
interface Reading {
  readonly monotonicNanos: bigint
  readonly localNanos: bigint
}

/** A reading together with the database's wall clock. */
interface Anchor extends Reading {
  readonly databaseNanos: bigint
}

const nanosPerMilli = 1_000_000n
/** Between two syncs, the wall clock and the monotonic clock of a host drift apart by far less than this. */
const maxDriftNanos = 500n * nanosPerMilli
/** At the start and after a jump, nothing is known yet, so the best of several samples is taken. */
const firstSamples = 5
/** Later samples improve the clock or leave it. */
const laterSamples = 2
/** How often a sample is repeated during which the host was suspended or its time set. */
const maxRepeats = 5
/** The clocks of two hosts drift apart by less than a 20,000th (50 ppm); this clock runs that much slower. */
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
 * The database's time, on this process's monotonic clock. Replicas' clocks differ, and due times, leases and quarantines are
 * compared across replicas, so all replicas use the one clock they share. Everything built on the layer reads it as its Clock;
 * the executor calls `waitForOffset` before it fires a slice.
 *
 * It is never ahead of the database. Each reading is assumed to be as old as its round trip allows; until the next one the
 * clock runs 50 ppm slow, more than two clocks drift apart. So a slice that is not early by this clock is not early by the
 * database's. The exception is a database clock that is set back, or slewed faster than 50 ppm: until the next sync this clock
 * is ahead by that amount, and afterwards by at most the fastest round trip of the sync. It is behind by at most that round
 * trip and 50 ppm, and by a suspension of the host during the answer, if that was shorter than half a second.
 */
export class DatabaseClock extends Context.Service<
  DatabaseClock,
  {
    /** This host's wall clock minus the database's, in milliseconds, as of the last sync. */
    readonly offsetMillis: Effect.Effect<number>

    /**
     * Returns when the clock can be relied on, usually at once. When this host's two clocks have diverged (it was suspended,
     * or its time was set), the clock is synchronised first, because a lease may have ended unnoticed.
     */
    readonly waitForOffset: Effect.Effect<void, DbError>
  }
>()("pulse-background/DatabaseClock") {
  /** Also provides the Clock of everything built on this layer. */
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
        // The monotonic clock stands still during a suspension, so an answer that spans one looks quick but is old.
        if (haveParted(before, after)) return yield* clocksParted
        const anchor: Anchor = { databaseNanos: row.micros * 1000n, ...after }
        return { anchor, roundTripNanos: after.monotonicNanos - before.monotonicNanos }
      }).pipe(Effect.retry({ times: maxRepeats, while: (error) => error === clocksParted }))

      const bestOf = Effect.fnUntraced(function* (samples: number) {
        let best = yield* sample
        for (let n = 1; n < samples; n += 1) {
          const next = yield* sample
          // A measurement from before a suspension is useless after it.
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

      const waitForOffset = Effect.suspend(() =>
        haveParted(Ref.getUnsafe(anchor), readingOf(local)) ? sync(firstSamples) : Effect.void
      )

      yield* sync(laterSamples).pipe(
        logAndContinue("Could not read the database's clock"),
        Effect.repeat(Schedule.spaced(config.clockSyncInterval)),
        Effect.forkScoped
      )

      return Context.make(
        DatabaseClock,
        DatabaseClock.of({ offsetMillis: Effect.map(Ref.get(anchor), offsetMillisOf), waitForOffset })
      ).pipe(Context.add(Clock.Clock, clock), Context.add(LatestTime, latestTime(local, anchor)))
    })
  )
}

/**
 * The latest possible current time, in milliseconds since 1970. Deadlines are checked against it. Without a DatabaseClock it is
 * the current time.
 */
export const LatestTime: Context.Reference<Effect.Effect<number>> = Context.Reference("pulse-background/LatestTime", {
  defaultValue: () => Clock.currentTimeMillis
})

/** The monotonic clock stands still while the host is suspended, and the wall clock may be set back, so the larger counts. */
const latestTime = (local: Clock.Clock, anchor: Ref.Ref<Anchor>): Effect.Effect<number> =>
  Effect.map(Ref.get(anchor), (anchor) => {
    const { passed, passedByWallClock } = between(anchor, readingOf(local))
    return Number((anchor.databaseNanos + larger(passed, passedByWallClock)) / nanosPerMilli)
  })

/** The wall clock is read in milliseconds: Effect's nanosecond clock follows the monotonic one for up to a second. */
const readingOf = (local: Clock.Clock): Reading => ({
  monotonicNanos: local.monotonicTimeNanosUnsafe(),
  localNanos: BigInt(local.currentTimeMillisUnsafe()) * nanosPerMilli
})

const between = (from: Reading, to: Reading) => ({
  passed: to.monotonicNanos - from.monotonicNanos,
  passedByWallClock: to.localNanos - from.localNanos
})

/** Whether the host was suspended between the readings, or its time set: its two clocks then differ in the time passed. */
const haveParted = (from: Reading, to: Reading): boolean => {
  const { passed, passedByWallClock } = between(from, to)
  return passed - passedByWallClock > maxDriftNanos || passedByWallClock - passed > maxDriftNanos
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** A measurement. The database read its clock at an unknown moment of the round trip. */
interface Measurement {
  readonly anchor: Anchor
  readonly roundTripNanos: bigint
}

/**
 * Corrects the clock by a new measurement. Both the measurement and the running clock are times that the database's clock has
 * reached, so the later one is used, unless it is later than the measurement allows.
 */
export const correct = (current: Anchor, { anchor, roundTripNanos }: Measurement): Anchor => {
  const running = nanosAt(current, anchor.monotonicNanos)
  const isPossible = running <= anchor.databaseNanos + roundTripNanos
  return isPossible && running > anchor.databaseNanos ? { ...anchor, databaseNanos: running } : anchor
}

/** The database's time at a moment of the monotonic clock, by an anchor that runs 50 ppm slow. */
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
