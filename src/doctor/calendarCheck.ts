import type { DateTime } from "effect"
import { indianDay } from "../domain/market/indianTime.ts"
import { isCalendarEnding } from "../domain/market/staleness.ts"
import { describeEnds } from "../domain/market/TradingCalendar.ts"
import { type PerVenue, venueIds } from "../domain/market/Venue.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** `ends` are the last known days; null when the calendar is off. */
export const calendarCheck = (ends: PerVenue<string> | null, now: DateTime.Utc): Check => {
  const name = "trading calendar"
  if (ends === null) return ok(name, "off: placements at any time")
  const found = `the trading days are known until ${describeEnds(ends)}, and nothing is placed after that`
  const todo = `Add the exchanges' next ones: ${pulse("calendar import FILE")}`
  if (venueIds.some((market) => ends[market] < indianDay(now))) return problem(name, found, todo)
  return isCalendarEnding(ends, now) ? warning(name, found, todo) : ok(name, `known until ${describeEnds(ends)}`)
}
