import { BigDecimal, DateTime, Result, Schema } from "effect"
import { knownPrice, outsideCollar, type Priced } from "../limits/marketLimits.ts"
import { type OrderRate, tooFastForRate } from "../limits/orderRate.ts"
import { breachesOfOrder, breachesOfSlice, type PreTradeLimits } from "../limits/preTradeLimits.ts"
import { type SliceRules, sliceLimitsOf } from "../limits/sliceLimits.ts"
import type { FreezeQuantity } from "../market/FreezeQuantity.ts"
import { indianDay } from "../market/indianTime.ts"
import { type InstrumentDetails, isExpired, roundToTick } from "../market/InstrumentDetails.ts"
import { type PlanTime, planTimeOf, type TimeRules } from "../market/orderTime.ts"
import { productProblems } from "../market/productRules.ts"
import { squareOffProblem } from "../market/squareOff.ts"
import { afterTrading, type TradingTime } from "../market/TradingTime.ts"
import type { VenueId } from "../market/Venue.ts"
import type { OrderId } from "../model/Ids.ts"
import type { Instrument, OrderParameters, OrderType, Price, SplittableOrder } from "../model/Order.ts"
import { because, type Reason } from "../model/reason.ts"
import type { Profile } from "../model/shape.ts"
import { completeMillisOf } from "./completionTime.ts"
import { marketDayOf } from "./marketDay.ts"
import { minutesIn } from "./minutesIn.ts"
import type { Curve } from "./schedule/Curve.ts"
import type { Infeasible } from "./schedule/Schedule.ts"
import type { Hiding } from "./schedule/slots.ts"
import { curveOf } from "./schedule/strategies.ts"
import { type Plan, type PlannedSlice, split, type SplitRequest, type SplitRules, splitTimes } from "./Split.ts"

/** The configured rules for every order. */
export interface PlanningRules extends SliceRules, TimeRules {
  readonly leastGapMillis: number
  readonly hiding: Hiding
  /** The unfilled quantity is completed at least this long before the venue closes. */
  readonly completionLeadMillis: number
  /** The broker account's rate; null without a limit. */
  readonly rate: OrderRate | null
}

/** The known facts of an order's instrument: its listing, its last quote and its volume profile. */
export interface InstrumentFacts extends Priced {
  /** The instrument's own profile; null for the built-in one. */
  readonly volumeProfile: Profile | null
  /** Null if there is no list of instruments at all, in which case nothing is checked against it. */
  readonly listing: Listing | null
  /** What was imported of the freeze quantities of its underlying. */
  readonly freezes: ReadonlyArray<FreezeQuantity>
}

/** The broker's listing of an instrument. `similar` are names that may have been meant. */
export type Listing =
  | { readonly _tag: "Listed"; readonly details: InstrumentDetails; readonly hasFutures: boolean }
  | { readonly _tag: "Unlisted"; readonly similar: ReadonlyArray<string> }

export const unknownInstrument: InstrumentFacts = { volumeProfile: null, listing: null, quote: null, freezes: [] }

/** Why a plan was made. */
export const PlanCause = Schema.Literals(["SPLIT", "AMENDMENT", "LATENESS", "CARRY", "COMPLETION", "VOLUME"])
export type PlanCause = typeof PlanCause.Type

export const planCauseText = {
  SPLIT: "the split",
  AMENDMENT: "an amendment",
  LATENESS: "to spread late slices anew",
  CARRY: "to carry what was not filled",
  COMPLETION: "to complete the order",
  VOLUME: "to keep a slice to the share of the volume"
} satisfies Readonly<Record<PlanCause, string>>

/** Whether there are futures on an instrument; null if unknown. */
export const hasDerivatives = ({ listing }: InstrumentFacts): boolean | null =>
  listing?._tag === "Listed" ? listing.hasFutures : null

/** A slice with its wall-clock time, in milliseconds after the plan's start. */
export interface TimedSlice extends PlannedSlice {
  readonly dueMillis: number
}

