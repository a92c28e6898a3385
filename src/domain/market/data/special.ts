import type { Hours, SpecialDay } from "../Announcements.ts"
import type { VenueId } from "../Venue.ts"

/** NSE and BSE have one list of holidays for shares and their derivatives. */
export const stocks = ["EQUITY", "EQUITY_WITH_DERIVATIVES", "EQUITY_DERIVATIVES"] as const
export const currencies = ["CURRENCY_DERIVATIVES"] as const
export const commodities = ["COMMODITIES"] as const

export const closed: ReadonlyArray<Hours> = []
/** On most festivals MCX is open for one half of the day. */
export const morningOnly: ReadonlyArray<Hours> = [["09:00", "17:00"]]
export const summerEvening: ReadonlyArray<Hours> = [["17:00", "23:30"]]
export const winterEvening: ReadonlyArray<Hours> = [["17:00", "23:55"]]

/** Days on which the given venues have the same hours, each with its name. */
export const days = (
  markets: readonly [VenueId, ...ReadonlyArray<VenueId>],
  sessions: ReadonlyArray<Hours>,
  names: Readonly<Record<string, string>>
): ReadonlyArray<SpecialDay> => Object.entries(names).map(([day, name]) => ({ day, markets, sessions, name }))
