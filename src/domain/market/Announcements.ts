import { Schema } from "effect"
import { forEachVenue, type PerVenue, VenueId, venueIds } from "./Venue.ts"

export const Day = Schema.String.check(
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
  name: Schema.String.check(Schema.makeFilter((name) => name.trim() !== "" || "must not be empty")),
  /** True if it trades at hours that are not announced yet. Nothing is placed on it until they are. */
  hoursToCome: Schema.optionalKey(Schema.Boolean)
}).check(
  Schema.makeFilter(
    ({ hoursToCome, sessions }) =>
      hoursToCome !== true || sessions.length === 0 || "has sessions whose hours are to come"
  )
)
export type SpecialDay = typeof SpecialDay.Type

/** The last day of each venue that is named. */
const VenueEnds = Schema.Struct(forEachVenue(() => Schema.optionalKey(Day)))

/** The announcements of exchanges. Of two for the same venue and day the later one applies. */
export const Announcements = Schema.Struct({
  /**
   * The last day up to which all special days are known: of each venue by its name, or one day, which is that of the venues with a
   * special day after their end so far. The other venues keep their end, for their holidays are not known.
   */
  until: Schema.optionalKey(Schema.Union([Day, VenueEnds])),
  hours: Schema.optionalKey(Schema.Array(RegularHours)),
  days: Schema.Array(SpecialDay)
})
export type Announcements = typeof Announcements.Type

/** The last day of each venue, after announcements that follow others with the ends `before`. No end is ever made earlier. */
export const endsAfter = (before: PerVenue<string>, { days, until }: Announcements): PerVenue<string> =>
  forEachVenue((market) => {
    const end = before[market]
    const hasLaterDay = days.some((one) => one.day > end && marketsOf(one).includes(market))
    const announced = typeof until === "string" ? (hasLaterDay ? until : end) : (until?.[market] ?? end)
    return announced > end ? announced : end
  })

/** Announcements with the ends that they bring, so that these no longer depend on what was known before. */
export const withOwnEnds = (before: PerVenue<string>, announcements: Announcements): Announcements => {
  const ends = endsAfter(before, announcements)
  const later = venueIds.filter((market) => ends[market] > before[market]).map((market) => [market, ends[market]])
  return { ...announcements, until: Object.fromEntries(later) }
}

export const marketsOf = ({ markets }: Pick<SpecialDay, "markets">): ReadonlyArray<VenueId> =>
  markets === "all" ? venueIds : markets

/**
 * The special days of a venue, each with the announcements that say it. The later ones apply, unless they only say that hours are to
 * come which are known already.
 */
export const specialDaysOf = <A extends Announcements>(
  announcements: ReadonlyArray<A>,
  market: VenueId
): ReadonlyMap<string, { readonly special: SpecialDay; readonly from: A }> => {
  const found = new Map<string, { readonly special: SpecialDay; readonly from: A }>()
  for (const from of announcements) {
    for (const special of from.days) {
      const isKnown = special.hoursToCome === true && (found.get(special.day)?.special.sessions.length ?? 0) > 0
      if (!isKnown && marketsOf(special).includes(market)) found.set(special.day, { special, from })
    }
  }
  return found
}

/** The regular hours of a venue, in the order in which they were announced. */
export const regularHoursOf = (
  announcements: ReadonlyArray<Announcements>,
  market: VenueId
): ReadonlyArray<RegularHours> =>
  announcements.flatMap(({ hours }) => hours ?? []).filter((one) => one.market === market)