/** A plan as it is stored. */
export interface OrderPlan extends Plan {
  readonly slices: ReadonlyArray<TimedSlice>
  readonly orderId: OrderId
  /** 1 for the split; each later plan adds one. */
  readonly revision: number
  readonly firstSequence: number
  /** The start that the slices' times count from. Null for the order's created_at, whose microseconds only the database has. */
  readonly startsAt: DateTime.Utc | null
  /** From the start to the window's end, in wall-clock time. */
  readonly endMillis: number
  /** From the start to the completion of the unfilled quantity; null if it is only reported. */
  readonly completeMillis: number | null
  /** The venue whose hours the slices keep, and its sessions within the window; null without a calendar. */
  readonly market: VenueId | null
  readonly sessions: TradingTime
  readonly orderType: OrderType
  /** The order's limit on the exchange's grid; null for MARKET. */
  readonly limitPrice: Price | null
  readonly cause: PlanCause
  /** The operator who asked for an amendment, and the reason. */
  readonly note: string | null
}

/** The part of an order that is to be planned, and why. A null curve stands for the order's own, from its start. */
export interface PlanRequest extends Omit<SplitRequest, "curve"> {
  readonly curve: Curve | null
  readonly revision: number
  readonly startsAt: DateTime.Utc
  /** When the plan is made; prices are judged as of then. */
  readonly now: DateTime.Utc
  readonly cause: PlanCause
  readonly note: string | null
}

/**
 * Plans a whole order that starts at a moment: the quantities and due times of its slices within the venue's hours, the
 * exchange's lot, tick and freeze limits and the desk's limits. Fails with all reasons, each by the column of the order row, and
 * with `calendar_ends` only if nothing else is wrong: the order needs a calendar that knows more days, and no other change.
 *
 * It is pure and deterministic: the same order, rules and instrument give the same plan to the byte, so a plan can be explained
 * later. Slices sum to the total in whole lots, and each is due in trading time. The splitter, the command `plan` and the
 * simulation call it; replans go through {@link planRequest} by way of replan/planRest.ts.
 */
export const planOrder = (
  order: SplittableOrder,
  rules: PlanningRules,
  market: InstrumentFacts,
  startsAt: DateTime.Utc,
  now: DateTime.Utc = startsAt
): Result.Result<OrderPlan, Reason> => {
  const request: PlanRequest = {
    orderId: order.id,
    seed: order.planSeed ?? order.id,
    totalQuantity: order.totalQuantity,
    numSlices: order.numSplits,
    windowMillis: order.durationMinutes * 60_000,
    randomize: order.randomize,
    curve: null,
    firstSequence: 1,
    revision: 1,
    startsAt,
    now,
    cause: "SPLIT",
    note: null
  }
  const plan = planRequest(request, order, rules, market)
  if (Result.isSuccess(plan) || plan.failure.code !== "calendar_ends") return plan
  return Result.flatMap(planRequest(request, order, { ...rules, calendar: null }, market), () => plan)
}

