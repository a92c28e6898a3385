import type { DateTime } from "effect"
import { indianDay } from "../domain/market/indianTime.ts"
import { isCalendarEnding } from "../domain/market/staleness.ts"
import { type Check, ok, problem, warning } from "./Check.ts"

/** `until` is null when the calendar is off. */
export const calendarCheck = (until: string | null, now: DateTime.Utc): Check => {
  const name = "trading calendar"
  if (until === null) return ok(name, "off: placements at any time")
  const found = `the trading days are known until ${until}, and nothing is placed after that`
  const todo = "Add the exchanges' next ones with TRADING_CALENDAR_FILE"
  if (until < indianDay(now)) return problem(name, found, todo)
  return isCalendarEnding(until, now) ? warning(name, found, todo) : ok(name, `known until ${until}`)
}
