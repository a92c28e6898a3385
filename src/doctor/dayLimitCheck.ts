import { BigDecimal, Option } from "effect"
import { dayIsOver, type DayLimits, type DayTotals } from "../domain/limits/dayLimits.ts"
import { isNearlyUsed } from "../domain/limits/usage.ts"
import { decimalText, whole } from "../domain/text/decimals.ts"
import { type Check, ok, problem, warning } from "./Check.ts"

/** The day's orders and value against their limits. A limit that is used up is a PROBLEM. */
export const dayLimitCheck = (totals: DayTotals, limits: DayLimits): Check => {
  const name = "day limits"
  const limited = [
    ...Option.toArray(limits.ordersPerDay).map((limit) => ({
      what: "orders",
      used: whole(totals.orders),
      limit: whole(limit)
    })),
    ...Option.toArray(limits.valuePerDay).map((limit) => ({ what: "value", used: totals.value, limit }))
  ]
  if (limited.length === 0) return ok(name, `orders today: ${totals.orders}; no limit is set`)
  const over = dayIsOver(totals, limits)
  const todo =
    "Raise LIMIT_ORDERS_PER_DAY or LIMIT_VALUE_PER_DAY and start the daemons anew, or wait for tomorrow in India"
  if (over !== null) return problem(name, `${over}: nothing more is placed today`, todo)
  const found = `today ${limited.map(({ what, used, limit }) => `${what} ${decimalText(used)} of ${decimalText(limit)}`).join(", ")}`
  if (limited.some(({ used, limit }) => BigDecimal.isGreaterThanOrEqualTo(used, limit))) {
    return problem(name, `${found}: used up, no other order is taken today`, todo)
  }
  return limited.some(({ used, limit }) => isNearlyUsed(used, limit))
    ? warning(name, `${found}: nearly used up`, todo)
    : ok(name, found)
}
