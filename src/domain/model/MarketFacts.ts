import { Schema } from "effect"

/** What was last known of a slice's instrument, and as of when (milliseconds since 1970). */
export const MarketFacts = Schema.Struct({
  lastPrice: Schema.NullOr(Schema.BigDecimalFromString),
  lastPriceMillis: Schema.NullOr(Schema.Number),
  /** What was traded in the period before `recentVolumeMillis`; null when that is not known. */
  recentVolume: Schema.NullOr(Schema.Number),
  recentVolumeMillis: Schema.NullOr(Schema.Number)
})
export type MarketFacts = typeof MarketFacts.Type

export const unknownFacts: MarketFacts = {
  lastPrice: null,
  lastPriceMillis: null,
  recentVolume: null,
  recentVolumeMillis: null
}
