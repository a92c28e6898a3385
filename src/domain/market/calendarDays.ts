import { DateTime } from "effect"
import { specialDaysOf } from "./Announcements.ts"
import type { CalendarSource } from "./calendarSources.ts"
import { calendarOf, hoursOn, type TradingCalendar } from "./TradingCalendar.ts"
import type { VenueId } from "./Venue.ts"

/** A venue on a day, for people. */
export interface CalendarDay {
  readonly day: string
  readonly market: VenueId
  /** `09:15–15:30`, `closed`, or `not known`. */
  readonly hours: string
  /** The name of a special day, else `regular hours`, `weekend`, or that the calendar does not reach so far. */
  readonly why: string
  /** Which announcement says so. */
  readonly source: string
}

/** What the calendar of these sources says of venues on days, YYYY-MM-DD. */
export const calendarDays = (
  sources: ReadonlyArray<CalendarSource>,
  markets: ReadonlyArray<VenueId>,
  days: ReadonlyArray<string>
): ReadonlyArray<CalendarDay> => {
  const calendar: TradingCalendar = calendarOf(sources)
  const special = new Map(markets.map((market) => [market, specialDaysOf(sources, market)]))
  return days.flatMap((day) =>
    markets.map((market): CalendarDay => {
      const hours = hoursOn(calendar, market, day)
      const found = special.get(market)?.get(day)
      if (hours === "not known") {
        return { day, market, hours, why: `known until ${calendar.markets[market].until}`, source: "" }
      }
      if (found !== undefined) {
        const { hoursToCome, name } = found.special
        const why = hoursToCome === true ? `${name}, at hours that are not announced yet` : name
        return { day, market, hours, why, source: found.from.source }
      }
      return { day, market, hours, why: hours === "closed" ? "weekend" : "regular hours", source: "" }
    })
  )
}

/** The days of `2026-12` or the one of `2026-12-24`; null if there is no such month or day. */
export const daysOf = (text: string): ReadonlyArray<string> | null => {
  if (!/^20\d\d-\d\d(-\d\d)?$/.test(text)) return null
  const isDay = text.length === 10
  const [year, month] = [Number(text.slice(0, 4)), Number(text.slice(5, 7))]
  if (month < 1 || month > 12) return null
  const all = Array.from({ length: new Date(Date.UTC(year, month, 0)).getUTCDate() }, (_, index) =>
    DateTime.formatIsoDateUtc(DateTime.makeUnsafe(Date.UTC(year, month - 1, index + 1)))
  )
  if (!isDay) return all
  return all.includes(text) ? [text] : null
}
