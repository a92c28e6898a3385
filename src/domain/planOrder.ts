import { type DateTime, Result } from "effect"
import { freezeLimit } from "./freezeLimits.ts"
import type { OrderParameters, SplittableOrder } from "./Order.ts"
import { breachesOfOrder, breachesOfSlice, type PreTradeLimits } from "./preTradeLimits.ts"
import type { Profile } from "./schedule/Curve.ts"
import { curveOf, unknownDay } from "./schedule/strategies.ts"
import { type Plan, split, type SplitRequest } from "./Split.ts"

/** What the desk has set for every order. */
export interface PlanningRules {
  readonly maxSliceQuantity: number | null
  readonly leastGapMillis: number
  readonly preTrade: PreTradeLimits
  /** The mock broker takes any quantity. */
  readonly isFreezeLimited: boolean
}

/** What is known of an order's instrument. */
export interface Market {
  readonly volumeProfile: Profile | null
}

/** The plan that an order gets when it starts at a time, or all reasons why it gets none. */
export const planOrder = (
  order: SplittableOrder,
  rules: PlanningRules,
  market: Market,
  start: DateTime.Utc
): Result.Result<Plan, string> =>
  planRequest(
    {
      orderId: order.id,
      seed: order.planSeed ?? order.id,
      totalQuantity: order.totalQuantity,
      numSlices: order.numSplits,
      windowMillis: order.durationMinutes * 60_000,
      randomize: order.randomize,
      curve: curveOf(order, { ...unknownDay, volumeProfile: market.volumeProfile }),
      firstSequence: 1
    },
    order,
    rules,
    start
  )

/** The same for any part of an order. The order's total is what it comes to with that part. */
export const planRequest = (
  request: SplitRequest,
  order: OrderParameters & { readonly totalQuantity: number },
  rules: PlanningRules,
  start: DateTime.Utc
): Result.Result<Plan, string> =>
  Result.gen(function* () {
    const plan = yield* Result.mapError(
      split(request, {
        ...rules,
        lotSize: 1,
        freezeLimit: rules.isFreezeLimited ? freezeLimit(order.instrument, start) : null
      }),
      ({ message }) => message
    )
    const exposure = { ...order, quantity: order.totalQuantity, price: order.limitPrice }
    const largest = Math.max(...plan.slices.map(({ quantity }) => quantity))
    const breaches = new Set([
      ...breachesOfOrder(exposure, rules.preTrade),
      ...breachesOfSlice({ ...exposure, quantity: largest }, rules.preTrade)
    ])
    return breaches.size > 0 ? yield* Result.fail([...breaches].join("; ")) : plan
  })
