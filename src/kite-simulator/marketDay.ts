import type { VenueId } from "../domain/market/Venue.ts"
import { sessionsOn } from "./exchangeDays.ts"
import { indianDate } from "./kiteTime.ts"
import { hasFuturesOn } from "./listedInstruments.ts"

/** An instrument in Kite's two parts. */
export interface MarketSymbol {
  readonly exchange: string
  readonly tradingsymbol: string
}

/**
 * What an exchange does at a moment with orders for one instrument:
 * - `shut`: it takes none. `opensMillis` is the next open of the day, if there is one.
 * - `pre-open`, `pre-open, LIMIT only`, `pre-open, over`: orders are collected for the open; before 7 September 2026 MARKET too until the end.
 * - `continuous`: orders are matched as they come.
 * - `auction prepares`, `auction`, `auction, LIMIT only`, `auction, over`: the closing auction of a share with derivatives.
 */
export type PhaseName =
  | "shut"
  | "pre-open"
  | "pre-open, LIMIT only"
  | "pre-open, over"
  | "continuous"
  | "auction prepares"
  | "auction"
  | "auction, LIMIT only"
  | "auction, over"

/** The day of one instrument at a moment. Times are milliseconds since 1970. */
export interface MarketDay {
  readonly phase: PhaseName
  /** The session that this moment belongs to, or the next one of the day; null after the last. */
  readonly session: {
    readonly opensMillis: number
    readonly closesMillis: number
    /** From then on the broker takes no MIS orders and cancels open ones. */
    readonly squaresOffMillis: number
    /** When the closing auction matches; null without one. */
    readonly matchesMillis: number | null
  } | null
}

const minute = 60_000
/** NSE/CMTR/74969: since then the end of the pre-open takes LIMIT orders only. */
const limitOnlySince = "2026-09-07"

/** The venue whose hours an instrument keeps on a day. */
export const venueOn = (day: string, { exchange, tradingsymbol }: MarketSymbol): VenueId => {
  if (exchange === "NFO" || exchange === "BFO") return "EQUITY_DERIVATIVES"
  if (exchange === "CDS" || exchange === "BCD") return "CURRENCY_DERIVATIVES"
  if (exchange === "MCX") return "COMMODITIES"
  return hasFuturesOn(day, tradingsymbol) ? "EQUITY_WITH_DERIVATIVES" : "EQUITY"
}

/** The phase of an instrument's market at a moment, by the built-in calendar. */
export const marketDay = (request: MarketSymbol, nowMillis: number): MarketDay => {
  const day = indianDate(nowMillis)
  const venue = venueOn(day, request)
  const endOf = (closesMillis: number): number =>
    hasAuction(day, venue) ? closesMillis + auction.matches * minute : closesMillis
  const session = sessionsOn(venue, day).find(({ closesMillis }) => nowMillis < endOf(closesMillis))
  if (session === undefined) return { phase: "shut", session: null }
  const { opensMillis, closesMillis } = session
  return {
    phase: phaseAt(venue, day, session, nowMillis),
    session: {
      opensMillis,
      closesMillis,
      squaresOffMillis: closesMillis - squareOffMinutes(venue, day, closesMillis - opensMillis) * minute,
      matchesMillis: hasAuction(day, venue) ? endOf(closesMillis) : null
    }
  }
}

/** Minutes after the close of continuous trading at which the parts of the closing auction begin. Its end is random within two minutes. */
const auction = { begins: 5, limitOnly: 10, over: 13, matches: 15 }
/** Minutes before the open at which the parts of the pre-open begin. Its end is random within two minutes. */
const preOpen = { begins: 15, limitOnly: 10, over: 7 }

/** The auction exists since shares with derivatives close earlier than the others. */
const hasAuction = (day: string, venue: VenueId): boolean => {
  const [own, others] = (["EQUITY_WITH_DERIVATIVES", "EQUITY"] as const).map(
    (one) => sessionsOn(one, day)[0]?.closesMillis
  )
  return venue === "EQUITY_WITH_DERIVATIVES" && own !== undefined && others !== undefined && own < others
}

const phaseAt = (
  venue: VenueId,
  day: string,
  { opensMillis, closesMillis }: { readonly opensMillis: number; readonly closesMillis: number },
  nowMillis: number
): PhaseName => {
  if (nowMillis >= closesMillis) {
    const since = (nowMillis - closesMillis) / minute
    if (since < auction.begins) return "auction prepares"
    if (since < auction.limitOnly) return "auction"
    return since < auction.over ? "auction, LIMIT only" : "auction, over"
  }
  if (nowMillis >= opensMillis) return "continuous"
  const until = (opensMillis - nowMillis) / minute
  if (!venue.startsWith("EQUITY") || venue === "EQUITY_DERIVATIVES" || until > preOpen.begins) return "shut"
  if (until <= preOpen.over) return "pre-open, over"
  return until <= preOpen.limitOnly && day >= limitOnlySince ? "pre-open, LIMIT only" : "pre-open"
}

/** How long before the close Zerodha squares MIS positions off, in minutes; 10 in a special session of less than two hours. */
const squareOffMinutes = (venue: VenueId, day: string, lengthMillis: number): number => {
  if (lengthMillis < 120 * minute) return 10
  switch (venue) {
    case "EQUITY":
      return 10
    case "EQUITY_WITH_DERIVATIVES":
      return hasAuction(day, venue) ? 3 : 10
    case "EQUITY_DERIVATIVES":
      return hasAuction(day, "EQUITY_WITH_DERIVATIVES") ? 15 : 5
    case "CURRENCY_DERIVATIVES":
      return 15
    case "COMMODITIES":
      return 25
  }
}
