import { squareOffMillis } from "./squareOff.ts"
import { sessionAt, type TradingCalendar } from "./TradingCalendar.ts"
import type { VenueId } from "./Venue.ts"

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
  const { closesMillis } = now.session
  const endMillis = productType === "MIS" ? squareOffMillis(calendar, venue, closesMillis) : closesMillis
  return atMillis >= endMillis - clockToleranceMillis
}
