import { createHash } from "node:crypto"
import { contractsOn } from "./contracts.ts"
import { indianDate } from "./kiteTime.ts"

const header =
  "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"

interface Listing {
  readonly token: number
  readonly exchange: string
  readonly symbol: string
  readonly name: string
  readonly expiry: string
  readonly strike: number
  readonly lot: number
  readonly type: string
}

const share = (token: number, exchange: string, symbol: string, name: string): Listing => ({
  token,
  exchange,
  symbol,
  name,
  expiry: "",
  strike: 0,
  lot: 1,
  type: "EQ"
})

/** Shares, some without futures. CENTRALBK is settled trade by trade, so its symbol names a series. */
const shares: ReadonlyArray<Listing> = [
  share(738561, "NSE", "RELIANCE", "RELIANCE INDUSTRIES"),
  share(408065, "NSE", "INFY", "INFOSYS"),
  share(2953217, "NSE", "TCS", "TATA CONSULTANCY SERV LT"),
  share(341249, "NSE", "HDFCBANK", "HDFC BANK"),
  share(1270529, "NSE", "ICICIBANK", "ICICI BANK"),
  share(779521, "NSE", "SBIN", "STATE BANK OF INDIA"),
  share(424961, "NSE", "ITC", "ITC"),
  share(519937, "NSE", "M&M", "MAHINDRA & MAHINDRA"),
  share(969473, "NSE", "WIPRO", "WIPRO"),
  share(4267265, "NSE", "BAJAJ-AUTO", "BAJAJ AUTO"),
  share(128083204, "BSE", "RELIANCE", "RELIANCE INDUSTRIES"),
  share(128053508, "BSE", "INFY", "INFOSYS"),
  share(136308228, "BSE", "TCS", "TATA CONSULTANCY SERV LT"),
  share(128028676, "BSE", "SBIN", "STATE BANK OF INDIA"),
  share(3812865, "NSE", "CENTRALBK-BE", "CENTRAL BANK OF INDIA")
]

/**
 * All instruments that are listed on a day, YYYY-MM-DD in India: shares, and the contracts that have not expired by then. So
 * nothing of it ever gets old.
 */
export const listingsOn = (day: string): ReadonlyArray<Listing> => {
  if (latest.day === day) return latest.listings
  const contracts = contractsOn(day).map((contract) => ({
    ...contract,
    token: tokenOf(`${contract.exchange}:${contract.symbol}`)
  }))
  latest = { day, listings: [...shares, ...contracts] }
  return latest.listings
}
/** The list of the last day that was asked for: every placement asks. */
let latest: { readonly day: string; readonly listings: ReadonlyArray<Listing> } = { day: "", listings: [] }

/** The lot of an instrument that is listed on a day; 1 of any other. */
export const lotOn = (day: string, exchange: string, symbol: string): number =>
  listingsOn(day).find((listing) => listing.symbol === symbol && listing.exchange === exchange)?.lot ?? 1

/** Whether a share has futures on a day. Such shares have a closing auction. */
export const hasFuturesOn = (day: string, symbol: string): boolean =>
  listingsOn(day).some(({ name, type }) => name === symbol && type === "FUT")

const tokens = new Map(shares.map(({ exchange, symbol, token }) => [`${exchange}:${symbol}`, token]))

/** The token of an instrument; unlisted instruments get one from a hash. */
export const tokenOf = (instrument: string): number => {
  const known = tokens.get(instrument)
  if (known !== undefined) return known
  const token = createHash("sha256").update(instrument).digest().readUInt32LE(0) >>> 2
  tokens.set(instrument, token)
  return token
}

/** Kite's CSV dump of all instruments that are listed at a moment, or of those of one exchange. */
export const instrumentsCsv = (exchange: string | null, nowMillis: number): string => {
  const listings = listingsOn(indianDate(nowMillis))
  const lines = listings.filter((listing) => exchange === null || listing.exchange === exchange).map(lineOf)
  return [header, ...lines].join("\n") + "\n"
}

const lineOf = ({ token, exchange, symbol, name, expiry, strike, lot, type }: Listing): string =>
  [
    token,
    token >>> 8,
    symbol,
    `"${name}"`,
    0,
    expiry,
    strike,
    0.05,
    lot,
    type,
    type === "EQ" ? exchange : `${exchange}-${type === "FUT" ? "FUT" : "OPT"}`,
    exchange
  ].join(",")
