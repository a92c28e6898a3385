import { BigDecimal, type DateTime, Result } from "effect"
import { freezeLimit } from "./freezeLimits.ts"
import { indianDay } from "./indianTime.ts"
import { type InstrumentDetails, isExpired, roundToTick } from "./instruments/InstrumentDetails.ts"
import type { Instrument, OrderParameters, Price, SplittableOrder } from "./Order.ts"
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
  /** The instrument's own; null for the built-in one. */
  readonly volumeProfile: Profile | null
  /** Null when no list of instruments is known at all: then nothing is held against it. */
  readonly listing: Listing | null
}

/** What the broker's list says of an instrument. `similar` are the names that may have been meant. */
export type Listing =
  | { readonly _tag: "Listed"; readonly details: InstrumentDetails; readonly hasFutures: boolean }
  | { readonly _tag: "Unlisted"; readonly similar: ReadonlyArray<string> }

export const unknownMarket: Market = { volumeProfile: null, listing: null }

/** A plan, and the price of its slices: the order's limit on the exchange's grid, or null for MARKET. */
export interface OrderPlan extends Plan {
  readonly limitPrice: Price | null
}

/** The plan that an order gets when it starts at a time, or all reasons why it gets none. */
export const planOrder = (
  order: SplittableOrder,
  rules: PlanningRules,
  market: Market,
  start: DateTime.Utc
): Result.Result<OrderPlan, string> =>
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
    market,
    start
  )

/** The same for any part of an order. The order's total is what it comes to with that part. */
export const planRequest = (
  request: SplitRequest,
  order: OrderParameters & { readonly totalQuantity: number },
  rules: PlanningRules,
  market: Market,
  start: DateTime.Utc
): Result.Result<OrderPlan, string> =>
  Result.gen(function* () {
    const details = yield* listed(order.instrument, market, start)
    const limitPrice = yield* onTheGrid(order, details)
    const plan = yield* Result.mapError(
      split(request, {
        ...rules,
        lotSize: details?.lotSize ?? 1,
        freezeLimit: rules.isFreezeLimited ? freezeLimit(order.instrument, start) : null
      }),
      ({ message }) => message
    )
    const exposure = { ...order, quantity: order.totalQuantity, price: limitPrice }
    const largest = Math.max(...plan.slices.map(({ quantity }) => quantity))
    const breaches = new Set([
      ...breachesOfOrder(exposure, rules.preTrade),
      ...breachesOfSlice({ ...exposure, quantity: largest }, rules.preTrade)
    ])
    return breaches.size > 0 ? yield* Result.fail([...breaches].join("; ")) : { ...plan, limitPrice }
  })

/** The instrument as the broker lists it, null without a list; fails when it is not in the list, or no longer trades. */
const listed = (
  instrument: Instrument,
  { listing }: Market,
  start: DateTime.Utc
): Result.Result<InstrumentDetails | null, string> => {
  if (listing === null) return Result.succeed(null)
  if (listing._tag === "Unlisted") {
    const similar = listing.similar.length === 0 ? "" : `; similar: ${listing.similar.join(", ")}`
    return Result.fail(`instrument: the broker's list has no ${instrument}${similar}`)
  }
  return isExpired(listing.details, indianDay(start))
    ? Result.fail(`instrument: ${instrument} expired on ${listing.details.expiry}`)
    : Result.succeed(listing.details)
}

/** An order's limit, rounded to the tick so that it is never worse than what was asked for. */
const onTheGrid = (
  { limitPrice, side }: OrderParameters,
  details: InstrumentDetails | null
): Result.Result<Price | null, string> => {
  if (limitPrice === null || details === null) return Result.succeed(limitPrice)
  const rounded = roundToTick(limitPrice, details.tickSize, side)
  return rounded === null
    ? Result.fail(
        `limit_price: is below the smallest price there is, the tick of ${BigDecimal.format(details.tickSize)}`
      )
    : Result.succeed(rounded)
}
