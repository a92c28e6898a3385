import type { VenueId } from "../../src/domain/market/Venue.ts"

/**
 * The exchanges' rules of 2026 a second time, independent of the calendar: by the minute in India and by numbers of days,
 * so that an error in the calendar's arithmetic or data is found.
 */
export const minutesOfDay = 1440
export const yearStartMillis = Date.UTC(2026, 0, 1) - 330 * 60_000
const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const dayNumber = (month: number, date: number) =>
  lengths.slice(0, month - 1).reduce((sum, length) => sum + length, 0) + date - 1
const numbers = (text: string) =>
  new Set(
    text.split(" ").map((one) => {
      const [month = 0, date = 0] = one.split("/").map(Number)
      return dayNumber(month, date)
    })
  )

const stocksClosed = numbers("1/15 1/26 3/3 3/26 3/31 4/3 4/14 5/1 5/28 6/26 9/14 10/2 10/20 11/10 11/24 12/25")
const currencyClosed = numbers("2/19 3/19 4/1 8/26")
const mcxClosed = numbers("1/26 4/3 10/2 12/25")
const budget = dayNumber(2, 1)

const at = (hour: number, minute: number) => hour * 60 + minute
const between = (minute: number, from: number, to: number) => minute >= from && minute < to

/** Whether a market is open in a minute of a day of 2026. */
export const isOpen = (market: VenueId, day: number, minute: number): boolean => {
  // 2026-01-01 was a Thursday.
  const isWeekend = day % 7 === 2 || day % 7 === 3
  const isAuction = day >= dayNumber(8, 3)
  if (isWeekend && (day !== budget || market === "CURRENCY_DERIVATIVES")) return false
  switch (market) {
    case "EQUITY":
      return !stocksClosed.has(day) && between(minute, at(9, 15), at(15, 30))
    case "EQUITY_WITH_DERIVATIVES":
      return !stocksClosed.has(day) && between(minute, at(9, 15), isAuction ? at(15, 15) : at(15, 30))
    case "EQUITY_DERIVATIVES":
      return !stocksClosed.has(day) && between(minute, at(9, 15), isAuction ? at(15, 40) : at(15, 30))
    case "CURRENCY_DERIVATIVES":
      return !stocksClosed.has(day) && !currencyClosed.has(day) && between(minute, at(9, 0), at(17, 0))
    case "COMMODITIES": {
      if (mcxClosed.has(day)) return false
      const isSummer = day > dayNumber(3, 8) && day < dayNumber(11, 1)
      const opens = stocksClosed.has(day) ? at(17, 0) : at(9, 0)
      const isMorningOnly = day === 0 || day === budget
      return between(minute, opens, isMorningOnly ? at(17, 0) : isSummer ? at(23, 30) : at(23, 55))
    }
  }
}

/** The same for a moment, in milliseconds since 1970; closed in any other year. */
export const isOpenAt = (market: VenueId, millis: number): boolean => {
  const minute = Math.floor((millis - yearStartMillis) / 60_000)
  const day = Math.floor(minute / minutesOfDay)
  return day >= 0 && day < 365 && isOpen(market, day, minute % minutesOfDay)
}

/** The day of a moment, counted from the beginning of 2026 in India. */
export const dayOfYear = (millis: number): number => Math.floor((millis - yearStartMillis) / 60_000 / minutesOfDay)
