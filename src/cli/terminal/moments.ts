import { DateTime } from "effect"
import { indianDay, indianTimeOfDay } from "../../domain/market/indianTime.ts"
import type { TradingSession } from "../../domain/market/TradingSession.ts"
import type { TradingTime } from "../../domain/market/TradingTime.ts"

/** `2026-11-24 21:48:14.922`, in UTC. */
export const timeText = (at: DateTime.Utc): string => DateTime.formatIso(at).slice(0, 23).replace("T", " ")

/** `22:50:01.123`, in UTC. */
export const clockTime = (at: DateTime.Utc): string => DateTime.formatIso(at).slice(11, 23)

/** A window and the market sessions that it keeps; null sessions mean any time. */
interface Window {
  readonly startsAt: DateTime.Utc
  readonly endsAt: DateTime.Utc
  readonly sessions: ReadonlyArray<unknown> | null
}

/** When the slices of a plan may be due, if it keeps a market's hours. */
export const sessionsLine = (time: TradingTime): ReadonlyArray<string> =>
  time === null ? [] : [`In the market's hours, less their margins: ${time.map(sessionText).join(", ")}`]

/** `2026-11-24 09:15:05 to 15:14:45 IST`. */
const sessionText = ({ opensMillis, closesMillis }: TradingSession): string => {
  const [opens, closes] = [DateTime.makeUnsafe(opensMillis), DateTime.makeUnsafe(closesMillis)]
  return `${indianDay(opens)} ${indianTimeOfDay(opens).slice(0, 8)} to ${indianTimeOfDay(closes).slice(0, 8)} IST`
}

/**
 * How to write times of a window: UTC, or India's time when it keeps a market's hours, with the day if it spans
 * several.
 */
export const clockOf = ({ sessions, startsAt, endsAt }: Window): ((at: DateTime.Utc) => string) => {
  if (sessions === null) return clockTime
  const isOneDay = indianDay(startsAt) === indianDay(endsAt)
  return (at) => (isOneDay ? indianTimeOfDay(at) : `${indianDay(at)} ${indianTimeOfDay(at)}`)
}
