import { DateTime, Schema } from "effect"
import type { Announcements, Hours, RegularHours, SpecialDay } from "./Announcements.ts"
import { indianDay } from "./indianTime.ts"
import { ordinaryHours, regularHours } from "./regularHours.ts"
import { firstEndingAfter, type TradingSession } from "./TradingSession.ts"
import { forEachVenue, VenueId } from "./Venue.ts"

/** A plan needs days beyond the end of the calendar. */
export class CalendarEnds extends Schema.TaggedError<CalendarEnds>()("CalendarEnds", {
  market: VenueId,
  /** The last known day, YYYY-MM-DD. */
  until: Schema.String
}) {
  override get message(): string {
    return `the trading days of ${this.market} are known until ${this.until}; TRADING_CALENDAR_FILE can add later ones`
  }
}

interface MarketDays {
  readonly sessions: ReadonlyArray<TradingSession>
  /** For each day, why the venue is closed outside of that day's sessions. */
  readonly whyClosed: ReadonlyMap<string, string>
  readonly regular: ReadonlyArray<RegularHours>
}

/** When each venue is open on the days from `from` to `until`, YYYY-MM-DD in India, both included. */
export interface TradingCalendar {
  readonly from: string
  readonly until: string
  readonly markets: Readonly<Record<VenueId, MarketDays>>
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
  const { sessions, whyClosed } = calendar.markets[market]
  const session = sessions[firstEndingAfter(sessions, atMillis)]
  if (session !== undefined && session.opensMillis <= atMillis) return { _tag: "Open", session }
  const day = dayOf(atMillis)
  const reason =
    whyClosed.get(day) ??
    (day < calendar.from
      ? `the trading calendar begins on ${calendar.from}`
      : `the trading calendar ends on ${calendar.until}`)
  return { _tag: "Closed", next: session ?? null, reason }
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
  const hours = ordinaryHours(calendar.markets[market].regular, day)
  return hours === null ? null : { opensMillis: millisAt(day, hours[0]), closesMillis: millisAt(day, hours[1]) }
}

export const calendarEnds = ({ until }: TradingCalendar, market: VenueId): CalendarEnds =>
  new CalendarEnds({ market, until })

const dayMillis = 86_400_000
/** The first built-in day; nothing is placed before it. */
const firstDay = "2025-01-01"

const dayOf = (millis: number): string => indianDay(DateTime.makeUnsafe(millis))
const dayAfter = (day: string): string => dayOf(millisAt(day, "00:00") + dayMillis)
const millisAt = (day: string, time: string): number => Date.parse(`${day}T${time}:00+05:30`)

const firstOpeningFrom = (sessions: ReadonlyArray<TradingSession>, millis: number): number => {
  const index = firstEndingAfter(sessions, millis)
  const session = sessions[index]
  return session !== undefined && session.opensMillis < millis ? index + 1 : index
}

/** The calendar of all announcements; later ones replace earlier ones. */
export const calendarOf = (announcements: ReadonlyArray<Announcements>): TradingCalendar => {
  const until = announcements.map(({ until }) => until ?? firstDay).reduce((a, b) => (a > b ? a : b), firstDay)
  const hours = announcements.flatMap(({ hours }) => hours ?? [])
  const days = announcements.flatMap(({ days }) => days)
  return {
    from: firstDay,
    until,
    markets: forEachVenue((market) =>
      marketDays(
        until,
        hours.filter((one) => one.market === market),
        new Map(
          days.filter(({ markets }) => markets === "all" || markets.includes(market)).map((one) => [one.day, one])
        )
      )
    )
  }
}

const marketDays = (
  until: string,
  regular: ReadonlyArray<RegularHours>,
  special: ReadonlyMap<string, SpecialDay>
): MarketDays => {
  const sessions: Array<TradingSession> = []
  const whyClosed = new Map<string, string>()
  for (let day = firstDay; day <= until; day = dayAfter(day)) {
    const specialDay = special.get(day)
    const hours = specialDay?.sessions ?? regularHours(regular, day)
    for (const [opens, closes] of hours) {
      sessions.push({ opensMillis: millisAt(day, opens), closesMillis: millisAt(day, closes) })
    }
    whyClosed.set(day, reasonOf(hours, specialDay))
  }
  return { sessions, whyClosed, regular }
}

const reasonOf = (hours: ReadonlyArray<Hours>, specialDay: SpecialDay | undefined): string => {
  if (hours.length === 0) return specialDay === undefined ? "weekend" : `the exchange is closed: ${specialDay.name}`
  const outside = `outside ${hours.map(([opens, closes]) => `${opens}–${closes}`).join(", ")} IST`
  return specialDay === undefined ? outside : `${outside}: ${specialDay.name}`
}
