import type { VenueId } from "../domain/market/Venue.ts"
import { daysAfter, lastTradingDay, weekdayOf } from "./exchangeDays.ts"

/** A future or option that is listed on some day. */
export interface Contract {
  readonly exchange: "NFO" | "BFO" | "MCX"
  /** In Kite's form: NIFTY26DECFUT, NIFTY26DEC26000CE, and NIFTY26D0126000CE for an expiry that is not the month's last. */
  readonly symbol: string
  /** The underlying. */
  readonly name: string
  /** YYYY-MM-DD. */
  readonly expiry: string
  /** 0 of a future. */
  readonly strike: number
  readonly lot: number
  readonly type: "FUT" | "CE" | "PE"
}

interface Underlying {
  readonly exchange: Contract["exchange"]
  readonly name: string
  readonly lot: number
  /** The lot of the farthest month, if a review has changed it from there on. */
  readonly laterLot?: number
  /** The strike of its weekly options, if it has any. */
  readonly weeklyStrike?: number
}

/**
 * The lots are those of NSE's and BSE's circulars up to August 2026 as far as they were found, and invented for the other shares.
 * HDFCBANK shows what a review does: the near months keep their lot, the farthest has the new one.
 */
const underlyings: ReadonlyArray<Underlying> = [
  { exchange: "NFO", name: "NIFTY", lot: 65, weeklyStrike: 26_000 },
  { exchange: "NFO", name: "BANKNIFTY", lot: 30 },
  { exchange: "NFO", name: "FINNIFTY", lot: 60 },
  { exchange: "NFO", name: "MIDCPNIFTY", lot: 120 },
  { exchange: "NFO", name: "HDFCBANK", lot: 550, laterLot: 650 },
  { exchange: "NFO", name: "RELIANCE", lot: 500 },
  { exchange: "NFO", name: "INFY", lot: 400 },
  { exchange: "NFO", name: "TCS", lot: 175 },
  { exchange: "NFO", name: "ICICIBANK", lot: 700 },
  { exchange: "NFO", name: "SBIN", lot: 750 },
  { exchange: "NFO", name: "ITC", lot: 1600 },
  { exchange: "BFO", name: "SENSEX", lot: 20, weeklyStrike: 85_000 },
  { exchange: "BFO", name: "BANKEX", lot: 30 },
  { exchange: "MCX", name: "GOLDPETAL", lot: 1 }
]

const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
/** How many months of futures are listed at a time, and how many weeks of options: five always reach a month's last one. */
const [listedMonths, listedWeeks] = [3, 5]

/** The futures and weekly options that are listed on a day, YYYY-MM-DD; none has expired by then. */
export const contractsOn = (day: string): ReadonlyArray<Contract> =>
  underlyings.flatMap((underlying) => [...futuresOn(underlying, day), ...optionsOn(underlying, day)])

const futuresOn = (underlying: Underlying, day: string): ReadonlyArray<Contract> =>
  Array.from({ length: listedMonths + 1 }, (_, index) => monthAfter(day, index))
    .map((month) => ({ month, expiry: expiryOfMonth(underlying, month) }))
    .filter(({ expiry }) => expiry >= day)
    .slice(0, listedMonths)
    .map(({ month, expiry }, index) => ({
      ...contractOf(underlying, expiry),
      symbol: `${underlying.name}${monthCode(month)}FUT`,
      lot: index === listedMonths - 1 ? (underlying.laterLot ?? underlying.lot) : underlying.lot
    }))

const optionsOn = (underlying: Underlying, day: string): ReadonlyArray<Contract> => {
  const { name, weeklyStrike: strike } = underlying
  if (strike === undefined) return []
  const first = daysAfter(day, (weekdayOfExpiry(underlying) - weekdayOf(day) + 7) % 7)
  return Array.from({ length: listedWeeks + 1 }, (_, week) => daysAfter(first, 7 * week))
    .map((regular) => ({ regular, expiry: lastTradingDay(venueOf(underlying), regular) }))
    .filter(({ expiry }) => expiry >= day)
    .slice(0, listedWeeks)
    .flatMap(({ regular, expiry }) => {
      const isLastOfMonth = daysAfter(regular, 7).slice(0, 7) > regular.slice(0, 7)
      const code = isLastOfMonth ? monthCode(regular.slice(0, 7)) : weekCode(expiry)
      return (["CE", "PE"] as const).map((type) => ({
        ...contractOf(underlying, expiry),
        symbol: `${name}${code}${strike}${type}`,
        strike,
        type
      }))
    })
}

const contractOf = ({ exchange, name, lot }: Underlying, expiry: string) => ({
  exchange,
  name,
  expiry,
  lot,
  strike: 0,
  type: "FUT" as const
})

const venueOf = ({ exchange }: Underlying): VenueId => (exchange === "MCX" ? "COMMODITIES" : "EQUITY_DERIVATIVES")

const weekdayOfExpiry = ({ exchange }: Underlying): number => (exchange === "BFO" ? 4 : 2)

/** The last Tuesday of a month on NSE, its last Thursday on BSE, its last day on MCX; earlier if that is a holiday. */
const expiryOfMonth = (underlying: Underlying, month: string): string => {
  const lastDay = daysAfter(`${monthAfter(month, 1)}-01`, -1)
  const sinceExpiry = underlying.exchange === "MCX" ? 0 : (weekdayOf(lastDay) - weekdayOfExpiry(underlying) + 7) % 7
  return lastTradingDay(venueOf(underlying), daysAfter(lastDay, -sinceExpiry))
}

/** The month, YYYY-MM, that is some months after that of a day or month. */
const monthAfter = (day: string, count: number): string => {
  const index = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1 + count
  return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, "0")}`
}

const monthCode = (month: string): string => `${month.slice(2, 4)}${months[Number(month.slice(5, 7)) - 1]}`

/** The year, the month as one character (1 to 9, O, N, D), and the day. */
const weekCode = (expiry: string): string =>
  `${expiry.slice(2, 4)}${"123456789OND".charAt(Number(expiry.slice(5, 7)) - 1)}${expiry.slice(8)}`
