import { DateTime, Option } from "effect"

const dayMillis = 86_400_000
/** India has had one offset and no daylight saving time since 1945. */
const offsetMillis = 19_800_000

/** The next moment after `after` at which it is this hour in India. */
export const nextIndianHour = (after: DateTime.Utc, hour: number): DateTime.Utc => {
  const sinceHour = DateTime.toEpochMillis(after) + offsetMillis - hour * 3_600_000
  return DateTime.makeUnsafe((Math.floor(sinceHour / dayMillis) + 1) * dayMillis + hour * 3_600_000 - offsetMillis)
}

/** The day in India at a moment, YYYY-MM-DD. */
export const indianDay = (at: DateTime.Utc): string =>
  DateTime.formatIsoDateUtc(DateTime.makeUnsafe(DateTime.toEpochMillis(at) + offsetMillis))

/** The time of day in India at a moment: `15:15:00.000`. */
export const indianTimeOfDay = (at: DateTime.Utc): string =>
  DateTime.formatIso(DateTime.makeUnsafe(DateTime.toEpochMillis(at) + offsetMillis)).slice(11, 23)

/** A moment in Indian time: `2026-11-24 15:15 IST`. */
export const indianClock = (millis: number): string => {
  const at = DateTime.makeUnsafe(millis)
  return `${indianDay(at)} ${indianTimeOfDay(at).slice(0, 5)} IST`
}

/** Parses `14:30` or `14:30:15` (today in India), or a moment with its zone such as `2026-11-24T14:30:00+05:30`. */
export const indianMoment = (text: string, now: DateTime.Utc): Option.Option<DateTime.Utc> => {
  const isTimeOfDay = /^\d\d:\d\d(:\d\d)?$/.test(text)
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text)
  if (!isTimeOfDay && !isMoment) return Option.none()
  return Option.map(DateTime.make(isTimeOfDay ? `${indianDay(now)}T${text}+05:30` : text), DateTime.toUtc)
}

/** Whether a text is a day of the years 1900 to 2199, YYYY-MM-DD. */
export const isDay = (text: string): boolean =>
  /^(?:19|20|21)\d\d-\d\d-\d\d$/.test(text) &&
  Option.exists(DateTime.make(`${text}T00:00:00Z`), (day) => DateTime.formatIsoDateUtc(day) === text)
