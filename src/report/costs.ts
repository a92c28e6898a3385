import { BigDecimal, DateTime, Option } from "effect"
import type { OrderRecord, RecordedSlice } from "../domain/lifecycle/OrderRecord.ts"
import { whole } from "../domain/text/decimals.ts"
import { arrivalPrice, type BenchmarkPrice, type Interval, twapPrice, vwapPrice } from "./benchmarks.ts"

export interface Benchmark extends BenchmarkPrice {
  readonly benchmark: "ARRIVAL" | "TWAP" | "VWAP"
  /** What the fills cost above it, in hundredths of a percent of it: positive is dearer for a BUY, cheaper for a SELL. */
  readonly basisPoints: BigDecimal.BigDecimal | null
  /** The same in money, for all that is counted. */
  readonly cost: BigDecimal.BigDecimal | null
}

/** What an order's fills cost, in the instrument's currency, against simple benchmarks. */
export interface Costs {
  /** How much of the fills is counted: what is filled at a price that is known. */
  readonly quantity: number
  /** Of the counted fills, rounded to four decimals. */
  readonly averagePrice: BigDecimal.BigDecimal
  readonly value: BigDecimal.BigDecimal
  /** From the window's begin to the last time that a fill was seen. */
  readonly interval: Interval
  readonly benchmarks: ReadonlyArray<Benchmark>
  /** What the whole market traded in the interval; null when that is not known. */
  readonly marketVolume: number | null
}

/** Null when nothing is filled at a price that is known, or nobody knows which way the order goes. */
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

/** What fills cost above a price, exactly in money; in basis points rounded to two decimals. */
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
