import { BigDecimal, type DateTime } from "effect"
import { indianDay } from "../market/indianTime.ts"
import type { Instrument } from "../model/Order.ts"

interface FreezeLimit {
  /** The first day in India on which it applies. */
  readonly since: string
  readonly exchanges: ReadonlyArray<string>
  /** The underlying of an index future or option; null for every instrument of the exchange. */
  readonly underlying: string | null
  readonly quantity: number
}

/**
 * The largest quantity that an exchange accepts in one order. Sources: for index derivatives the exchanges' quantity-freeze
 * circulars of February 2026, for shares, where nothing is published, reports of Zerodha's users. Later entries replace
 * earlier ones.
 */
const limits: ReadonlyArray<FreezeLimit> = [
  { since: "2026-02-01", exchanges: ["NFO"], underlying: "NIFTY", quantity: 1755 },
  { since: "2026-02-01", exchanges: ["NFO"], underlying: "BANKNIFTY", quantity: 600 },
  { since: "2026-02-01", exchanges: ["NFO"], underlying: "FINNIFTY", quantity: 1200 },
  { since: "2026-02-01", exchanges: ["NFO"], underlying: "MIDCPNIFTY", quantity: 2800 },
  { since: "2026-02-01", exchanges: ["NFO"], underlying: "NIFTYNXT50", quantity: 600 },
  { since: "2026-02-01", exchanges: ["BFO"], underlying: "SENSEX", quantity: 1000 },
  { since: "2026-02-01", exchanges: ["BFO"], underlying: "BANKEX", quantity: 900 },
  { since: "1970-01-01", exchanges: ["NSE", "BSE"], underlying: null, quantity: 100_000 }
]

/** The freeze limit of an instrument at a moment; null if none is known. */
export const freezeLimit = (instrument: Instrument, at: DateTime.Utc): number | null => {
  const day = indianDay(at)
  const colon = instrument.indexOf(":")
  const [exchange, symbol] = [instrument.slice(0, colon), instrument.slice(colon + 1)]
  const matching = limits.filter(
    ({ since, exchanges, underlying }) =>
      since <= day &&
      exchanges.includes(exchange) &&
      // The expiry follows the underlying: NIFTY26NOVFUT, NIFTY2612724000CE.
      (underlying === null || (symbol.startsWith(underlying) && /^\d{2}/.test(symbol.slice(underlying.length))))
  )
  return matching.at(-1)?.quantity ?? null
}

/** The largest value of one order, in rupees; null if none is known. For shares ten crore, as Zerodha's users report. */
export const freezeValue = (instrument: Instrument): BigDecimal.BigDecimal | null =>
  /^(NSE|BSE):/.test(instrument) ? BigDecimal.fromBigInt(100_000_000n) : null
