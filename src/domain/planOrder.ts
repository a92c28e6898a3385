import { BigDecimal, type DateTime, Result, Schema } from "effect"
import { freezeLimit } from "./freezeLimits.ts"
import type { OrderId } from "./Ids.ts"
import { indianDay } from "./indianTime.ts"
import { type InstrumentDetails, isExpired, roundToTick } from "./instruments/InstrumentDetails.ts"
import { knownPrice, outsideCollar } from "./marketLimits.ts"
import type { Instrument, OrderParameters, OrderType, Price, SplittableOrder } from "./Order.ts"
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
  /** The latest, however old it is; null when there is none. */
  readonly quote: { readonly lastPrice: BigDecimal.BigDecimal; readonly at: DateTime.Utc } | null
}

/** What the broker's list says of an instrument. `similar` are the names that may have been meant. */
export type Listing =
  | { readonly _tag: "Listed"; readonly details: InstrumentDetails; readonly hasFutures: boolean }
  | { readonly _tag: "Unlisted"; readonly similar: ReadonlyArray<string> }

export const unknownMarket: Market = { volumeProfile: null, listing: null, quote: null }

/** Why there is a plan. */
export const PlanCause = Schema.Literals(["SPLIT", "AMENDMENT", "CARRY", "COMPLETION"])
export type PlanCause = typeof PlanCause.Type

/** A plan as it is stored. */
export interface OrderPlan extends Plan {
  readonly orderId: OrderId
  /** 1 is the split; each later plan adds one. */
  readonly revision: number
  readonly firstSequence: number
  /** What the slices' offsets count from. */
  readonly startsAt: DateTime.Utc
  /** From the start to the window's end, by the clock on the wall. */
  readonly windowMillis: number
  readonly orderType: OrderType
  /** The order's limit on the exchange's grid; null for MARKET. */
  readonly limitPrice: Price | null
  readonly cause: PlanCause
  /** Who asked for an amendment, and for what. */
  readonly note: string | null
}

/** What is to be planned of an order, and why. */
export interface PlanRequest extends SplitRequest {
  readonly revision: number
  readonly startsAt: DateTime.Utc
  readonly cause: PlanCause
  readonly note: string | null
}

/** The plan that an order gets when it starts at a time, or all reasons why it gets none. */
export const planOrder = (
  order: SplittableOrder,
  rules: PlanningRules,
  market: Market,
  startsAt: DateTime.Utc
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
      firstSequence: 1,
      revision: 1,
      startsAt,
      cause: "SPLIT",
      note: null
    },
    order,
    rules,
    market
  )

/** The same for any part of an order. The order's total is what it comes to with that part. */
export const planRequest = (
  request: PlanRequest,
  order: OrderParameters & { readonly totalQuantity: number },
  rules: PlanningRules,
  market: Market
): Result.Result<OrderPlan, string> =>
  Result.gen(function* () {
    const details = yield* listed(order.instrument, market, request.startsAt)
    const limitPrice = yield* onTheGrid(order, details)
    const plan = yield* Result.mapError(
      split(request, {
        ...rules,
        lotSize: details?.lotSize ?? 1,
        freezeLimit: rules.isFreezeLimited ? freezeLimit(order.instrument, request.startsAt) : null
      }),
      ({ message }) => message
    )
    const exposure = { ...order, quantity: order.totalQuantity, price: limitPrice }
    const largest = Math.max(...plan.slices.map(({ quantity }) => quantity))
    const breaches = new Set([
      ...breachesOfOrder(exposure, rules.preTrade),
      ...breachesOfSlice({ ...exposure, quantity: largest }, rules.preTrade),
      // What is carried was within it once; right before each placement it is checked all the same.
      ...(request.cause === "SPLIT" || request.cause === "AMENDMENT"
        ? outsideCollar(limitPrice, knownPrice(market, request.startsAt, rules.preTrade), rules.preTrade)
        : [])
    ])
    if (breaches.size > 0) return yield* Result.fail([...breaches].join("; "))
    const { orderId, revision, firstSequence, startsAt, windowMillis, cause, note } = request
    const { orderType } = order
    return { ...plan, orderId, revision, firstSequence, startsAt, windowMillis, orderType, limitPrice, cause, note }
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
