import { BigDecimal, DateTime, Option } from "effect"
import type { OrderRecord, RecordedSlice } from "../domain/lifecycle/OrderRecord.ts"
import { whole } from "../domain/text/decimals.ts"
import { arrivalPrice, type BenchmarkPrice, type Interval, twapPrice, vwapPrice } from "./benchmarks.ts"

/** A benchmark price, and the cost of the fills against it. */
export interface Benchmark extends BenchmarkPrice {
  readonly benchmark: "ARRIVAL" | "TWAP" | "VWAP"
  /** Cost of the fills against the price, in basis points. Positive is worse: a dearer BUY, a cheaper SELL. */
  readonly basisPoints: BigDecimal.BigDecimal | null
  /** The same in money, for the counted quantity. */
  readonly cost: BigDecimal.BigDecimal | null
}

/** The cost of an order's fills, in the instrument's currency, against simple benchmarks. */
export interface Costs {
  /** The counted quantity: fills at a known price. */
  readonly quantity: number
  /** The average price of the counted fills, rounded to four decimals. */
  readonly averagePrice: BigDecimal.BigDecimal
  readonly value: BigDecimal.BigDecimal
  /** From the beginning of the window to the last time that a fill was seen. */
  readonly interval: Interval
  readonly benchmarks: ReadonlyArray<Benchmark>
  /** The volume of the whole market in the interval; null when it is not known. */
  readonly marketVolume: number | null
}

/** The costs of an order; null when nothing is filled at a known price, or its side is not BUY or SELL. */
export const costsOf = ({ order, plans, slices, quotes }: OrderRecord): Costs | null => {
  const sign = order.side === "BUY" ? 1n : order.side === "SELL" ? -1n : null
  const fills = slices.flatMap(pricedFill)
  if (sign === null || fills.length === 0) return null
  const quantity = fills.reduce((sum, fill) => sum + fill.quantity, 0)
  const value = BigDecimal.sumAll(fills.map((fill) => BigDecimal.multiply(fill.price, whole(fill.quantity))))
  const from = plans[0]?.startsAt ?? order.createdAt
  const interval = { from, to: fills.reduce((latest, { seenAt }) => DateTime.max(latest, seenAt), from) }
  const vwap = vwapPrice(interval, quotes)
  const against = (benchmark: Benchmark["benchmark"], { price, explanation }: BenchmarkPrice): Benchmark => ({
    benchmark,
    price,
    explanation,
    ...(price === null ? { basisPoints: null, cost: null } : costAgainst(price, { quantity, value }, sign))
  })
  return {
    quantity,
    averagePrice: averageOf(value, quantity),
    value,
    interval,
    benchmarks: [
      against("ARRIVAL", arrivalPrice(order.createdAt, quotes, order.referencePrice)),
      against("TWAP", twapPrice(interval, quotes)),
      against("VWAP", vwap)
    ],
    marketVolume: vwap.marketVolume
  }
}

/** The arrival price, if it is known. */
export const arrivalOf = (costs: Costs | null): BigDecimal.BigDecimal | null =>
  costs?.benchmarks.find(({ benchmark }) => benchmark === "ARRIVAL")?.price ?? null

/** The cost of fills against a price: exact in money, rounded to two decimals in basis points. */
export const costAgainst = (
  price: BigDecimal.BigDecimal,
  fills: { readonly quantity: number; readonly value: BigDecimal.BigDecimal },
  sign: bigint
): { readonly basisPoints: BigDecimal.BigDecimal | null; readonly cost: BigDecimal.BigDecimal } => {
  const atPrice = BigDecimal.multiply(price, whole(fills.quantity))
  const cost = BigDecimal.multiply(BigDecimal.subtract(fills.value, atPrice), BigDecimal.fromBigInt(sign))
  const share = BigDecimal.divide(BigDecimal.multiply(cost, tenThousand), atPrice)
  return { cost, basisPoints: Option.getOrNull(Option.map(share, BigDecimal.round({ scale: 2 }))) }
}

const pricedFill = ({ filledQuantity, averagePrice, updatedAt }: RecordedSlice) =>
  filledQuantity === 0 || averagePrice === null
    ? []
    : [{ quantity: filledQuantity, price: averagePrice, seenAt: updatedAt }]

const averageOf = (value: BigDecimal.BigDecimal, quantity: number): BigDecimal.BigDecimal =>
  BigDecimal.round(BigDecimal.divideUnsafe(value, whole(quantity)), { scale: 4 })

const tenThousand = BigDecimal.fromBigInt(10_000n)
