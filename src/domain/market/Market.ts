import { Schema } from "effect"
import type { Instrument } from "../model/Order.ts"

/** What trades at the same hours and rests on the same days. */
export const MarketId = Schema.Literals([
  /** Shares of NSE and BSE. */
  "EQUITY",
  /** Shares on which there are futures or options: they have a closing auction. */
  "EQUITY_WITH_DERIVATIVES",
  /** NFO and BFO. */
  "EQUITY_DERIVATIVES",
  /** CDS and BCD. */
  "CURRENCY_DERIVATIVES",
  /** MCX, other than farm goods. */
  "COMMODITIES"
])
export type MarketId = typeof MarketId.Type

export const marketIds: ReadonlyArray<MarketId> = MarketId.literals

/**
 * Which market trades an instrument; null: no hours are known for its exchange. Whether there are futures or options on a
 * share may be not known, null: then the shorter hours hold.
 */
export const marketOf = (instrument: Instrument, hasDerivatives: boolean | null): MarketId | null => {
  switch (instrument.slice(0, instrument.indexOf(":"))) {
    case "NSE":
    case "BSE":
      return hasDerivatives === false ? "EQUITY" : "EQUITY_WITH_DERIVATIVES"
    case "NFO":
    case "BFO":
      return "EQUITY_DERIVATIVES"
    case "CDS":
    case "BCD":
      return "CURRENCY_DERIVATIVES"
    case "MCX":
      return "COMMODITIES"
    default:
      return null
  }
}

/** One value for each market. */
export const forEachMarket = <A>(of: (market: MarketId) => A): Readonly<Record<MarketId, A>> => ({
  EQUITY: of("EQUITY"),
  EQUITY_WITH_DERIVATIVES: of("EQUITY_WITH_DERIVATIVES"),
  EQUITY_DERIVATIVES: of("EQUITY_DERIVATIVES"),
  CURRENCY_DERIVATIVES: of("CURRENCY_DERIVATIVES"),
  COMMODITIES: of("COMMODITIES")
})
