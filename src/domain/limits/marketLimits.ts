import { BigDecimal, DateTime, Duration, Option } from "effect"
import type { MarketFacts } from "../model/MarketFacts.ts"
import type { Price } from "../model/Order.ts"
import { decimalText, whole } from "../text/decimals.ts"

/** What a desk allows, given what the market does. None: no limit. */
export interface MarketLimits {
  /** How far a limit price may be from the last price, in percent of that. */
  readonly collarPercent: Option.Option<BigDecimal.BigDecimal>
  /** The largest slice, in percent of what was traded in the last `volumePeriod`. */
  readonly volumeSharePercent: Option.Option<BigDecimal.BigDecimal>
  readonly volumePeriod: Duration.Duration
  /** What is known of the market counts for so long. */
  readonly quoteAge: Duration.Duration
}

/** Whether the broker is asked for quotes. */
export const needsQuotes = ({ collarPercent, volumeSharePercent }: MarketLimits): boolean =>
  Option.isSome(collarPercent) || Option.isSome(volumeSharePercent)

/** Why the market does not allow a slice at this moment, in words; empty when it does, or nothing is known of it. */
export const breachesNow = (
  slice: MarketFacts & { readonly limitPrice: Price | null; readonly quantity: number },
  nowMillis: number,
  limits: MarketLimits
): ReadonlyArray<string> => {
  const volume = isFresh(slice.recentVolumeMillis, nowMillis, limits) ? slice.recentVolume : null
  return [
    ...outsideCollar(slice.limitPrice, freshPrice(slice, nowMillis, limits), limits),
    ...tooMuchOfVolume(slice.quantity, volume, limits)
  ]
}

/** What a slice counts by at this moment: its limit price, a fresh last price, or the one that its order was split by. */
export const priceOf = (
  slice: MarketFacts & { readonly limitPrice: Price | null; readonly referencePrice: BigDecimal.BigDecimal | null },
  nowMillis: number,
  limits: MarketLimits
): BigDecimal.BigDecimal | null => slice.limitPrice ?? freshPrice(slice, nowMillis, limits) ?? slice.referencePrice

const freshPrice = ({ lastPrice, lastPriceMillis }: MarketFacts, nowMillis: number, limits: MarketLimits) =>
  isFresh(lastPriceMillis, nowMillis, limits) ? lastPrice : null

const isFresh = (atMillis: number | null, nowMillis: number, { quoteAge }: Pick<MarketLimits, "quoteAge">): boolean =>
  atMillis !== null && Math.abs(nowMillis - atMillis) <= Duration.toMillis(quoteAge)

/** Whether a limit price is too far from a price, on either side. A MARKET order has none, and an unknown price no collar. */
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

const tooMuchOfVolume = (
  quantity: number,
  volume: number | null,
  { volumeSharePercent, volumePeriod }: MarketLimits
): ReadonlyArray<string> => {
  if (Option.isNone(volumeSharePercent) || volume === null) return []
  const percent = volumeSharePercent.value
  return isAboveShare(whole(quantity), percent, whole(volume))
    ? [
        `the slice's quantity of ${quantity} is above LIMIT_VOLUME_SHARE_PERCENT (${decimalText(percent)}) ` +
          `of the ${volume} traded in the last ${Duration.toMinutes(volumePeriod)} minutes`
      ]
    : []
}

/** What is known of an instrument's price. */
export interface Priced {
  /** The latest, however old it is; null when there is none. */
  readonly quote: { readonly lastPrice: BigDecimal.BigDecimal; readonly at: DateTime.Utc } | null
  readonly listing:
    | { readonly _tag: "Listed"; readonly details: { readonly lastPrice: BigDecimal.BigDecimal | null } }
    | { readonly _tag: "Unlisted" }
    | null
}

/**
 * The last price that is known at a moment, for plans, to the four places that are stored: a fresh quote's, else the
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
