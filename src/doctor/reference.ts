import type { DateTime } from "effect"
import { indianDay } from "../domain/market/indianTime.ts"
import { isCalendarEnding, isListOld } from "../domain/market/staleness.ts"
import { type Check, lasting, ok, problem, pulse, warning } from "./Check.ts"

/** `until` is null when the calendar is off. */
export const calendarCheck = (until: string | null, now: DateTime.Utc): Check => {
  const name = "trading calendar"
  if (until === null) return ok(name, "off: placements at any time")
  const found = `the trading days are known until ${until}, and nothing is placed after that`
  const todo = "Add the exchanges' next ones with TRADING_CALENDAR_FILE"
  if (until < indianDay(now)) return problem(name, found, todo)
  return isCalendarEnding(until, now) ? warning(name, found, todo) : ok(name, `known until ${until}`)
}

/** `syncedAt` is null before the first sync. */
export const instrumentCheck = (syncedAt: DateTime.Utc | null, now: DateTime.Utc): Check => {
  const name = "instruments"
  const todo = pulse("instruments sync")
  if (syncedAt === null) return warning(name, "no list yet: lots, ticks and expiries are not checked", todo)
  const found = `the list is ${lasting(syncedAt, now)} old`
  return isListOld(syncedAt, now)
    ? warning(name, `${found}: new expiries and changed lots are missing`, todo)
    : ok(name, found)
}
