/**
 * Whether a pause goes on: it is not over at `untilMillis` yet. No pause of its kind is longer than `longestMillis`, so one that lies
 * further ahead began while the database's clock was ahead, which has been set back since: it is void, because it would last for as
 * long as the clock was set back. All in milliseconds, the first two since 1970.
 */
export const isPausedUntil = (nowMillis: number, untilMillis: number, longestMillis: number): boolean =>
  nowMillis < untilMillis && untilMillis - nowMillis <= longestMillis
