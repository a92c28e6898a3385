import { DateTime, Duration } from "effect"
import { indianDay } from "./indianTime.ts"
import { type PerVenue, venueIds } from "./Venue.ts"

/** How long before the end of the calendar people are reminded. */
const calendarNotice = Duration.days(30)
/** Zerodha publishes a list of instruments every morning. */
const maxListAge = Duration.days(2)

/** Whether a calendar with these last days, YYYY-MM-DD, must be extended soon. */
export const isCalendarEnding = (ends: PerVenue<string>, now: DateTime.Utc): boolean => {
  const notice = indianDay(DateTime.addDuration(now, calendarNotice))
  return venueIds.some((market) => ends[market] <= notice)
}

export const isListOld = (syncedAt: DateTime.Utc, now: DateTime.Utc): boolean =>
  Duration.isGreaterThan(DateTime.distance(syncedAt, now), maxListAge)
