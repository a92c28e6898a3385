import { Clock, Effect } from "effect"

/** Nanoseconds since 1970 as {@link nowMillis} gives them. */
export const millisOfNanos = (nanos: bigint): number => Number(nanos / 1000n) / 1000

/**
 * Now, in milliseconds since 1970, with fractions: whole milliseconds would make every placement up to 1 ms late. It is cut to
 * microseconds, because as a number nanoseconds since 1970 could be rounded up, to before their time.
 */
export const nowMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, millisOfNanos)
