import { DateTime, Schema } from "effect"
import {
  type Announcements,
  endsAfter,
  type Hours,
  type RegularHours,
  regularHoursOf,
  type SpecialDay,
  specialDaysOf
} from "./Announcements.ts"
import { indianDay, indianTimeOfDay } from "./indianTime.ts"
import { regularHours, usualHours } from "./regularHours.ts"
import { firstEndingAfter, type TradingSession } from "./TradingSession.ts"
import { forEachVenue, type PerVenue, VenueId, venueIds } from "./Venue.ts"

/** A plan needs days beyond the end of the calendar. */
export class CalendarEnds extends Schema.TaggedError<CalendarEnds>()("CalendarEnds", {
  market: VenueId,
  /** The last known day, YYYY-MM-DD. */
  until: Schema.String
}) {
  override get message(): string {
    return `the trading days of ${this.market} are known until ${this.until}; "calendar import FILE" adds later ones`
  }
}

interface MarketDays {
  /** The last known day, YYYY-MM-DD. */
  readonly until: string
  readonly sessions: ReadonlyArray<TradingSession>
  /** For each day, why the venue is closed outside of that day's sessions. */
  readonly whyClosed: ReadonlyMap<string, string>
  readonly regular: ReadonlyArray<RegularHours>
}

/** When each venue is open on the days from `from` to its `until`, YYYY-MM-DD in India, both included. */
export interface TradingCalendar {
  readonly from: string
  readonly markets: PerVenue<MarketDays>
}

/** The sessions that end after a moment, on its day in India and on `days` following days; fewer if the calendar ends. */
export const sessionsFrom = (
  calendar: TradingCalendar,
  market: VenueId,
  fromMillis: number,
  days: number
): ReadonlyArray<TradingSession> => {
  const { sessions } = calendar.markets[market]
  const endMillis = millisAt(dayOf(fromMillis), "00:00") + (days + 1) * dayMillis
  return sessions.slice(firstEndingAfter(sessions, fromMillis), firstOpeningFrom(sessions, endMillis))
}

export type SessionAt =
  | { readonly _tag: "Open"; readonly session: TradingSession }
  /** `next` is null if the calendar ends before the next session. */
  | { readonly _tag: "Closed"; readonly next: TradingSession | null; readonly reason: string }

/** The session that contains a moment; else the next session, and why the venue is closed. */
export const sessionAt = (calendar: TradingCalendar, market: VenueId, atMillis: number): SessionAt => {
  const { sessions, until, whyClosed } = calendar.markets[market]
  const session = sessions[firstEndingAfter(sessions, atMillis)]
  if (session !== undefined && session.opensMillis <= atMillis) return { _tag: "Open", session }
  const day = dayOf(atMillis)
  const reason =
    whyClosed.get(day) ??
    (day < calendar.from
      ? `the trading calendar begins on ${calendar.from}`
      : `the trading calendar of ${market} ends on ${until}`)
  return { _tag: "Closed", next: session ?? null, reason }
}

/** A venue's hours on a day: `09:15–15:30`, several with commas between, `closed`, or `not known` outside of the calendar. */
export const hoursOn = (calendar: TradingCalendar, market: VenueId, day: string): string => {
  if (!calendar.markets[market].whyClosed.has(day)) return "not known"
  const sessions = sessionsFrom(calendar, market, millisAt(day, "00:00"), 0)
  const clock = (millis: number) => indianTimeOfDay(DateTime.makeUnsafe(millis)).slice(0, 5)
  return sessions.length === 0
    ? "closed"
    : sessions.map(({ closesMillis, opensMillis }) => `${clock(opensMillis)}–${clock(closesMillis)}`).join(", ")
}

export const isOpenAt = (calendar: TradingCalendar, market: VenueId, atMillis: number): boolean =>
  sessionAt(calendar, market, atMillis)._tag === "Open"

/** The session that the day of a moment would have if it were an ordinary weekday; null before the first known hours. */
export const ordinarySession = (
  calendar: TradingCalendar,
  market: VenueId,
  atMillis: number
): TradingSession | null => {
  const day = dayOf(atMillis)
  const hours = usualHours(calendar.markets[market].regular, day)
  return hours === null ? null : { opensMillis: millisAt(day, hours[0]), closesMillis: millisAt(day, hours[1]) }
}

