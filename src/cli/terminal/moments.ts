import { DateTime } from "effect"
import { indianDay, indianTimeOfDay } from "../../domain/market/indianTime.ts"

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

/**
 * How to write times of a window: UTC, or India's time when it keeps a market's hours, with the day if it spans
 * several.
 */
export const clockOf = ({ sessions, startsAt, endsAt }: Window): ((at: DateTime.Utc) => string) => {
  if (sessions === null) return clockTime
  const isOneDay = indianDay(startsAt) === indianDay(endsAt)
  return (at) => (isOneDay ? indianTimeOfDay(at) : `${indianDay(at)} ${indianTimeOfDay(at)}`)
}
