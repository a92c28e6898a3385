import { DateTime } from "effect"

const dayMillis = 86_400_000
/** India has had one offset and no summer time since 1945. */
const offsetMillis = 19_800_000

/** The next moment, after this one, when clocks in India show this hour. */
export const nextIndianHour = (after: DateTime.Utc, hour: number): DateTime.Utc => {
  const sinceHour = DateTime.toEpochMillis(after) + offsetMillis - hour * 3_600_000
  return DateTime.makeUnsafe((Math.floor(sinceHour / dayMillis) + 1) * dayMillis + hour * 3_600_000 - offsetMillis)
}

/** The day, YYYY-MM-DD, that it is in India at this moment. */
export const indianDay = (at: DateTime.Utc): string =>
  DateTime.formatIsoDateUtc(DateTime.makeUnsafe(DateTime.toEpochMillis(at) + offsetMillis))
