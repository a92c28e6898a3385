/*
 * What this process knows of the database's time: two bounds between which it lies. Pure; DatabaseClock reads the clocks and
 * asks the database. All times are whole nanoseconds, so that nothing is rounded up.
 *
 * An answer of `clock_timestamp()`, held against the moment of its arrival, is a time that the database's clock has reached:
 * the lower bound. The same time plus the round trip is one that it had not passed on arrival: the upper bound. Both are
 * carried on by the monotonic clock, the lower one slower and the upper one faster than two clocks can differ in rate, so a
 * bound stays true at any age and only becomes looser. A slice is due when the lower bound says so, and a deadline has passed
 * when the upper one says so.
 */

/** This process's monotonic clock and wall clock, read at one moment, in nanoseconds. */
export interface Reading {
  readonly monotonicNanos: bigint
  readonly localNanos: bigint
}

/** The database's time at a reading. */
export interface TimeBounds extends Reading {
  readonly earliestNanos: bigint
  readonly latestNanos: bigint
}

/** An answer of the database and the reading at its arrival. */
export interface Answer extends TimeBounds {
  readonly roundTripNanos: bigint
}

const nanosPerMilli = 1_000_000n
/** The wall clock is read in whole milliseconds. */
export const wallTickNanos = nanosPerMilli
/** Between two looks, the wall clock and the monotonic clock of a host drift apart by far less than this. */
const maxDriftNanos = 500n * nanosPerMilli
/**
 * Two clocks differ in rate by less than 1,100 in a million: time synchronisation slews each of them by at most 500, in
 * opposite directions at worst, and the oscillators differ by less than 100.
 */
const maxRateDifferencePerMillion = 1_100n
const million = 1_000_000n

