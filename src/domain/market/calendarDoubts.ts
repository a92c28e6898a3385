import type { DateTime } from "effect"
import { specialDaysOf } from "./Announcements.ts"
import type { CalendarSource } from "./calendarSources.ts"
import { indianDay } from "./indianTime.ts"
import { isWeekend } from "./regularHours.ts"
import { isCalendarEnding } from "./staleness.ts"
import { calendarOf, describeEnds, endsOf } from "./TradingCalendar.ts"
import { forEachVenue, type PerVenue, type VenueId, venueIds } from "./Venue.ts"

/** The day of December by which the exchanges have published the next year's holidays; in 2025 they came between 12 and 24. */
const publishedBy = "12-15"
const stocks: ReadonlyArray<VenueId> = ["EQUITY", "EQUITY_WITH_DERIVATIVES", "EQUITY_DERIVATIVES"]

/** What looks wrong in the calendar of these sources, or has to be added, each with what to do. */
export const doubtsOf = (sources: ReadonlyArray<CalendarSource>, now: DateTime.Utc): ReadonlyArray<string> => {
  const today = indianDay(now)
  const ends = endsOf(calendarOf(sources))
  const special = forEachVenue((market) => specialDaysOf(sources, market))
  const ofVenue = venueIds.flatMap((market) =>
    [...special[market]].flatMap(([day, { from, special }]) => {
      const what = `${day} (${special.name}) by ${from.source}`
      if (special.hoursToCome === true) {
        return day >= today ? [{ market, what: `${what} trades at hours that are not known: import them` }] : []
      }
      if (special.sessions.length === 0 && isWeekend(day)) {
        return [{ market, what: `${what} is a holiday on a weekend: is the date right?` }]
      }
      return []
    })
  )
  const withoutHolidays = venueIds.flatMap((market) =>
    yearsUpTo(ends[market])
      .filter((year) => ![...special[market].keys()].some((day) => day.startsWith(year) && !isWeekend(day)))
      .map((year) => ({ market, what: `${year} has no holiday at all: is its list complete?` }))
  )
  return [
    ...byVenues([...ofVenue, ...withoutHolidays]),
    ...differingStocks(special, ends),
    ...endDoubts(ends, now, today)
  ]
}

const yearsUpTo = (end: string): ReadonlyArray<string> => {
  const [first, last] = [2025, Number(end.slice(0, 4))]
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => String(first + index))
}

const byVenues = (
  doubts: ReadonlyArray<{ readonly market: VenueId; readonly what: string }>
): ReadonlyArray<string> => {
  const groups = new Map<string, ReadonlyArray<VenueId>>()
  for (const { market, what } of doubts) groups.set(what, [...(groups.get(what) ?? []), market])
  return [...groups].map(([what, markets]) => `${what} (${markets.join(", ")})`)
}

/** Shares and their derivatives have had the same holidays so far. */
const differingStocks = (
  special: PerVenue<ReturnType<typeof specialDaysOf>>,
  ends: PerVenue<string>
): ReadonlyArray<string> => {
  const isClosed = (market: VenueId, day: string) => special[market].get(day)?.special.sessions.length === 0
  const days = new Set(stocks.flatMap((market) => [...special[market].keys()]))
  const known = [...days].filter((day) => stocks.every((market) => day <= ends[market]))
  return known.toSorted().flatMap((day) => {
    const closed = stocks.filter((market) => isClosed(market, day))
    return closed.length === 0 || closed.length === stocks.length
      ? []
      : [`${day} is closed for ${closed.join(", ")} only, and not for all of ${stocks.join(", ")}`]
  })
}

const endDoubts = (ends: PerVenue<string>, now: DateTime.Utc, today: string): ReadonlyArray<string> => {
  const known = `the trading days are known until ${describeEnds(ends)}`
  if (!isCalendarEnding(ends, now)) return []
  return today.slice(5) >= publishedBy
    ? [`${known}: the exchanges have published the next year's holidays by now, import them`]
    : [`${known}, which is near: import the exchanges' next lists when they come out in December`]
}
