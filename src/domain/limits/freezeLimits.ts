import { BigDecimal, type DateTime } from "effect"
import { builtInFreezeQuantities } from "../market/data/freezeQuantities.ts"
import type { FreezeQuantity } from "../market/FreezeQuantity.ts"
import { indianDay } from "../market/indianTime.ts"
import type { InstrumentDetails } from "../market/InstrumentDetails.ts"
import { underlyingOf } from "../market/underlying.ts"
import type { Instrument } from "../model/Order.ts"

/** What is known of an instrument for its freeze limit. */
export interface FreezeFacts {
  /** Its line in the broker's list; null without one. */
  readonly details: InstrumentDetails | null
  /** Imported quantities; those of other underlyings do no harm. */
  readonly imported: ReadonlyArray<FreezeQuantity>
}

/** The exchange's limit of one order. */
export type Freeze =
  | {
      readonly _tag: "Known"
      /** As published, which need not be whole lots. */
      readonly quantity: number
      /** Null for shares. */
      readonly underlying: string | null
      /** The day of the last publication that is known. */
      readonly since: string
      readonly source: string
    }
  /** `underlying` is null if it is not known either. */
  | { readonly _tag: "Unknown"; readonly underlying: string | null }

/** Nothing is published for shares; reported by Zerodha's users. */
const ofShares = {
  _tag: "Known",
  quantity: 100_000,
  underlying: null,
  since: "1970-01-01",
  source: "reports of Zerodha's users, built in"
} as const

/**
 * The freeze limit of an instrument at a moment: of the quantities of its underlying, imported or built in, the last one that applies
 * by then. An imported one replaces a built-in one of the same day.
 */
export const freezeOf = (instrument: Instrument, { details, imported }: FreezeFacts, at: DateTime.Utc): Freeze => {
  if (/^(NSE|BSE):/.test(instrument)) return ofShares
  const underlying = underlyingOf(instrument, details)
  const exchange = instrument.slice(0, instrument.indexOf(":"))
  const found = underlying === null ? null : freezeInForce({ exchange, underlying }, imported, indianDay(at))
  return found === null ? { _tag: "Unknown", underlying } : { _tag: "Known", ...found }
}

/** The quantity of an underlying that applies on a day, YYYY-MM-DD in India; null if none is known. */
export const freezeInForce = (
  { exchange, underlying }: { readonly exchange: string; readonly underlying: string },
  imported: ReadonlyArray<FreezeQuantity>,
  day: string
): FreezeQuantity | null =>
  [...builtInFreezeQuantities, ...imported]
    .filter((one) => one.exchange === exchange && one.underlying === underlying && one.since <= day)
    .reduce<FreezeQuantity | null>((last, one) => (last !== null && last.since > one.since ? last : one), null)

/** The largest whole number of lots within a limit. */
export const wholeLots = (quantity: number, lotSize: number): number => Math.floor(quantity / lotSize) * lotSize

/** The largest value of one order, in rupees; null if none is known. For shares ten crore, as Zerodha's users report. */
export const freezeValue = (instrument: Instrument): BigDecimal.BigDecimal | null =>
  /^(NSE|BSE):/.test(instrument) ? BigDecimal.fromBigInt(100_000_000n) : null
