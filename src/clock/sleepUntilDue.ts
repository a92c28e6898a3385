import { Effect, type Latch } from "effect"

/** Probes are asked in this time before something is due. */
const leadMillis = 20
/** The time between two probes, so that four of them fit into the lead. */
const gapMillis = 5
/** No more than four probes in this time: 80 a second, however much is due. */
const windowMillis = 50
const probesPerWindow = 4
/** Timers may be late by this; the end of a sleep up to which no timer may be used is left to the PreciseClock. */
const timerMillis = 2

export interface DueClock {
  /** The lower bound of the database's time, in milliseconds since 1970. */
  readonly earliestMillis: () => number
  readonly latestMillis: () => number
  /** The monotonic clock, in milliseconds. */
  readonly monotonicMillis: () => number
  /** Asks the database for the time and corrects the bounds. It never fails, and releases `corrected`. */
  readonly probe: Effect.Effect<void>
  /** Whether probes add anything to what is known. */
  readonly wantsProbes: () => boolean
  readonly corrected: Latch.Latch
  /** Starts a probe in the background. */
  readonly fork: (probe: Effect.Effect<void>) => Effect.Effect<unknown>
}

/**
 * Sleeps until the database's clock has certainly reached a time, in milliseconds since 1970. In the last 20 ms before it the
 * database is asked up to four times, so that the bound is young and close. All sleepers share the probes, one at a time, and
 * none waits for an answer: without one the bound is carried on, and is later than it could be, never earlier.
 */
export const makeSleepUntil = (clock: DueClock): ((dueMillis: number) => Effect.Effect<void>) => {
  /** When the last probes began, the latest first. */
  let began: ReadonlyArray<number> = []
  let isProbing = false

  const probeIfWorthwhile = Effect.suspend(() => {
    const now = clock.monotonicMillis()
    const isTooSoon =
      now < (began[0] ?? -Infinity) + gapMillis || now < (began[probesPerWindow - 1] ?? -Infinity) + windowMillis
    if (isProbing || isTooSoon || !clock.wantsProbes()) return Effect.void
    began = [now, ...began.slice(0, probesPerWindow - 1)]
    isProbing = true
    return clock.fork(
      Effect.ensuring(
        clock.probe,
        Effect.sync(() => (isProbing = false))
      )
    )
  })

  const sleepUntil = (dueMillis: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const leftMillis = dueMillis - clock.earliestMillis()
      if (leftMillis <= 0) return Effect.void
      // Reckoned from the upper bound: an old lower bound may be behind by more than the lead.
      const untilProbes = Math.floor(dueMillis - clock.latestMillis() - leadMillis)
      const sleep = (millis: number) => Effect.raceFirst(Effect.sleep(millis), clock.corrected.await)
      return (
        untilProbes > 0
          ? sleep(untilProbes)
          : Effect.andThen(probeIfWorthwhile, sleep(leftMillis > gapMillis + timerMillis ? gapMillis : leftMillis))
      ).pipe(Effect.andThen(sleepUntil(dueMillis)))
    })
  return sleepUntil
}
