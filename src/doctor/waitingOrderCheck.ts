import { describeEnds } from "../domain/market/TradingCalendar.ts"
import type { PerVenue } from "../domain/market/Venue.ts"
import { counted } from "../domain/text/plural.ts"
import { type Check, ok, pulse, warning } from "./Check.ts"

/** The orders that wait for the days of one market after the last known one. */
export interface WaitingOrders {
  readonly market: string
  /** YYYY-MM-DD; null for running orders, of which each says itself what it waits for. */
  readonly until: string | null
  readonly count: number
  /** The one that was created first. */
  readonly orderId: string
}

/** `ends` are the last days that are known here; null when the calendar is off. */
export const waitingOrderCheck = (waiting: ReadonlyArray<WaitingOrders>, ends: PerVenue<string> | null): Check => {
  const name = "orders beyond the calendar"
  if (waiting.length === 0) return ok(name, "none")
  const groups = waiting.map(({ count, market, orderId, until }) =>
    until === null
      ? `${counted(count, "running order")} (${orderId})`
      : `${counted(count, "order")} to split for days of ${market} after ${until} (the oldest: ${orderId})`
  )
  const known = ends === null ? "the calendar is off here" : `known here until ${describeEnds(ends)}`
  return warning(
    name,
    `they wait, and go on by themselves when more days are known: ${groups.join("; ")}; ${known}`,
    ends === null
      ? "Start a daemon with TRADING_CALENDAR=on"
      : `Add the exchanges' next ones: ${pulse("calendar import FILE")}`
  )
}
