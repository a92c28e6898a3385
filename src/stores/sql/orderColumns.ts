import { BigDecimal, Option } from "effect"
import { numbers } from "../../db/parameters.ts"
import type { UntrustedOrder } from "../../domain/lifecycle/validateOrder.ts"
import type { SplittableOrder } from "../../domain/model/Order.ts"
import { maxWeights } from "../../domain/model/shape.ts"

/**
 * A numeric column of `orders o` as a double. One that no double holds is infinite, because a cast would fail the statement; a
 * fraction that would be rounded away is a half, so that the number is no whole one.
 */
const double = (column: string): string => `
  CASE WHEN abs(o.${column}) < 1e15 THEN
      CASE WHEN o.${column} = trunc(o.${column}) OR o.${column}::float8 <> trunc(o.${column}::float8) THEN o.${column}::float8
        ELSE trunc(o.${column})::float8 + 0.5 END
    WHEN o.${column} IS NOT NULL THEN sign(o.${column})::float8 * 'Infinity'::float8 END AS ${column}`

/** A numeric column of `orders o` as text: numeric holds numbers of a hundred thousand digits, and no price has so many. */
const price = (column: string): string => `left(o.${column}::text, 70) AS ${column}`

/** The beginning of a text column of `orders o`, longer than any valid value: PostgreSQL holds texts of a gigabyte. */
export const text = (column: string): string => `left(o.${column}, 256) AS ${column}`

/**
 * The columns of `orders o` that another service writes as numbers, checked by nobody. Quantities and times in whole units.
 */
export const sizeColumns = [
  double("total_quantity"),
  double("num_splits"),
  double("duration_minutes"),
  price("limit_price")
].join(", ")

const textColumns = [
  "instrument",
  "side",
  "strategy",
  "plan_seed",
  "order_type",
  "product_type",
  "validity",
  "lateness_policy",
  "completion",
  "session_policy"
]
  .map(text)
  .join(", ")

/**
 * The columns of `orders o` that make an UntrustedOrder. Weights are JSON, because the driver fails at arrays of arrays; of more
 * than there can be, only their number is read.
 */
export const orderColumns = `
  o.id, ${textColumns}, ${sizeColumns}, o.randomize, o.risk_aversion,
  CASE WHEN cardinality(o.weights) > ${maxWeights} THEN to_jsonb(cardinality(o.weights) || ' numbers')
    ELSE to_jsonb(o.weights) END AS weights,
  ${double("max_lateness_seconds")}, ${double("cancel_unfilled_after_seconds")}, o.carry_unfilled, o.carry_rejected`

/** The columns that an INSERT of an order writes. */
export const orderRow = (order: SplittableOrder) => ({
  id: order.id,
  instrument: order.instrument,
  side: order.side,
  total_quantity: order.totalQuantity,
  num_splits: order.numSplits,
  duration_minutes: order.durationMinutes,
  randomize: order.randomize,
  strategy: order.strategy,
  risk_aversion: order.riskAversion,
  weights: order.weights === null ? null : numbers(order.weights),
  plan_seed: order.planSeed,
  order_type: order.orderType,
  limit_price: order.limitPrice === null ? null : BigDecimal.format(order.limitPrice),
  product_type: order.productType,
  validity: order.validity,
  lateness_policy: order.latenessPolicy,
  max_lateness_seconds: order.maxLatenessSeconds,
  cancel_unfilled_after_seconds: order.cancelUnfilledAfterSeconds,
  carry_unfilled: order.carryUnfilled,
  carry_rejected: order.carryRejected,
  completion: order.completion,
  session_policy: order.sessionPolicy
})

/** The differences of an order from the stored one, each as `randomize (true, now false)`. The ids may differ. */
export const differencesBetween = (stored: UntrustedOrder, order: SplittableOrder): ReadonlyArray<string> => {
  const given: Readonly<Record<string, unknown>> = { ...order, limitPrice: priceText(order.limitPrice) }
  const { id: _, ...rest } = stored
  return Object.entries({ ...rest, limitPrice: storedPriceText(stored.limitPrice) })
    .map(([field, before]) => [field, shown(before), shown(given[field])] as const)
    .filter(([, before, now]) => before !== now)
    .map(([field, before, now]) => `${inWords(field)} (${before}, now ${now})`)
}

const priceText = (price: BigDecimal.BigDecimal | null): string | null =>
  price === null ? null : BigDecimal.format(BigDecimal.normalize(price))

/** The row may hold what is no price. */
const storedPriceText = (price: string | null): string | null =>
  price === null ? null : Option.match(BigDecimal.fromString(price), { onNone: () => price, onSome: priceText })

const shown = (value: unknown): string => (value === null ? "none" : String(value))

/** `numSplits` → `num splits`. */
const inWords = (field: string): string => field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
