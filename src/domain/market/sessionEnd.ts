import { sessionAt, type TradingCalendar } from "./TradingCalendar.ts"
import type { VenueId } from "./Venue.ts"

/**
 * How many minutes before the close Zerodha begins to square MIS positions off and to cancel open MIS orders. Sources: Zerodha's support
 * page (15:20 for shares, 15:25 for NFO and BFO, 16:45 for currencies, 25 minutes before MCX's close); 15:12 for shares with a
 * closing auction by notes of other projects of autumn 2026. A special session is squared off 10 minutes before its close.
 */
const squareOffMinutes: Readonly<Record<VenueId, number>> = {
  EQUITY: 10,
  EQUITY_WITH_DERIVATIVES: 10,
  EQUITY_DERIVATIVES: 15,
  CURRENCY_DERIVATIVES: 15,
  COMMODITIES: 25
}

/** By how much the exchange's clock may be ahead of ours. */
const clockToleranceMillis = 5000

/**
 * Whether an open order may have ended at this moment without anybody's request. The exchange ends orders with the session: at 15:15
 * it cancels what may not go into the closing auction, and after the auction what was not matched. The broker ends MIS orders
 * before that. False without a calendar.
 */
export const mayEndByItself = (
  calendar: TradingCalendar | null,
  venue: VenueId | null,
  productType: string,
  atMillis: number
): boolean => {
  if (calendar === null || venue === null) return false
  const now = sessionAt(calendar, venue, atMillis)
  if (now._tag === "Closed") return true
  const aheadMillis = productType === "MIS" ? squareOffMinutes[venue] * 60_000 : 0
  return atMillis >= now.session.closesMillis - aheadMillis - clockToleranceMillis
}