/** Plans any part of an order. `order.totalQuantity` is the order's total including that part. */
export const planRequest = (
  request: PlanRequest,
  order: SplittableOrder,
  rules: PlanningRules,
  market: InstrumentFacts
): Result.Result<OrderPlan, Reason> =>
  Result.gen(function* () {
    const { orderId, revision, firstSequence, cause, note } = request
    const isAsked = isAskedFor(cause)
    const terms = yield* termsOf(request, order, rules, market)
    const { planTime, limitPrice, splitRules } = terms
    const { time, startMillis, endMillis, scheduleMillis } = planTime
    const curve = request.curve ?? curveOf(order, marketDayOf(planTime, rules.calendar, market.volumeProfile))
    const planned = split({ ...request, windowMillis: scheduleMillis, curve }, splitRules)
    const made = Result.isSuccess(planned) ? planned.success : null
    const collar = isAsked
      ? outsideCollar(limitPrice, knownPrice(market, request.now, rules.preTrade), rules.preTrade)
      : []
    const reasons: ReadonlyArray<Reason> = [
      ...(Result.isFailure(planned) ? [infeasible(planned.failure)] : []),
      ...breachesOf(terms, order, made, isAsked, rules.preTrade).map((text) => because("pre_trade_limit", text)),
      ...collar.map((text) => because("price_collar", text))
    ]
    const [first] = reasons
    if (first !== undefined) {
      return yield* Result.fail(because(first.code, reasons.map(({ text }) => text).join("; ")))
    }
    const plan = yield* Result.mapError(planned, infeasible)
    const slices = plan.slices.map((slice) => ({ ...slice, dueMillis: dueMillisOf(planTime, slice.offsetMillis) }))
    if (rules.rate !== null && isAsked) {
      const tooFast = tooFastForRate(
        {
          dueMillis: slices.map(({ dueMillis }) => dueMillis),
          numSlices: request.numSlices,
          minutes: request.windowMillis / 60_000
        },
        duesOf(request, order, rules, market),
        rules.rate,
        order.maxLatenessSeconds
      )
      if (tooFast !== null) return yield* Result.fail(because("broker_rate", tooFast))
    }
    return {
      ...plan,
      slices,
      orderId,
      revision,
      firstSequence,
      startsAt: cause === "SPLIT" && time === null ? null : DateTime.makeUnsafe(startMillis),
      endMillis: endMillis - startMillis,
      completeMillis:
        order.completion === "CROSS"
          ? completeMillisOf(
              planTime,
              cause === "COMPLETION",
              Math.max(rules.completionLeadMillis, rules.margins.closeMillis)
            )
          : null,
      market: planTime.market,
      sessions: time,
      orderType: order.orderType,
      limitPrice,
      cause,
      note
    }
  })

/**
 * Only what a person asks for is checked against the order's limits, the collar, the rate and the products. Catch-up slices skip
 * them: their quantity was admitted when the order was planned.
 */
const isAskedFor = (cause: PlanCause): boolean => cause === "SPLIT" || cause === "AMENDMENT"

const infeasible = ({ message }: Infeasible): Reason => because("plan_infeasible", message)

/** The time of a request and the limits that it is checked against. */
interface Terms {
  readonly planTime: PlanTime
  /** On the exchange's grid; null for MARKET. */
  readonly limitPrice: Price | null
  /** The price that values its quantities: its limit, or the last price; null if neither is known. */
  readonly price: BigDecimal.BigDecimal | null
  readonly splitRules: SplitRules
}

const termsOf = (
  request: PlanRequest,
  order: SplittableOrder,
  rules: PlanningRules,
  market: InstrumentFacts
): Result.Result<Terms, Reason> =>
  Result.gen(function* () {
    const { startsAt, now, windowMillis, cause } = request
    const timed = { ...order, hasDerivatives: hasDerivatives(market) }
    const planTime = yield* planTimeOf(timed, rules, startsAt, windowMillis)
    const { time, endMillis } = planTime
    const lastMoment = DateTime.makeUnsafe(time === null ? endMillis : endMillis - 1)
    const details = yield* listed(order.instrument, market, startsAt, lastMoment)
    const spansDays = time !== null && indianDay(DateTime.makeUnsafe(planTime.startMillis)) !== indianDay(lastMoment)
    const untaken = isAskedFor(cause) ? productProblems({ ...order, spansDays, details }) : []
    const squaredOff = isAskedFor(cause) ? squareOffProblem(order, planTime, rules.calendar) : null
    const problems = squaredOff === null ? untaken : [...untaken, squaredOff]
    if (problems.length > 0) return yield* Result.fail(because("invalid_order", problems.join("; ")))
    const limitPrice = yield* onTheGrid(order, details)
    const price = limitPrice ?? knownPrice(market, now, rules.preTrade)
    const splitRules = {
      lotSize: details?.lotSize ?? 1,
      sliceLimits: sliceLimitsOf(
        order.instrument,
        price,
        DateTime.makeUnsafe(planTime.startMillis),
        { details, imported: market.freezes },
        rules
      ),
      // A person is told that a slice is too large. Plans of the service itself add slices instead.
      mayAddSlices: rules.maxSliceQuantity !== null || !isAskedFor(cause),
      leastGapMillis: rules.leastGapMillis,
      hiding: rules.hiding,
      minutesFor: minutesIn((millis) => planTimeOf(timed, rules, startsAt, millis))
    }
    return { planTime, limitPrice, price, splitRules }
  })

