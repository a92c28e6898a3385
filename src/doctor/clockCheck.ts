import { Duration } from "effect"
import { type Check, ok, warning } from "./Check.ts"

/** The offset of this host's clock to the database's. Beyond `limit` it is a WARNING: due times follow the database. */
export const clockCheck = (offsetMillis: number, limit: Duration.Duration): Check => {
  const found = `this host's clock is ${Math.abs(offsetMillis)} ms ${offsetMillis < 0 ? "behind" : "ahead of"} the database's`
  return Math.abs(offsetMillis) > Duration.toMillis(limit)
    ? warning(
        "clock",
        `${found}, more than CLOCK_OFFSET_LIMIT_MILLIS (${Duration.toMillis(limit)}); due times follow the database's`,
        "See whether both hosts synchronise their clocks: timedatectl, chronyc tracking"
      )
    : ok("clock", found)
}
