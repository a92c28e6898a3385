import { BigDecimal, Duration, Option } from "effect"
import type { Instrument, Price, Side } from "../model/Order.ts"
import { decimalText } from "../text/decimals.ts"
import type { DayLimits } from "./dayLimits.ts"
import type { MarketLimits } from "./marketLimits.ts"

/** The desk's limits. A limit that is absent or an empty list does not apply. Values in the instrument's currency. */
export interface PreTradeLimits extends DayLimits, MarketLimits {
  readonly orderQuantity: Option.Option<number>
  readonly orderValue: Option.Option<BigDecimal.BigDecimal>
  readonly sliceQuantity: Option.Option<number>
  readonly sliceValue: Option.Option<BigDecimal.BigDecimal>
  /** Names such as `NSE:INFY`, or prefixes with a star: `NSE:*`, `NFO:NIFTY*`. */
  readonly instruments: ReadonlyArray<string>
  readonly sides: ReadonlyArray<Side>
}

/** Limits that allow everything. */
export const unlimited: PreTradeLimits = {
  orderQuantity: Option.none(),
  orderValue: Option.none(),
  sliceQuantity: Option.none(),
  sliceValue: Option.none(),
  instruments: [],
  sides: [],
  ordersPerDay: Option.none(),
  valuePerDay: Option.none(),
  collarPercent: Option.none(),
  volumeSharePercent: Option.none(),
  volumePeriod: Duration.minutes(5),
  quoteAge: Duration.seconds(60)
}

/** Whether any limit needs the last price of a claimed slice. */
export const looksAtPrices = ({ collarPercent, sliceValue }: PreTradeLimits): boolean =>
  Option.isSome(collarPercent) || Option.isSome(sliceValue)

/** An order or a slice as the limits see it. `price` is its limit price, else the last known price; null if unknown. */
export interface Exposure {
  readonly instrument: Instrument
  readonly side: Side
  readonly quantity: number
  readonly price: Price | null
}

/** Which limits an order breaches, in words; empty if none. */
export const breachesOfOrder = (order: Exposure, limits: PreTradeLimits): ReadonlyArray<string> => [
  ...notAllowed(order, limits),
  ...tooMuch("order", order, limits.orderQuantity, limits.orderValue)
]

/** Which limits a slice breaches, in words; empty if none. */
export const breachesOfSlice = (slice: Exposure, limits: PreTradeLimits): ReadonlyArray<string> => [
  ...notAllowed(slice, limits),
  ...tooMuch("slice", slice, limits.sliceQuantity, limits.sliceValue)
]

const notAllowed = ({ instrument, side }: Exposure, { instruments, sides }: PreTradeLimits): ReadonlyArray<string> => [
  ...(instruments.length === 0 || instruments.some((pattern) => matches(pattern, instrument))
    ? []
    : [`${instrument} is none of the instruments that LIMIT_INSTRUMENTS allows (${instruments.join(", ")})`]),
  ...(sides.length === 0 || sides.includes(side) ? [] : [`${side} is not allowed by LIMIT_SIDES`])
]

const matches = (pattern: string, instrument: string): boolean =>
  pattern.endsWith("*") ? instrument.startsWith(pattern.slice(0, -1)) : instrument === pattern

const tooMuch = (
  what: "order" | "slice",
  { quantity, price }: Exposure,
  maxQuantity: Option.Option<number>,
  maxValue: Option.Option<BigDecimal.BigDecimal>
): ReadonlyArray<string> => {
  const name = `LIMIT_${what.toUpperCase()}`
  const breaches: Array<string> = []
  if (Option.isSome(maxQuantity) && quantity > maxQuantity.value) {
    breaches.push(`the ${what}'s quantity of ${quantity} is above ${name}_QUANTITY (${maxQuantity.value})`)
  }
  if (Option.isNone(maxValue)) return breaches
  if (price === null) {
    breaches.push(
      `no price of its instrument is known to value the ${what} by, and ${name}_VALUE is set: use a LIMIT order`
    )
    return breaches
  }
  const value = BigDecimal.multiply(price, BigDecimal.fromBigInt(BigInt(quantity)))
  if (BigDecimal.isGreaterThan(value, maxValue.value)) {
    breaches.push(
      `the ${what}'s value of ${decimalText(value)} is above ${name}_VALUE (${decimalText(maxValue.value)})`
    )
  }
  return breaches
}
