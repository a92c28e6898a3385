import { BigDecimal, DateTime, Duration, Option } from "effect"
import type { MarketFacts } from "../model/MarketFacts.ts"
import type { Price } from "../model/Order.ts"
import { decimalText } from "../text/decimals.ts"

/** The desk's limits that depend on the market. An absent limit does not apply. */
export interface MarketLimits {
  /** The largest distance of a limit price from the last price, in percent of the last price. */
  readonly collarPercent: Option.Option<BigDecimal.BigDecimal>
  /** How much all slices of an instrument may take together of the volume traded in the last `volumePeriod`, in percent. */
  readonly volumeSharePercent: Option.Option<BigDecimal.BigDecimal>
  readonly volumePeriod: Duration.Duration
  /** How long a quote counts. */
  readonly quoteAge: Duration.Duration
}

/** Whether the broker is asked for quotes. */
export const needsQuotes = ({ collarPercent, volumeSharePercent }: MarketLimits): boolean =>
  Option.isSome(collarPercent) || Option.isSome(volumeSharePercent)

/**
 * Why the market's price does not allow a slice at this moment, in words; empty if it does or if no price is known. Its volume is
 * judged before, over all slices (participation.ts).
 */
export const breachesNow = (
  slice: MarketFacts & { readonly limitPrice: Price | null },
  nowMillis: number,
  limits: MarketLimits
): ReadonlyArray<string> => outsideCollar(slice.limitPrice, freshPrice(slice, nowMillis, limits), limits)

/** The price that values a slice at this moment: its limit price, a fresh last price, or the reference price of its split. */
export const priceOf = (
  slice: MarketFacts & { readonly limitPrice: Price | null; readonly referencePrice: BigDecimal.BigDecimal | null },
  nowMillis: number,
  limits: MarketLimits
): BigDecimal.BigDecimal | null => slice.limitPrice ?? freshPrice(slice, nowMillis, limits) ?? slice.referencePrice

const freshPrice = ({ lastPrice, lastPriceMillis }: MarketFacts, nowMillis: number, limits: MarketLimits) =>
  isFresh(lastPriceMillis, nowMillis, limits) ? lastPrice : null

/** Whether a reading at `atMillis` still counts. */
export const isFresh = (
  atMillis: number | null,
  nowMillis: number,
  { quoteAge }: Pick<MarketLimits, "quoteAge">
): boolean => atMillis !== null && Math.abs(nowMillis - atMillis) <= Duration.toMillis(quoteAge)

/** The breach of the price collar, in words; empty if there is none, also for a MARKET order or an unknown last price. */
export const outsideCollar = (
  limitPrice: Price | null,
  lastPrice: BigDecimal.BigDecimal | null,
  { collarPercent }: MarketLimits
): ReadonlyArray<string> => {
  if (Option.isNone(collarPercent) || limitPrice === null || lastPrice === null) return []
  const percent = collarPercent.value
  const distance = BigDecimal.abs(BigDecimal.subtract(limitPrice, lastPrice))
  return isAboveShare(distance, percent, lastPrice)
    ? [
        `the limit price of ${decimalText(limitPrice)} is more than LIMIT_PRICE_COLLAR_PERCENT (${decimalText(percent)}) ` +
          `away from the last price of ${decimalText(lastPrice)}`
      ]
    : []
}

/** The price sources of an instrument. */
export interface Priced {
  /** The latest quote, however old; null if there is none. */
  readonly quote: { readonly lastPrice: BigDecimal.BigDecimal; readonly at: DateTime.Utc } | null
  readonly listing:
    | { readonly _tag: "Listed"; readonly details: { readonly lastPrice: BigDecimal.BigDecimal | null } }
    | { readonly _tag: "Unlisted" }
    | null
}

/**
 * The last price known at a moment, for plans, rounded to the four decimals that are stored: a fresh quote's, else the
 * instrument list's, which is hours old at best.
 */
export const knownPrice = (
  { quote, listing }: Priced,
  at: DateTime.Utc,
  limits: Pick<MarketLimits, "quoteAge">
): BigDecimal.BigDecimal | null => {
  const nowMillis = DateTime.toEpochMillis(at)
  const listPrice = listing?._tag === "Listed" ? listing.details.lastPrice : null
  const price =
    quote !== null && isFresh(DateTime.toEpochMillis(quote.at), nowMillis, limits) ? quote.lastPrice : listPrice
  return price === null ? null : BigDecimal.round(price, { scale: 4 })
}

const hundred = BigDecimal.fromBigInt(100n)

const isAboveShare = (part: BigDecimal.BigDecimal, percent: BigDecimal.BigDecimal, all: BigDecimal.BigDecimal) =>
  BigDecimal.isGreaterThan(BigDecimal.multiply(part, hundred), BigDecimal.multiply(percent, all))
