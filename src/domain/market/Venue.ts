import { Schema } from "effect"
import type { Instrument } from "../model/Order.ts"

/** A venue: the instruments that share trading hours and holidays. */
export const VenueId = Schema.Literals([
  /** Shares of NSE and BSE. */
  "EQUITY",
  /** Shares with futures or options, which have a closing auction. */
  "EQUITY_WITH_DERIVATIVES",
  /** NFO and BFO. */
  "EQUITY_DERIVATIVES",
  /** CDS and BCD. */
  "CURRENCY_DERIVATIVES",
  /** MCX, except agricultural commodities. */
  "COMMODITIES"
])
export type VenueId = typeof VenueId.Type

export const venueIds: ReadonlyArray<VenueId> = VenueId.literals

/**
 * The venue of an instrument; null if no hours are known for its exchange. `hasDerivatives` is whether a share has futures or
 * options; if that is unknown (null), the shorter hours apply.
 */
export const venueOf = (instrument: Instrument, hasDerivatives: boolean | null): VenueId | null => {
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

/** One value for each venue. */
export type PerVenue<A> = Readonly<Record<VenueId, A>>

export const forEachVenue = <A>(of: (market: VenueId) => A): PerVenue<A> => ({
  EQUITY: of("EQUITY"),
  EQUITY_WITH_DERIVATIVES: of("EQUITY_WITH_DERIVATIVES"),
  EQUITY_DERIVATIVES: of("EQUITY_DERIVATIVES"),
  CURRENCY_DERIVATIVES: of("CURRENCY_DERIVATIVES"),
  COMMODITIES: of("COMMODITIES")
})
