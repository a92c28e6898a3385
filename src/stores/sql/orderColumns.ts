import { BigDecimal } from "effect"
import { numbers } from "../../db/parameters.ts"
import type { UntrustedOrder } from "../../domain/lifecycle/validateOrder.ts"
import type { SplittableOrder } from "../../domain/model/Order.ts"

/**
 * The columns of `orders o` that make an UntrustedOrder. Weights are JSON, because the driver fails at arrays of arrays.
 */
export const orderColumns = `
  o.id, o.instrument, o.side, o.total_quantity::float8 AS total_quantity, o.num_splits::float8 AS num_splits,
  o.duration_minutes::float8 AS duration_minutes, o.randomize, o.strategy, o.risk_aversion, to_jsonb(o.weights) AS weights, o.plan_seed,
  o.order_type, o.limit_price::text AS limit_price, o.product_type, o.validity, o.lateness_policy,
  o.max_lateness_seconds::float8 AS max_lateness_seconds,
  o.cancel_unfilled_after_seconds::float8 AS cancel_unfilled_after_seconds, o.carry_unfilled, o.carry_rejected, o.completion,
  o.session_policy`

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
  const price = stored.limitPrice === null ? null : BigDecimal.fromStringUnsafe(stored.limitPrice)
  return Object.entries({ ...rest, limitPrice: priceText(price) })
    .map(([field, before]) => [field, shown(before), shown(given[field])] as const)
    .filter(([, before, now]) => before !== now)
    .map(([field, before, now]) => `${inWords(field)} (${before}, now ${now})`)
}

const priceText = (price: BigDecimal.BigDecimal | null): string | null =>
  price === null ? null : BigDecimal.format(BigDecimal.normalize(price))

const shown = (value: unknown): string => (value === null ? "none" : String(value))

/** `numSplits` → `num splits`. */
const inWords = (field: string): string => field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
