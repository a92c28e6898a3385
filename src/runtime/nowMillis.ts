import { Clock, Effect } from "effect"

/** Now, in milliseconds since 1970, with fractions: whole milliseconds would make every placement up to 1 ms late. */
export const nowMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)
