import { DateTime } from "effect"
import type { ProductType } from "../model/Order.ts"
import { counted } from "../text/plural.ts"
import { indianClock, indianDay } from "./indianTime.ts"
import type { PlanTime } from "./orderTime.ts"
import { defaultProduct } from "./productRules.ts"
import { ordinarySession, type TradingCalendar } from "./TradingCalendar.ts"
import type { VenueId } from "./Venue.ts"

/** From when on, on each day, the broker squares off MIS positions and takes no new MIS orders. */
interface SquareOff {
  readonly market: VenueId
  /** The first day, YYYY-MM-DD, until later ones replace it. */
  readonly since: string
  /** A time in India, or minutes before the last close of the day. */
  readonly at: string | { readonly minutesBeforeClose: number }
}

/**
 * Zerodha's times, from its page on auto square-off (2026). That shares with a closing auction are squared off at 15:12 since it
 * began comes from two public projects (September and October 2026), not from Zerodha. The time of equity derivatives is still given
 * as 15:25 after their close moved to 15:40.
 */
const squareOffs: ReadonlyArray<SquareOff> = [
  { market: "EQUITY", since: "2025-01-01", at: "15:20" },
  { market: "EQUITY_WITH_DERIVATIVES", since: "2025-01-01", at: "15:20" },
  { market: "EQUITY_WITH_DERIVATIVES", since: "2026-08-03", at: "15:12" },
  { market: "EQUITY_DERIVATIVES", since: "2025-01-01", at: "15:25" },
  { market: "CURRENCY_DERIVATIVES", since: "2025-01-01", at: "16:45" },
  { market: "COMMODITIES", since: "2025-01-01", at: { minutesBeforeClose: 25 } }
]

/** In a session that ends before the ordinary one or lies outside of it, such as a Muhurat hour: the pattern of 2020 and 2023. */
const specialMinutesBeforeClose = 10

/** The facts of an order that decide whether the broker's square-off comes before its last slice. */
interface SquaredOrder {
  readonly instrument: string
  readonly productType: ProductType
}

/**
 * Why the broker would not take the last slices of an MIS order, with what would fit; null if it would. Without a calendar, and for
 * other products, there is no time from which it takes none.
 */
export const squareOffProblem = (
  { instrument, productType }: SquaredOrder,
  { market, sessions, startMillis, time }: PlanTime,
  calendar: TradingCalendar | null
): string | null => {
  if (productType !== "MIS" || market === null || sessions === null || calendar === null) return null
  const cutMillis = squareOffMillis(calendar, market, sessions.last.closesMillis)
  const lastMillis = time?.at(-1)?.closesMillis ?? startMillis
  if (lastMillis <= cutMillis) return null
  const minutes = Math.floor((cutMillis - startMillis) / 60_000)
  const other = `product_type ${defaultProduct(instrument)}`
  const fitting = minutes > 0 ? `${counted(minutes, "minute")} would fit, or ${other}` : `${other} would do`
  return (
    `duration_minutes: from ${indianClock(cutMillis)} on the broker squares off MIS and takes no new MIS orders, and the window ends ` +
    `at ${indianClock(lastMillis)}; ${fitting}`
  )
}

/** When MIS is squared off in the session that closes at a moment, in milliseconds since 1970. */
export const squareOffMillis = (calendar: TradingCalendar, market: VenueId, closesMillis: number): number => {
  const before = (minutes: number): number => closesMillis - minutes * 60_000
  const ordinary = ordinarySession(calendar, market, closesMillis - 1)
  const day = indianDay(DateTime.makeUnsafe(closesMillis - 1))
  const at = squareOffs.findLast((one) => one.market === market && one.since <= day)?.at
  if (typeof at === "object") return before(at.minutesBeforeClose)
  const isOrdinary = closesMillis === ordinary?.closesMillis
  return at === undefined || !isOrdinary ? before(specialMinutesBeforeClose) : Date.parse(`${day}T${at}:00+05:30`)
}