/** The desk's limits that an order and its largest slice breach, each once. */
const breachesOf = (
  { price }: Terms,
  order: SplittableOrder,
  plan: Plan | null,
  isAsked: boolean,
  limits: PreTradeLimits
): ReadonlyArray<string> => {
  const exposure = { ...order, quantity: order.totalQuantity, price }
  const largest = Math.max(0, ...(plan?.slices ?? []).map(({ quantity }) => quantity))
  const ofOrder = isAsked ? breachesOfOrder(exposure, limits) : []
  return [...new Set([...ofOrder, ...breachesOfSlice({ ...exposure, quantity: largest }, limits)])]
}

/** The due times of a request with another number of slices or minutes; null if that cannot be planned. */
const duesOf =
  (request: PlanRequest, order: SplittableOrder, rules: PlanningRules, market: InstrumentFacts) =>
  (numSlices: number, minutes: number): ReadonlyArray<number> | null => {
    const changed = { ...request, numSlices, windowMillis: minutes * 60_000 }
    return Result.getOrElse(
      Result.gen(function* () {
        const { planTime, splitRules } = yield* termsOf(changed, order, rules, market)
        // The curve does not affect the times.
        const timed = { ...changed, windowMillis: planTime.scheduleMillis }
        const offsets = yield* splitTimes({ ...timed, curve: { _tag: "Even" } }, splitRules)
        return offsets.map((offset) => dueMillisOf(planTime, offset))
      }),
      () => null
    )
  }

/** The wall-clock time of a slice, in milliseconds from the plan's start. */
const dueMillisOf = ({ time, startMillis, endMillis }: PlanTime, offsetMillis: number): number =>
  (afterTrading(time, startMillis, offsetMillis) ?? endMillis) - startMillis

/** The instrument's listing; null without a list. Fails if it is not listed or expires before the window is over. */
const listed = (
  instrument: Instrument,
  { listing }: InstrumentFacts,
  start: DateTime.Utc,
  lastMoment: DateTime.Utc
): Result.Result<InstrumentDetails | null, Reason> => {
  if (listing === null) return Result.succeed(null)
  if (listing._tag === "Unlisted") {
    const similar = listing.similar.length === 0 ? "" : `; similar: ${listing.similar.join(", ")}`
    return Result.fail(because("instrument_unknown", `instrument: the broker's list has no ${instrument}${similar}`))
  }
  const { details } = listing
  if (isExpired(details, indianDay(start))) {
    return Result.fail(because("instrument_expired", `instrument: ${instrument} expired on ${details.expiry}`))
  }
  return isExpired(details, indianDay(lastMoment))
    ? Result.fail(
        because(
          "instrument_expired",
          `instrument: ${instrument} expires on ${details.expiry}, before the order's window is over`
        )
      )
    : Result.succeed(details)
}

/** An order's limit, rounded to the tick so that it is never worse than requested. */
const onTheGrid = (
  { limitPrice, side }: OrderParameters,
  details: InstrumentDetails | null
): Result.Result<Price | null, Reason> => {
  if (limitPrice === null || details === null) return Result.succeed(limitPrice)
  const rounded = roundToTick(limitPrice, details.tickSize, side)
  return rounded === null
    ? Result.fail(
        because(
          "invalid_order",
          `limit_price: is below the smallest price there is, the tick of ${BigDecimal.format(details.tickSize)}`
        )
      )
    : Result.succeed(rounded)
}
