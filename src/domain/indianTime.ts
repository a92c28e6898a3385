import { DateTime } from "effect"

const dayMillis = 86_400_000
/** India has had one offset and no summer time since 1945. */
const offsetMillis = 19_800_000

/** The next moment, after this one, when clocks in India show this hour. */
export const nextIndianHour = (after: DateTime.Utc, hour: number): DateTime.Utc => {
  const sinceHour = DateTime.toEpochMillis(after) + offsetMillis - hour * 3_600_000
  return DateTime.makeUnsafe((Math.floor(sinceHour / dayMillis) + 1) * dayMillis + hour * 3_600_000 - offsetMillis)
}
