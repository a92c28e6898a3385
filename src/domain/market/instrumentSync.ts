import { DateTime, Duration } from "effect"
import { indianDay } from "./indianTime.ts"
import { sessionsFrom, type TradingCalendar } from "./TradingCalendar.ts"
import { venueIds } from "./Venue.ts"

/** The list of a day: since when it is to be had, and by when it is needed. */
export interface DailyList {
  /** YYYY-MM-DD in India. */
  readonly day: string
  readonly dueAt: DateTime.Utc
  readonly opensAt: DateTime.Utc
}

/** Without a calendar the earliest exchange opens at nine. */
const usualOpening = "09:00"

/**
 * The list of the day in India of `now`, from `time` (HH:MM in India) on; null if no venue trades on that day. It is due even if
 * a venue opens before.
 */
export const dailyList = (time: string, calendar: TradingCalendar | null, now: DateTime.Utc): DailyList | null => {
  const day = indianDay(now)
  const at = (timeOfDay: string) => DateTime.makeUnsafe(Date.parse(`${day}T${timeOfDay}:00+05:30`))
  const dueAt = at(time)
  if (calendar === null) return { day, dueAt, opensAt: at(usualOpening) }
  const midnight = DateTime.toEpochMillis(at("00:00"))
  const openings = venueIds.flatMap((venue) =>
    sessionsFrom(calendar, venue, midnight, 0).map(({ opensMillis }) => opensMillis)
  )
  return openings.length === 0 ? null : { day, dueAt, opensAt: DateTime.makeUnsafe(Math.min(...openings)) }
}

const firstPause = Duration.minutes(1)
const maxPause = Duration.minutes(10)

/** How long to wait after so many failed attempts of a day. */
export const syncPause = (attempts: number): Duration.Duration =>
  Duration.min(Duration.times(firstPause, 2 ** Math.min(attempts - 1, 10)), maxPause)
