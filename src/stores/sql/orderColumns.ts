import { BigDecimal, Option } from "effect"
import { numbers } from "../../db/parameters.ts"
import type { UntrustedOrder } from "../../domain/lifecycle/validateOrder.ts"
import type { SplittableOrder } from "../../domain/model/Order.ts"
import { maxWeights } from "../../domain/model/shape.ts"
import { bounded } from "./bounded.ts"

/**
 * A numeric column of `orders o` as a double. A cast fails the statement for a number that no double holds, as large or as
 * small as it may be, and makes a whole number of one that is nearly whole. So a number beyond 10^15 is infinite, and a
 * fraction keeps six decimals, at least one of which is not zero.
 */
const double = (column: string): string => `
  CASE WHEN abs(o.${column}) < 1e15 THEN CASE WHEN o.${column} = trunc(o.${column}) THEN o.${column}::float8
      ELSE (trunc(o.${column})
        + sign(o.${column}) * least(greatest(round(abs(o.${column}) % 1, 6), 0.000001), 0.999999))::float8 END
    WHEN o.${column} IS NOT NULL THEN sign(o.${column})::float8 * 'Infinity'::float8 END AS ${column}`

/** A numeric column of `orders o` as text: numeric holds numbers of a hundred thousand digits, and no price has so many. */
const price = (column: string): string => `left(o.${column}::text, 70) AS ${column}`

/** A text column of `orders o`, cut where it is longer than any valid one. */
export const text = (column: string): string => bounded(`o.${column}`, 256)

/**
 * The weights of `orders o` as JSON, because the driver fails at arrays of arrays; one string for a list that is longer than
 * any valid one. Its stored size is looked at first, because it is known without unpacking the list.
 */
const weights = `
  CASE WHEN pg_column_size(o.weights) > 16384 OR cardinality(o.weights) > ${maxWeights} THEN to_jsonb('a longer list'::text)
    ELSE to_jsonb(o.weights) END AS weights`

/**
 * The columns of `orders o` that another service writes as numbers, checked by nobody. Quantities and times in whole units.
 */
export const sizeColumns = [
  double("total_quantity"),
  double("num_splits"),
  double("duration_minutes"),
  price("limit_price")
].join(", ")

/** The columns of `orders o` that make an UntrustedOrder. */
export const orderColumns = [
  "o.id",
  ...[
    "instrument",
    "side",
    "strategy",
    "plan_seed",
    "order_type",
    "product_type",
    "validity",
    "lateness_policy",
    "completion",
    "session_policy",
    "algo_id"
  ].map(text),
  ...["randomize", "risk_aversion", "carry_unfilled", "carry_rejected"].map((column) => `o.${column}`),
  sizeColumns,
  weights,
  double("max_lateness_seconds"),
  double("cancel_unfilled_after_seconds")
].join(", ")

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
  session_policy: order.sessionPolicy,
  algo_id: order.algoId
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
