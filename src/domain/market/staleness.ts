import { DateTime, Duration } from "effect"
import { indianDay } from "./indianTime.ts"

/** So long before the calendar ends somebody is reminded of it. */
const calendarNotice = Duration.days(30)
/** Zerodha makes a list of instruments every morning. */
const maxListAge = Duration.days(2)

/** Whether a calendar whose last day is `until`, YYYY-MM-DD, has to be extended soon. */
export const isCalendarEnding = (until: string, now: DateTime.Utc): boolean =>
  until <= indianDay(DateTime.addDuration(now, calendarNotice))

export const isListOld = (syncedAt: DateTime.Utc, now: DateTime.Utc): boolean =>
  Duration.isGreaterThan(DateTime.distance(syncedAt, now), maxListAge)
