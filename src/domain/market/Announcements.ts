import { Schema } from "effect"
import { VenueId } from "./Venue.ts"

const Day = Schema.String.check(
  Schema.makeFilter(
    (text) =>
      (/^20\d\d-\d\d-\d\d$/.test(text) && isDay(text)) ||
      `must be a day such as 2027-01-26, not ${JSON.stringify(text)}`
  )
)

const isDay = (text: string): boolean => {
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

const ClockTime = Schema.String.check(
  Schema.makeFilter(
    (text) =>
      /^([01]\d|2[0-3]):[0-5]\d$/.test(text) || `must be a time in India such as 09:15, not ${JSON.stringify(text)}`
  )
)

/** When trading opens and closes on one day, Indian time. */
export const Hours = Schema.Tuple([ClockTime, ClockTime]).check(
  Schema.makeFilter(([opens, closes]) => opens < closes || `must open before it closes, not ${opens} to ${closes}`)
)
export type Hours = typeof Hours.Type

/** A venue's hours on Mondays to Fridays, from a day on until later ones replace them. */
export const RegularHours = Schema.Struct({
  market: VenueId,
  since: Day,
  hours: Hours,
  /** When it closes outside of US daylight saving time; absent if it closes at the same time. */
  closesInUsWinter: Schema.optionalKey(ClockTime)
}).check(
  Schema.makeFilter(
    ({ hours, closesInUsWinter }) =>
      closesInUsWinter === undefined || hours[0] < closesInUsWinter || "must open before it closes in winter"
  )
)
export type RegularHours = typeof RegularHours.Type

/** A day with special hours; no sessions on a holiday. */
export const SpecialDay = Schema.Struct({
  day: Day,
  markets: Schema.Union([Schema.Literal("all"), Schema.NonEmptyArray(VenueId)]),
  sessions: Schema.Array(Hours).check(
    Schema.makeFilter(
      (sessions) =>
        sessions.every(([opens], index) => (sessions[index - 1]?.[1] ?? opens) <= opens) ||
        "must be in order, none before another's end"
    )
  ),
  /** The festival or event, shown to people. */
  name: Schema.String.check(Schema.makeFilter((name) => name.trim() !== "" || "must not be empty"))
})
export type SpecialDay = typeof SpecialDay.Type

/** The announcements of exchanges. Of two for the same venue and day the later one applies. */
export const Announcements = Schema.Struct({
  /** The last day up to which all special days of all venues are known. */
  until: Schema.optionalKey(Day),
  hours: Schema.optionalKey(Schema.Array(RegularHours)),
  days: Schema.Array(SpecialDay)
})
export type Announcements = typeof Announcements.Type
