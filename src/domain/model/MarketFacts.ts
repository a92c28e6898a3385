import { Schema } from "effect"

/** The latest price and volume of a slice's instrument, each with its time in milliseconds since 1970; null if not known. */
export const MarketFacts = Schema.Struct({
  lastPrice: Schema.NullOr(Schema.BigDecimalFromString),
  lastPriceMillis: Schema.NullOr(Schema.Number),
  /** The volume traded in the volume period before `recentVolumeMillis`. */
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
