import { BigDecimal, Duration, Schema } from "effect"
import { OrderId } from "./Ids.ts"
import { Profile, RiskAversion, Strategy } from "./shape.ts"

export const Side = Schema.Literals(["BUY", "SELL"])
export type Side = typeof Side.Type

export const OrderType = Schema.Literals(["MARKET", "LIMIT"])
export type OrderType = typeof OrderType.Type

export const ProductType = Schema.Literals(["CNC", "MIS", "NRML", "MTF"])
export type ProductType = typeof ProductType.Type

export const Validity = Schema.Literals(["DAY", "IOC"])
export type Validity = typeof Validity.Type

/** The treatment of slices that could not be sent in time: sent late, skipped, or spread over the rest of the window. */
export const LatenessPolicy = Schema.Literals(["SEND", "SKIP", "RESPREAD"])
export type LatenessPolicy = typeof LatenessPolicy.Type

/** The treatment of the quantity that is unfilled at the window's end: reported, or completed with MARKET orders. */
export const Completion = Schema.Literals(["REPORT", "CROSS"])
export type Completion = typeof Completion.Type

/** Whether an order that does not fit before the venue's close is refused or continues in the next session. */
export const SessionPolicy = Schema.Literals(["SAME_DAY", "NEXT_SESSION"])
export type SessionPolicy = typeof SessionPolicy.Type

export const OrderQueueStatus = Schema.Literals(["PENDING", "IN_PROGRESS", "DONE", "FAILED", "SKIPPED"])
export type OrderQueueStatus = typeof OrderQueueStatus.Type

/** `EXCHANGE:SYMBOL`, such as NSE:RELIANCE, NFO:NIFTY26NOVFUT or NSE:M&M. */
export const Instrument = Schema.String.check(
  Schema.isPattern(/^[A-Z]{2,10}:[A-Z0-9][A-Z0-9&_.-]{0,63}$/, {
    message: "must look like EXCHANGE:SYMBOL in capitals, for example NSE:RELIANCE"
  })
).pipe(Schema.brand("Instrument"))
export type Instrument = typeof Instrument.Type

/** A price in the instrument's currency, as numeric(15,4): positive, at most four decimals. */
export const Price = Schema.String.check(
  Schema.isPattern(/^-?\d{1,30}(\.\d{1,30})?$/, { message: "must be a price such as 2500 or 2500.05" })
)
  .pipe(Schema.decodeTo(Schema.BigDecimalFromString))
  .check(
    Schema.makeFilter((price) => BigDecimal.isPositive(price) || "must be greater than 0"),
    Schema.makeFilter((price) => BigDecimal.normalize(price).scale <= 4 || "must have at most 4 decimals"),
    Schema.makeFilter((price) => BigDecimal.isLessThan(price, priceLimit) || "must be below 100,000,000,000")
  )
export type Price = typeof Price.Type

/** The upper limit of all prices, exclusive: what numeric(15,4) can hold. */
export const priceLimit = BigDecimal.make(1n, -11)

/** The id that the exchange gave an algorithm, as the broker takes it. */
export const AlgoId = Schema.String.check(
  Schema.isPattern(/^[!-~](?:[ -~]{0,62}[!-~])?$/, {
    message: "must be 1 to 64 printable ASCII characters, without spaces around them"
  })
)
export type AlgoId = typeof AlgoId.Type

/** The parameters that all placements of an order share. */
export const OrderParameters = Schema.Struct({
  instrument: Instrument,
  side: Side,
  orderType: OrderType,
  limitPrice: Schema.NullOr(Price),
  productType: ProductType,
  validity: Validity
})
export type OrderParameters = typeof OrderParameters.Type

export const defaultMaxLatenessSeconds = 60
export const maxSplits = 1000
export const maxDurationMinutes = 1440
export const maxQuantity = 2_147_483_647

/** An order that was created further ahead than this, or further back, is refused. */
export const longestAhead = Duration.days(366)

const wholeNumber = (minimum: number, maximum: number) =>
  Schema.Number.check(
    Schema.makeFilter(
      (number) =>
        (Number.isInteger(number) && minimum <= number && number <= maximum) ||
        `must be a whole number from ${minimum} to ${maximum}`
    )
  )

/** A validated parent order. `limitPrice` is set if and only if it is a LIMIT order. */
export const SplittableOrder = Schema.Struct({
  id: OrderId,
  ...OrderParameters.fields,
  totalQuantity: wholeNumber(1, maxQuantity),
  numSplits: wholeNumber(1, maxSplits),
  durationMinutes: wholeNumber(0, maxDurationMinutes),
  randomize: Schema.Boolean,
  strategy: Strategy,
  /** κT of a front- or back-loaded order; null for the default. */
  riskAversion: Schema.NullOr(RiskAversion),
  /** The relative weights that the strategy WEIGHTS gives to equal parts of the window. */
  weights: Schema.NullOr(Profile),
  /** The seed of every random choice in the plan; null for the order's id. */
  planSeed: Schema.NullOr(
    Schema.String.check(Schema.isBetweenLength(1, 200, { message: "must have 1 to 200 characters" }))
  ),
  latenessPolicy: LatenessPolicy,
  /** How late a slice may be before SKIP or RESPREAD applies to it; null for {@link defaultMaxLatenessSeconds}. */
  maxLatenessSeconds: Schema.NullOr(wholeNumber(1, 86_400)),
  /** How long after its acknowledgement the unfilled rest of a slice is cancelled at the broker; null for never. */
  cancelUnfilledAfterSeconds: Schema.NullOr(wholeNumber(1, 86_400)),
  /** Whether the final unfilled quantity of a slice, or that of a refused slice, is carried into later slices. */
  carryUnfilled: Schema.Boolean,
  carryRejected: Schema.Boolean,
  completion: Completion,
  sessionPolicy: SessionPolicy,
  /** The algorithm id of its placements; null for the configured one. */
  algoId: Schema.NullOr(AlgoId)
}).check(
  Schema.makeFilter((order) =>
    order.totalQuantity >= order.numSplits
      ? true
      : {
          path: ["totalQuantity"],
          issue: `is ${order.totalQuantity}, less than one for each of the ${order.numSplits} slices`
        }
  ),
  Schema.makeFilter((order) =>
    (order.orderType === "LIMIT") === (order.limitPrice !== null)
      ? true
      : {
          path: ["limitPrice"],
          issue: order.orderType === "LIMIT" ? "is needed for a LIMIT order" : "must be empty for a MARKET order"
        }
  ),
  Schema.makeFilter((order) =>
    (order.strategy === "WEIGHTS") === (order.weights !== null)
      ? true
      : {
          path: ["weights"],
          issue: order.strategy === "WEIGHTS" ? "is needed for the strategy WEIGHTS" : "must be empty but for WEIGHTS"
        }
  ),
  Schema.makeFilter((order) =>
    order.riskAversion === null || order.strategy === "FRONT_LOADED" || order.strategy === "BACK_LOADED"
      ? true
      : { path: ["riskAversion"], issue: "must be empty but for FRONT_LOADED and BACK_LOADED" }
  )
)
export type SplittableOrder = typeof SplittableOrder.Type
