import { DateTime, Duration } from "effect"
import type { Configuration } from "../config/Configuration.ts"
import { nextIndianHour } from "../domain/market/indianTime.ts"

/** Zerodha's clock and the database's are not further apart. */
const clockMargin = Duration.minutes(1)

/** Since when, at a moment, the book of each broker shows all orders: what was placed before that is not in it any more. */
export const orderListSince: Readonly<
  Record<Configuration["Service"]["brokerType"], (now: DateTime.Utc) => DateTime.Utc>
> = {
  mock: () => DateTime.makeUnsafe(0),
  // Kite shows the orders of the day; its clock may be ahead of ours, or behind.
  zerodha: (now) => {
    const midnight = DateTime.subtract(nextIndianHour(DateTime.addDuration(now, clockMargin), 0), { days: 1 })
    return DateTime.addDuration(midnight, clockMargin)
  }
}