export const calendarEnds = ({ markets }: TradingCalendar, market: VenueId): CalendarEnds =>
  new CalendarEnds({ market, until: markets[market].until })

/** Whether the venue's days are not known up to the day of a moment. */
export const endsBefore = ({ markets }: TradingCalendar, market: VenueId, atMillis: number): boolean =>
  markets[market].until < dayOf(atMillis)

/** The last known day of each venue. */
export const endsOf = ({ markets }: TradingCalendar): PerVenue<string> =>
  forEachVenue((market) => markets[market].until)

/** Last days in words: `2026-12-31`, or `2026-12-31 (COMMODITIES), 2027-12-31 (EQUITY, ...)` if they differ. */
export const describeEnds = (ends: PerVenue<string>): string => {
  const days = [...new Set(venueIds.map((market) => ends[market]))].toSorted()
  const named = (day: string) => venueIds.filter((market) => ends[market] === day).join(", ")
  return days.length === 1 ? days.join("") : days.map((day) => `${day} (${named(day)})`).join(", ")
}

const dayMillis = 86_400_000
/** The first built-in day; nothing is placed before it. */
const firstDay = "2025-01-01"

const dayOf = (millis: number): string => indianDay(DateTime.makeUnsafe(millis))
/** A time of day in India, from the midnight of its day in UTC. */
const timeMillis = (time: string): number =>
  (Number(time.slice(0, 2)) * 60 + Number(time.slice(3)) - indiaAheadMinutes) * 60_000
const indiaAheadMinutes = 330

const millisAt = (day: string, time: string): number => Date.parse(`${day}T${time}:00+05:30`)

const firstOpeningFrom = (sessions: ReadonlyArray<TradingSession>, millis: number): number => {
  const index = firstEndingAfter(sessions, millis)
  const session = sessions[index]
  return session !== undefined && session.opensMillis < millis ? index + 1 : index
}

/** The ends before any announcement. */
const noDays = forEachVenue(() => firstDay)

/** The last day of each venue that these announcements make known. */
export const knownEnds = (announcements: ReadonlyArray<Announcements>): PerVenue<string> =>
  announcements.reduce(endsAfter, noDays)

/** The calendar of all announcements; later ones replace earlier ones. */
export const calendarOf = (announcements: ReadonlyArray<Announcements>): TradingCalendar => {
  const ends = knownEnds(announcements)
  return {
    from: firstDay,
    markets: forEachVenue((market) =>
      marketDays(ends[market], regularHoursOf(announcements, market), specialDaysOf(announcements, market))
    )
  }
}

const marketDays = (
  until: string,
  regular: ReadonlyArray<RegularHours>,
  special: ReturnType<typeof specialDaysOf>
): MarketDays => {
  const sessions: Array<TradingSession> = []
  const whyClosed = new Map<string, string>()
  const lastMillis = Date.parse(until)
  // Daemons make a calendar while they place, so that it must not take long: days are counted, not parsed.
  for (let utcMillis = Date.parse(firstDay); utcMillis <= lastMillis; utcMillis += dayMillis) {
    const day = new Date(utcMillis).toISOString().slice(0, 10)
    const specialDay = special.get(day)?.special
    const hours = specialDay?.sessions ?? regularHours(regular, day)
    for (const [opens, closes] of hours) {
      sessions.push({ opensMillis: utcMillis + timeMillis(opens), closesMillis: utcMillis + timeMillis(closes) })
    }
    whyClosed.set(day, reasonOf(hours, specialDay))
  }
  return { until, sessions, whyClosed, regular }
}

const reasonOf = (hours: ReadonlyArray<Hours>, specialDay: SpecialDay | undefined): string => {
  if (hours.length === 0) return specialDay === undefined ? "weekend" : whyWithoutHours(specialDay)
  const outside = `outside ${hours.map(([opens, closes]) => `${opens}–${closes}`).join(", ")} IST`
  return specialDay === undefined ? outside : `${outside}: ${specialDay.name}`
}

const whyWithoutHours = ({ hoursToCome, name }: SpecialDay): string =>
  hoursToCome === true ? `its hours are not announced yet: ${name}` : `the exchange is closed: ${name}`
