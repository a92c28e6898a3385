import { BigDecimal, DateTime, Option } from "effect"
import { nextIndianHour } from "../market/indianTime.ts"
import type { Price } from "../model/Order.ts"
import { decimalText, whole } from "../text/decimals.ts"
import { isNearlyUsed } from "./usage.ts"

/** The desk's limits of one day in India. An absent limit does not apply. Values in the instruments' currency. */
export interface DayLimits {
  readonly ordersPerDay: Option.Option<number>
  readonly valuePerDay: Option.Option<BigDecimal.BigDecimal>
}

export const limitsTheDay = ({ ordersPerDay, valuePerDay }: DayLimits): boolean =>
  Option.isSome(ordersPerDay) || Option.isSome(valuePerDay)

/** The number and the value of a day's orders. */
export interface DayTotals {
  readonly orders: number
  readonly value: BigDecimal.BigDecimal
}

interface Valued {
  readonly totalQuantity: number
  readonly limitPrice: Price | null
}

/** The value of an order: its quantity times its limit price or, without one, the last known price. Null if neither is known. */
export const valueOf = (
  { totalQuantity, limitPrice }: Valued,
  referencePrice: BigDecimal.BigDecimal | null
): BigDecimal.BigDecimal | null => {
  const price = limitPrice ?? referencePrice
  return price === null ? null : BigDecimal.multiply(price, BigDecimal.fromBigInt(BigInt(totalQuantity)))
}

/** Which limits one more order of this value would breach, in words; empty if none. */
export const breachesOfDay = (
  value: BigDecimal.BigDecimal | null,
  totals: DayTotals,
  { ordersPerDay, valuePerDay }: DayLimits
): ReadonlyArray<string> => {
  const { orders, value: total } = withOrder(totals, value)
  const breaches: Array<string> = []
  if (Option.isSome(ordersPerDay) && orders > ordersPerDay.value) {
    breaches.push(`it would be order ${orders} of the day, and LIMIT_ORDERS_PER_DAY is ${ordersPerDay.value}`)
  }
  if (Option.isNone(valuePerDay)) return breaches
  if (value === null) {
    breaches.push(
      "no price of its instrument is known to value it by, and LIMIT_VALUE_PER_DAY is set: use a LIMIT order"
    )
  } else if (BigDecimal.isGreaterThan(total, valuePerDay.value)) {
    breaches.push(
      `the day's orders would come to ${decimalText(total)}, above LIMIT_VALUE_PER_DAY (${decimalText(valuePerDay.value)})`
    )
  }
  return breaches
}

/**
 * Why an order of the day must not be amended; null if it may, which is always so if its value does not grow. A MARKET order
 * counts by the price known at its split, as in the day's totals.
 */
export const breachOfAmendment = (
  { before, after }: { readonly before: Valued; readonly after: Valued },
  referencePrice: BigDecimal.BigDecimal | null,
  totals: DayTotals,
  { valuePerDay }: DayLimits
): string | null => {
  if (Option.isNone(valuePerDay)) return null
  const [valueBefore, valueAfter] = [valueOf(before, referencePrice), valueOf(after, referencePrice)]
  if (valueBefore === null || valueAfter === null) {
    return after.totalQuantity > before.totalQuantity
      ? "no price was known to value the order by when it was split, and LIMIT_VALUE_PER_DAY is set: submit another one for more"
      : null
  }
  const added = BigDecimal.subtract(valueAfter, valueBefore)
  const total = BigDecimal.sum(totals.value, added)
  return BigDecimal.isPositive(added) && BigDecimal.isGreaterThan(total, valuePerDay.value)
    ? `the day's orders would come to ${decimalText(total)}, above LIMIT_VALUE_PER_DAY (${decimalText(valuePerDay.value)})`
    : null
}

/** Splits orders, taken one after the other, into those that fit into the day and those that do not, with the reason. */
export const fitIntoDay = <A extends { readonly value: BigDecimal.BigDecimal | null }>(
  orders: ReadonlyArray<A>,
  before: DayTotals,
  limits: DayLimits
) => {
  const within: Array<A> = []
  const beyond: Array<{ readonly order: A; readonly reason: string }> = []
  let totals = before
  for (const order of orders) {
    const breaches = breachesOfDay(order.value, totals, limits)
    if (breaches.length > 0) {
      beyond.push({ order, reason: breaches.join("; ") })
      continue
    }
    totals = withOrder(totals, order.value)
    within.push(order)
  }
  return { within, beyond }
}

/** Why nothing more may be placed on a day, because its totals exceed a limit; null if it may. */
export const dayIsOver = (totals: DayTotals, { ordersPerDay, valuePerDay }: DayLimits): string | null => {
  if (Option.isSome(ordersPerDay) && totals.orders > ordersPerDay.value) {
    return `the ${totals.orders} orders of the day are more than LIMIT_ORDERS_PER_DAY (${ordersPerDay.value})`
  }
  return Option.isSome(valuePerDay) && BigDecimal.isGreaterThan(totals.value, valuePerDay.value)
    ? `the day's orders come to ${decimalText(totals.value)}, above LIMIT_VALUE_PER_DAY (${decimalText(valuePerDay.value)})`
    : null
}

/** Which limit of the day is nearly used up, in words; null if none is. */
export const dayIsNearlyOver = (totals: DayTotals, { ordersPerDay, valuePerDay }: DayLimits): string | null => {
  if (Option.isSome(ordersPerDay) && isNearlyUsed(whole(totals.orders), whole(ordersPerDay.value))) {
    return `the day has ${totals.orders} orders, of ${ordersPerDay.value} that LIMIT_ORDERS_PER_DAY allows`
  }
  return Option.isSome(valuePerDay) && isNearlyUsed(totals.value, valuePerDay.value)
    ? `the day's orders come to ${decimalText(totals.value)}, of ${decimalText(valuePerDay.value)} that LIMIT_VALUE_PER_DAY allows`
    : null
}

/** The day in India that contains a moment, its end excluded. */
export const dayAround = (now: DateTime.Utc): { readonly from: DateTime.Utc; readonly to: DateTime.Utc } => {
  const to = nextIndianHour(now, 0)
  return { from: DateTime.subtract(to, { days: 1 }), to }
}

const withOrder = ({ orders, value }: DayTotals, added: BigDecimal.BigDecimal | null): DayTotals => ({
  orders: orders + 1,
  value: added === null ? value : BigDecimal.sum(value, added)
})
