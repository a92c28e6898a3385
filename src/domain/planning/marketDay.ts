import type { PlanTime } from "../market/orderTime.ts"
import { ordinarySession, sessionAt, type TradingCalendar } from "../market/TradingCalendar.ts"
import type { TradingSession } from "../market/TradingSession.ts"
import type { Profile } from "../model/shape.ts"
import { type MarketDay, unknownDay } from "./schedule/strategies.ts"

/**
 * The parts of the instrument's day that a plan covers, one for each session. A profile is of an ordinary day, so each moment gets
 * the volume of its time of day: an evening session the evening's. A session that is not within the ordinary hours, such as a Muhurat
 * hour, has no part in the profile, and runs through the whole of it. So does a window without a calendar.
 */
export const marketDayOf = (
  { market, time }: PlanTime,
  calendar: TradingCalendar | null,
  volumeProfile: Profile | null
): MarketDay => {
  const [first, ...others] = time ?? []
  if (calendar === null || market === null || first === undefined) return { ...unknownDay, volumeProfile }
  const partOf = (piece: TradingSession) => {
    const ordinary = ordinarySession(calendar, market, piece.opensMillis)
    const found = sessionAt(calendar, market, piece.opensMillis)
    const session = found._tag === "Open" ? found.session : piece
    const day = ordinary !== null && isWithin(session, ordinary) ? ordinary : session
    const length = day.closesMillis - day.opensMillis
    return {
      millis: piece.closesMillis - piece.opensMillis,
      from: (piece.opensMillis - day.opensMillis) / length,
      to: (piece.closesMillis - day.opensMillis) / length
    }
  }
  return { volumeProfile, sessions: [partOf(first), ...others.map(partOf)] }
}

const isWithin = (inner: TradingSession, outer: TradingSession): boolean =>
  outer.opensMillis <= inner.opensMillis && inner.closesMillis <= outer.closesMillis