/** The maximum by which two clocks differ after this time, rounded up. */
const spreadOf = (passedNanos: bigint): bigint => {
  const absolute = passedNanos < 0n ? -passedNanos : passedNanos
  return (absolute * maxRateDifferencePerMillion + million - 1n) / million
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

const between = (from: Reading, to: Reading) => ({
  passed: to.monotonicNanos - from.monotonicNanos,
  passedByWallClock: to.localNanos - from.localNanos
})

/** Whether the host was suspended between the readings, or its time set: its two clocks then differ in the time passed. */
export const haveParted = (from: Reading, to: Reading): boolean => {
  const { passed, passedByWallClock } = between(from, to)
  return passed - passedByWallClock > maxDriftNanos || passedByWallClock - passed > maxDriftNanos
}

/** A time that the database's clock has reached. The monotonic clock stands still during a suspension, which makes it late. */
export const earliestAt = (bounds: TimeBounds, { monotonicNanos }: Pick<Reading, "monotonicNanos">): bigint => {
  const passed = monotonicNanos - bounds.monotonicNanos
  return bounds.earliestNanos + passed - spreadOf(passed)
}

/**
 * The longest time that may have passed for the database. The monotonic clock stands still while this host is suspended, and its
 * wall clock may be set back, so the larger counts.
 */
const longestBetween = (from: Reading, to: Reading): bigint => {
  const { passed, passedByWallClock } = between(from, to)
  const longest = larger(passed, passedByWallClock + wallTickNanos)
  return longest + spreadOf(longest)
}

/** A time that the database's clock has not passed. */
export const latestAt = (bounds: TimeBounds, reading: Reading): bigint =>
  bounds.latestNanos + longestBetween(bounds, reading)

/** An answer, of which only the readings before and after it are known. The database read its clock at a moment between them. */
export const answerOf = (databaseNanos: bigint, before: Reading, after: Reading): Answer => ({
  ...after,
  earliestNanos: databaseNanos,
  latestNanos: databaseNanos + longestBetween(before, after),
  roundTripNanos: after.monotonicNanos - before.monotonicNanos
})

/**
 * Corrects the bounds by an answer. Both the old bounds and the answer are true, so the closer ones are used, unless the answer
 * rules the old ones out: the database's clock was set, or slewed faster than any rate that is allowed for.
 */
export const correct = (bounds: TimeBounds, answer: Answer): TimeBounds => {
  const earliest = earliestAt(bounds, answer)
  const latest = latestAt(bounds, answer)
  const { monotonicNanos, localNanos, earliestNanos, latestNanos, roundTripNanos } = answer
  return {
    monotonicNanos,
    localNanos,
    earliestNanos: earliest <= earliestNanos + roundTripNanos ? larger(earliest, earliestNanos) : earliestNanos,
    latestNanos: latest >= earliestNanos ? smaller(latest, latestNanos) : latestNanos
  }
}

/**
 * Bounds by the host's own wall clock, for a database that reads the very same clock. The wall clock is cut to milliseconds: at
 * the turn of one the bound is exact, and between two turns it goes on by the monotonic clock.
 */
export const correctByHost = (bounds: TimeBounds, reading: Reading): TimeBounds =>
  correct(bounds, {
    ...reading,
    earliestNanos: reading.localNanos,
    latestNanos: reading.localNanos + wallTickNanos,
    roundTripNanos: wallTickNanos
  })

/** The bounds, and those of a jump of the database's clock that is not believed. */
export interface Knowledge {
  readonly trusted: TimeBounds
  readonly doubted: TimeBounds | null
}

/**
 * Takes an answer. Where one of this host's clocks confirms it, it corrects the bounds. Otherwise the database's clock has
 * jumped: the old bounds are kept beside it until an answer is confirmed again, which is when the database's clock or this
 * host's is set right. A slow answer ends no doubt, because it fits both times. After a doubt the old bounds are dropped.
 */
export const take = ({ trusted, doubted }: Knowledge, answer: Answer): Knowledge => {
  const isSure = isConfirmed(trusted, answer)
  if (doubted === null) return isSure ? { trusted: correct(trusted, answer), doubted } : { trusted, doubted: answer }
  const isQuick = answer.latestNanos - answer.earliestNanos <= maxDriftNanos
  return isSure && isQuick ? { trusted: answer, doubted: null } : { trusted, doubted: correct(doubted, answer) }
}

/**
 * Whether one of this host's clocks confirms an answer, to half a second: as much time has passed since the last answer by the
 * monotonic clock or by the wall clock, or the wall clock shows the same time. The last one accepts the repair of a wrong clock.
 */
const isConfirmed = (trusted: TimeBounds, answer: Answer): boolean => {
  const { passed, passedByWallClock } = between(trusted, answer)
  const isBetween = (earliest: bigint, latest: bigint) =>
    answer.latestNanos >= earliest - maxDriftNanos && answer.earliestNanos <= latest + maxDriftNanos
  const isAfter = (passed: bigint) =>
    isBetween(trusted.earliestNanos + passed - spreadOf(passed), trusted.latestNanos + passed + spreadOf(passed))
  return isAfter(passed) || isAfter(passedByWallClock) || isBetween(answer.localNanos, answer.localNanos)
}

/** The lower bound of the database's time, whether or not a jump is believed. */
export const earliestOf = ({ trusted, doubted }: Knowledge, reading: Pick<Reading, "monotonicNanos">): bigint => {
  const earliest = earliestAt(trusted, reading)
  return doubted === null ? earliest : smaller(earliest, earliestAt(doubted, reading))
}

/** The upper bound of the database's time, whether or not a jump is believed. */
export const latestOf = ({ trusted, doubted }: Knowledge, reading: Reading): bigint => {
  const latest = latestAt(trusted, reading)
  return doubted === null ? latest : larger(latest, latestAt(doubted, reading))
}

/** By how many milliseconds the database's clock has jumped; 0 if it has not. */
export const jumpMillisOf = ({ trusted, doubted }: Knowledge): number =>
  doubted === null ? 0 : Number((doubted.earliestNanos - earliestAt(trusted, doubted)) / nanosPerMilli)

/** Whether a database on the same host, with the same clock, may have given this answer between these readings. */
export const isByThisClock = ({ earliestNanos, localNanos }: Answer, before: Reading): boolean =>
  earliestNanos >= before.localNanos && earliestNanos <= localNanos + wallTickNanos

/** This host's wall clock minus the database's, in milliseconds, as of the last answer. */
export const offsetMillisOf = ({ trusted, doubted }: Knowledge): number => {
  const { localNanos, earliestNanos } = doubted ?? trusted
  return Number((localNanos - earliestNanos) / nanosPerMilli)
}
