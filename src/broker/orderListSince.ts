import { DateTime, Duration } from "effect"
import type { Configuration } from "../config/Configuration.ts"
import { nextIndianHour } from "../domain/market/indianTime.ts"

/** The largest difference between Zerodha's clock and the database's. */
const clockMargin = Duration.minutes(1)

/** Since when the order list of each broker is complete at a given moment; older orders may be missing from it. */
export const orderListSince: Readonly<
  Record<Configuration["Service"]["brokerType"], (now: DateTime.Utc) => DateTime.Utc>
> = {
  mock: () => DateTime.makeUnsafe(0),
  // Kite shows the orders of the day. Its clock may be ahead of ours or behind.
  zerodha: (now) => {
    const midnight = DateTime.subtract(nextIndianHour(DateTime.addDuration(now, clockMargin), 0), { days: 1 })
    return DateTime.addDuration(midnight, clockMargin)
  }
}
