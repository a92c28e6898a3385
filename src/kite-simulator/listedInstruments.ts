import { createHash } from "node:crypto"

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

const equity = (token: number, exchange: string, symbol: string, name: string): Listing => ({
  token,
  exchange,
  symbol,
  name,
  expiry: "",
  strike: 0,
  lot: 1,
  type: "EQ"
})

const future = (token: number, symbol: string, name: string, lot: number): Listing => ({
  token,
  exchange: "NFO",
  symbol,
  name,
  expiry: "2026-11-24",
  strike: 0,
  lot,
  type: "FUT"
})

const listings: ReadonlyArray<Listing> = [
  equity(738561, "NSE", "RELIANCE", "RELIANCE INDUSTRIES"),
  equity(408065, "NSE", "INFY", "INFOSYS"),
  equity(2953217, "NSE", "TCS", "TATA CONSULTANCY SERV LT"),
  equity(341249, "NSE", "HDFCBANK", "HDFC BANK"),
  equity(1270529, "NSE", "ICICIBANK", "ICICI BANK"),
  equity(779521, "NSE", "SBIN", "STATE BANK OF INDIA"),
  equity(424961, "NSE", "ITC", "ITC"),
  equity(519937, "NSE", "M&M", "MAHINDRA & MAHINDRA"),
  equity(969473, "NSE", "WIPRO", "WIPRO"),
  equity(4267265, "NSE", "BAJAJ-AUTO", "BAJAJ AUTO"),
  equity(128083204, "BSE", "RELIANCE", "RELIANCE INDUSTRIES"),
  equity(128053508, "BSE", "INFY", "INFOSYS"),
  equity(136308228, "BSE", "TCS", "TATA CONSULTANCY SERV LT"),
  equity(128028676, "BSE", "SBIN", "STATE BANK OF INDIA"),
  future(12602626, "NIFTY26NOVFUT", "NIFTY", 65),
  future(12601346, "BANKNIFTY26NOVFUT", "BANKNIFTY", 30),
  future(12601602, "FINNIFTY26NOVFUT", "FINNIFTY", 60),
  future(12602370, "MIDCPNIFTY26NOVFUT", "MIDCPNIFTY", 120),
  { ...future(12605442, "NIFTY26NOV26000CE", "NIFTY", 65), type: "CE", strike: 26_000 },
  { ...future(12605698, "NIFTY26NOV26000PE", "NIFTY", 65), type: "PE", strike: 26_000 }
]

const tokens = new Map(listings.map(({ exchange, symbol, token }) => [`${exchange}:${symbol}`, token]))

/** The token of an instrument; unlisted instruments get one from a hash. */
export const tokenOf = (instrument: string): number => {
  const known = tokens.get(instrument)
  if (known !== undefined) return known
  const token = createHash("sha256").update(instrument).digest().readUInt32LE(0) >>> 2
  tokens.set(instrument, token)
  return token
}

/** The lot of an underlying's contracts; 1 if none is listed. */
export const lotOf = (underlying: string): number =>
  listings.find(({ name, type }) => name === underlying && type !== "EQ")?.lot ?? 1

/** Kite's CSV dump of all instruments, or of one exchange. */
export const instrumentsCsv = (exchange: string | null): string =>
  [header, ...listings.filter((listing) => exchange === null || listing.exchange === exchange).map(lineOf)].join("\n") +
  "\n"

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
