import { builtInCalendar } from "../domain/market/data/builtInCalendar.ts"
import { hours } from "../domain/market/data/hours.ts"
import { regularHours } from "../domain/market/regularHours.ts"
import { sessionsFrom } from "../domain/market/TradingCalendar.ts"
import type { TradingSession } from "../domain/market/TradingSession.ts"
import type { VenueId } from "../domain/market/Venue.ts"

const dayMillis = 86_400_000

/** A moment of a day, YYYY-MM-DD in India, in milliseconds since 1970. */
export const momentOn = (day: string, time = "00:00"): number => Date.parse(`${day}T${time}:00+05:30`)

/** A day in India that is some days after another, or before it. */
export const daysAfter = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * dayMillis).toISOString().slice(0, 10)

/** The day of the week: 0 is Sunday. */
export const weekdayOf = (day: string): number => new Date(day).getUTCDay()

const isKnown = (venue: VenueId, day: string): boolean => builtInCalendar.markets[venue].whyClosed.has(day)

/** A venue's sessions on a day. Outside of the built-in calendar there are no holidays. */
export const sessionsOn = (venue: VenueId, day: string): ReadonlyArray<TradingSession> =>
  isKnown(venue, day)
    ? sessionsFrom(builtInCalendar, venue, momentOn(day), 0)
    : regularHours(
        hours.filter(({ market }) => market === venue),
        day
      ).map(([opens, closes]) => ({ opensMillis: momentOn(day, opens), closesMillis: momentOn(day, closes) }))

/** The last day up to `day` on which a venue trades: an expiry that falls on a holiday is earlier. */
export const lastTradingDay = (venue: VenueId, day: string): string => {
  const isOpen = isKnown(venue, day) ? sessionsOn(venue, day).length > 0 : weekdayOf(day) % 6 !== 0
  return isOpen ? day : lastTradingDay(venue, daysAfter(day, -1))
}
