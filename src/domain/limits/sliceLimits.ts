import { BigDecimal, type DateTime, Option } from "effect"
import { type Instrument, maxQuantity } from "../model/Order.ts"
import { decimalText } from "../text/decimals.ts"
import { type Freeze, type FreezeFacts, freezeOf, freezeValue } from "./freezeLimits.ts"
import type { PreTradeLimits } from "./preTradeLimits.ts"

/** The limits of the slices of every order. */
export interface SliceRules {
  /** The service adds slices until none is larger than this; null to make only as many as the order asks for. */
  readonly maxSliceQuantity: number | null
  readonly preTrade: PreTradeLimits
  /** False for the mock broker, which takes any quantity. */
  readonly isFreezeLimited: boolean
}

/** All limits of a slice of an instrument at a moment. Limits of its value apply only if the price is known. */
export const sliceLimitsOf = (
  instrument: Instrument,
  price: BigDecimal.BigDecimal | null,
  at: DateTime.Utc,
  known: FreezeFacts,
  { maxSliceQuantity, preTrade, isFreezeLimited }: SliceRules
): ReadonlyArray<SliceLimit> => {
  const ofValue = (value: BigDecimal.BigDecimal | null, name: string) =>
    value === null || price === null
      ? null
      : { quantity: quantityAt(price, value), name: `what ${name} allows at ${decimalText(price)}` }
  const sliceValue = Option.getOrNull(preTrade.sliceValue)
  return [
    ofQuantity(maxSliceQuantity, "ORDER_MAX_SLICE_QUANTITY"),
    ofQuantity(Option.getOrNull(preTrade.sliceQuantity), "LIMIT_SLICE_QUANTITY"),
    ofValue(sliceValue, `LIMIT_SLICE_VALUE (${sliceValue === null ? "" : decimalText(sliceValue)})`),
    ...(isFreezeLimited
      ? [
          ofFreeze(freezeOf(instrument, known, at)),
          ofValue(freezeValue(instrument), "the exchange's freeze limit of ten crore rupees an order")
        ]
      : [])
  ].filter((limit) => limit !== null)
}

const ofQuantity = (quantity: number | null, name: string): SliceLimit | null =>
  quantity === null ? null : { quantity, name }

const ofFreeze = (freeze: Freeze): SliceLimit | null => {
  if (freeze._tag === "Unknown") return null
  const { quantity, since, underlying } = freeze
  const ofWhat = underlying === null ? "" : ` of ${underlying} (since ${since})`
  return { quantity, name: `the exchange's freeze limit of an order${ofWhat}` }
}

/** How many units a value buys at a price. */
const quantityAt = (price: BigDecimal.BigDecimal, value: BigDecimal.BigDecimal): number => {
  const scale = Math.max(price.scale, value.scale)
  const units = BigDecimal.scale(value, scale).value / BigDecimal.scale(price, scale).value
  return Math.min(Number(units), maxQuantity)
}

/** The largest quantity of one slice, in units of the instrument, and the name of the limit. */
export interface SliceLimit {
  readonly quantity: number
  readonly name: string
}
