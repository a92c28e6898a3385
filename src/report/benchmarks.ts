import { BigDecimal, DateTime, Duration } from "effect"
import { quoteAge, type RecordedQuote } from "../domain/lifecycle/OrderRecord.ts"
import { whole } from "../domain/text/decimals.ts"
import { millisBetween } from "../domain/text/durations.ts"

/** A price to compare an order's fills with, per unit, with at most four decimals; null when it is not known. */
export interface BenchmarkPrice {
  readonly price: BigDecimal.BigDecimal | null
  /** How the price was computed, or why it is not known, in words. */
  readonly explanation: string
}

const quoteAgeMillis = Duration.toMillis(quoteAge)

/** The time in which an order was executed. */
export interface Interval {
  readonly from: DateTime.Utc
  readonly to: DateTime.Utc
}

/** The last price before the order arrived, else the price that was known when it was split. */
export const arrivalPrice = (
  arrivedAt: DateTime.Utc,
  quotes: ReadonlyArray<RecordedQuote>,
  referencePrice: BigDecimal.BigDecimal | null
): BenchmarkPrice => {
  const last = lastBefore(quotes, arrivedAt)
  if (last !== undefined && ageMillis(last, arrivedAt) <= quoteAgeMillis) {
    return {
      price: rounded(last.lastPrice),
      explanation: `the last price ${secondsText(ageMillis(last, arrivedAt))} before the order arrived`
    }
  }
  return referencePrice === null
    ? { price: null, explanation: "no price was known when the order was split" }
    : {
        price: referencePrice,
        explanation: "the last price known when the order was split: a quote, or else the instrument list's"
      }
}

/** The average of the prices in an interval, each weighted by the time for which it was the last one. */
export const twapPrice = (interval: Interval, quotes: ReadonlyArray<RecordedQuote>): BenchmarkPrice => {
  const covering = coveringQuotes(interval, quotes)
  if (covering._tag === "Uncovered") return { price: null, explanation: covering.reason }
  const [from, to] = [DateTime.toEpochMillis(interval.from), DateTime.toEpochMillis(interval.to)]
  const weighted = covering.quotes.map((quote, index) => {
    const begins = Math.max(from, DateTime.toEpochMillis(quote.at))
    const next = covering.quotes[index + 1]
    const ends = next === undefined ? to : DateTime.toEpochMillis(next.at)
    return { price: quote.lastPrice, weight: ends - begins }
  })
  // An empty interval has no weights; its price is the last one.
  const price = to === from ? (covering.quotes.at(-1)?.lastPrice ?? null) : weightedAverage(weighted)
  return {
    price: price === null ? null : rounded(price),
    explanation: `the average of ${countText(covering.quotes.length)} over that time`
  }
}

/**
 * The average of the prices in an interval, weighted by volume: the volume between two quotes counts at the mean of
 * their prices.
 */
export const vwapPrice = (
  interval: Interval,
  quotes: ReadonlyArray<RecordedQuote>
): BenchmarkPrice & { readonly marketVolume: number | null } => {
  const unknown = (explanation: string) => ({ price: null, explanation, marketVolume: null })
  const covering = coveringQuotes(interval, quotes)
  if (covering._tag === "Uncovered") return unknown(covering.reason)
  const weighted: Array<{ readonly price: BigDecimal.BigDecimal; readonly weight: number }> = []
  for (const [index, quote] of covering.quotes.entries()) {
    if (quote.dayVolume === null) return unknown("the quotes come without volumes")
    const before = covering.quotes[index - 1]
    if (before?.dayVolume === undefined || before.dayVolume === null) continue
    const weight = quote.dayVolume - before.dayVolume
    if (weight < 0) return unknown("the day's volume began anew within that time")
    const middle = BigDecimal.divideUnsafe(BigDecimal.sum(before.lastPrice, quote.lastPrice), two)
    weighted.push({ price: middle, weight })
  }
  const marketVolume = weighted.reduce((sum, { weight }) => sum + weight, 0)
  if (marketVolume === 0) return unknown("the quotes show no trade within that time")
  const price = weightedAverage(weighted)
  return {
    price: price === null ? null : rounded(price),
    explanation: `from ${countText(covering.quotes.length)} and the volume between them`,
    marketVolume
  }
}

type Covering =
  | { readonly _tag: "Covered"; readonly quotes: ReadonlyArray<RecordedQuote> }
  | { readonly _tag: "Uncovered"; readonly reason: string }

/**
 * The quotes that cover the whole interval, beginning with the last one before it, without a gap longer than a
 * quote's age.
 */
const coveringQuotes = ({ from, to }: Interval, quotes: ReadonlyArray<RecordedQuote>): Covering => {
  const uncovered = (reason: string): Covering => ({ _tag: "Uncovered", reason })
  const first = lastBefore(quotes, from)
  const within = quotes.filter(({ at }) => DateTime.isGreaterThan(at, from) && DateTime.isLessThanOrEqualTo(at, to))
  if (first === undefined && within.length === 0) {
    return uncovered(
      "no quotes of that time are kept: they are taken only where a limit needs them, and kept for an hour"
    )
  }
  if (first === undefined || ageMillis(first, from) > quoteAgeMillis) {
    return uncovered("quotes of the beginning of that time are not kept")
  }
  const covering = [first, ...within]
  const hasHole = covering.some(({ at }, index) => {
    const next = covering[index + 1]?.at ?? to
    return millisBetween(at, next) > quoteAgeMillis
  })
  return hasHole
    ? uncovered(`there is more than ${Duration.format(quoteAge)} between some quotes of that time`)
    : { _tag: "Covered", quotes: covering }
}

const lastBefore = (quotes: ReadonlyArray<RecordedQuote>, at: DateTime.Utc): RecordedQuote | undefined =>
  quotes.findLast((quote) => DateTime.isLessThanOrEqualTo(quote.at, at))

const ageMillis = (quote: RecordedQuote, at: DateTime.Utc): number => millisBetween(quote.at, at)

/** The weighted average; null when the weights add up to 0. Weights are whole numbers. */
const weightedAverage = (
  parts: ReadonlyArray<{ readonly price: BigDecimal.BigDecimal; readonly weight: number }>
): BigDecimal.BigDecimal | null => {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0)
  if (total === 0) return null
  return BigDecimal.divideUnsafe(
    BigDecimal.sumAll(parts.map(({ price, weight }) => BigDecimal.multiply(price, whole(weight)))),
    whole(total)
  )
}

const two = BigDecimal.fromBigInt(2n)
const rounded = (price: BigDecimal.BigDecimal): BigDecimal.BigDecimal => BigDecimal.round(price, { scale: 4 })
const secondsText = (millis: number): string => `${(millis / 1000).toFixed(1)} s`
const countText = (count: number): string => (count === 1 ? "one quote" : `${count} quotes`)
