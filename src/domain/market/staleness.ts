import { DateTime, Duration } from "effect"
import { indianDay } from "./indianTime.ts"

/** How long before the end of the calendar people are reminded. */
const calendarNotice = Duration.days(30)
/** Zerodha publishes a list of instruments every morning. */
const maxListAge = Duration.days(2)

/** Whether a calendar with the last day `until`, YYYY-MM-DD, must be extended soon. */
export const isCalendarEnding = (until: string, now: DateTime.Utc): boolean =>
  until <= indianDay(DateTime.addDuration(now, calendarNotice))

export const isListOld = (syncedAt: DateTime.Utc, now: DateTime.Utc): boolean =>
  Duration.isGreaterThan(DateTime.distance(syncedAt, now), maxListAge)
