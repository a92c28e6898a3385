import type { Instrument } from "../model/Order.ts"
import type { InstrumentDetails } from "./InstrumentDetails.ts"

/**
 * The underlying of a future or option: the name that the broker's list has for it or, where the list has none, what the symbol says.
 * Null for shares, and if neither tells it.
 */
export const underlyingOf = (
  instrument: Instrument,
  details: Pick<InstrumentDetails, "name"> | null
): string | null => {
  if (/^(NSE|BSE):/.test(instrument)) return null
  const listed = details?.name.trim().toUpperCase() ?? ""
  return listed === "" ? parsedUnderlying(instrument) : listed
}

const months = "(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
/** NIFTY26NOVFUT, NIFTY26NOV24000CE. */
const monthly = new RegExp(`^(.+)\\d\\d${months}(?:FUT|\\d+(?:\\.\\d+)?(?:CE|PE))$`)
/** What follows the underlying in NIFTY2612724000CE: the year, the month as 1 to 9, O, N or D, the day, and the strike of an index. */
const weekly = /^(\d\d)[1-9OND](\d\d)[1-9]\d{3,}(?:\.\d+)?(?:CE|PE)$/

/**
 * The underlying that a symbol of Kite's forms begins with. A weekly option's underlying that ends with digits may be read in more than
 * one way; with any doubt it is null.
 */
export const parsedUnderlying = (instrument: string): string | null => {
  const symbol = instrument.slice(instrument.indexOf(":") + 1)
  const byMonth = monthly.exec(symbol)?.[1]
  if (byMonth !== undefined) return byMonth
  const readings = Array.from(symbol, (_, at) => at).filter((at) => at > 0 && isWeeklyFrom(symbol.slice(at)))
  const [only] = readings
  return readings.length === 1 && only !== undefined ? symbol.slice(0, only) : null
}

const isWeeklyFrom = (rest: string): boolean => {
  const [, year, day] = weekly.exec(rest)?.map(Number) ?? []
  return year !== undefined && day !== undefined && year >= 24 && year <= 49 && day >= 1 && day <= 31
}
