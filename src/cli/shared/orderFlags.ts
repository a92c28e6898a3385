import { Option, type Result } from "effect"
import { Flag } from "effect/cli"
import { validateOrder } from "../../domain/lifecycle/validateOrder.ts"
import { defaultProduct } from "../../domain/market/productRules.ts"
import type { SplittableOrder } from "../../domain/model/Order.ts"
import { maxIdLength, maxListLength, textFlag, wholeFlag } from "./flags.ts"

/** The flags that describe a new order, shared by `order submit` and `plan`. */
export const orderFlags = {
  instrument: textFlag("instrument", maxIdLength).pipe(Flag.withDescription("EXCHANGE:SYMBOL, such as NSE:RELIANCE")),
  side: Flag.Literals("side", ["BUY", "SELL"]).pipe(Flag.withDescription("BUY or SELL")),
  quantity: wholeFlag("quantity").pipe(Flag.withDescription("How much in all")),
  splits: wholeFlag("splits").pipe(Flag.withDescription("Into how many slices, 1 to 1000")),
  duration: wholeFlag("duration").pipe(Flag.withDescription("Over how many minutes, 0 to 1440")),
  randomize: Flag.Boolean("randomize").pipe(
    Flag.withDescription("Vary the slices' sizes and times (--no-randomize: all alike)"),
    Flag.withDefault(true)
  ),
  strategy: Flag.Literals("strategy", ["twap", "vwap", "front-loaded", "back-loaded", "weights"]).pipe(
    Flag.withDescription("How the quantity is spread over the window"),
    Flag.withDefault("twap")
  ),
  riskAversion: Flag.Finite("risk-aversion").pipe(
    Flag.withDescription("How steep front-loaded or back-loaded is: above 0, up to 100 (2)"),
    Flag.optional
  ),
  weights: textFlag("weights", maxListLength).pipe(
    Flag.withDescription("For weights: what equal parts of the window get, such as 3,1,1,2"),
    Flag.optional
  ),
  seed: textFlag("seed", maxIdLength).pipe(
    Flag.withDescription("What decides the random choices: the same seed gives the same plan"),
    Flag.optional
  ),
  type: Flag.Literals("type", ["MARKET", "LIMIT"]).pipe(Flag.withDescription("Order type"), Flag.withDefault("MARKET")),
  limitPrice: textFlag("limit-price", maxIdLength).pipe(Flag.withDescription("Needed for LIMIT"), Flag.optional),
  product: Flag.Literals("product", ["CNC", "MIS", "NRML", "MTF"]).pipe(
    Flag.withDescription("Product type (CNC for shares, NRML for contracts)"),
    Flag.optional
  ),
  validity: Flag.Literals("validity", ["DAY", "IOC"]).pipe(
    Flag.withDescription("Validity of each broker order"),
    Flag.withDefault("DAY")
  ),
  lateness: Flag.Literals("lateness", ["send", "skip", "respread"]).pipe(
    Flag.withDescription("What becomes of slices that could not be sent in time"),
    Flag.withDefault("send")
  ),
  maxLateness: wholeFlag("max-lateness").pipe(
    Flag.withDescription("How many seconds late a slice may be before it is skipped or spread anew (60)"),
    Flag.optional
  ),
  cancelUnfilledAfter: wholeFlag("cancel-unfilled-after").pipe(
    Flag.withDescription("Cancel what is not filled of a slice so many seconds after it was placed"),
    Flag.optional
  ),
  carry: Flag.Literals("carry", ["none", "unfilled", "rejected", "all"]).pipe(
    Flag.withDescription("What goes into later slices: what was for good not filled, what was refused, or both"),
    Flag.withDefault("none")
  ),
  completion: Flag.Literals("completion", ["report", "cross"]).pipe(
    Flag.withDescription("At the window's end: report what is missing, or send a MARKET order for it"),
    Flag.withDefault("report")
  ),
  sessions: Flag.Literals("sessions", ["same-day", "next-session"]).pipe(
    Flag.withDescription("What does not fit before the market's close is refused, or goes on in the next session"),
    Flag.withDefault("same-day")
  ),
  algoId: textFlag("algo-id", maxIdLength).pipe(
    Flag.withDescription("The algorithm id that the exchange gave (ZERODHA_ALGO_ID)"),
    Flag.optional
  )
}

type Given = { readonly [K in keyof typeof orderFlags]: (typeof orderFlags)[K] extends Flag.Flag<infer A> ? A : never }

/** The order that the flags describe, or a text with every problem in them. */
export const orderOf = (given: Given, id: string): Result.Result<SplittableOrder, string> =>
  validateOrder({
    id,
    instrument: given.instrument,
    side: given.side,
    totalQuantity: given.quantity,
    numSplits: given.splits,
    durationMinutes: given.duration,
    randomize: given.randomize,
    strategy: given.strategy.toUpperCase().replace("-", "_"),
    riskAversion: Option.getOrNull(given.riskAversion),
    weights: Option.getOrNull(Option.map(given.weights, numbersOf)),
    planSeed: Option.getOrNull(given.seed),
    orderType: given.type,
    limitPrice: Option.getOrNull(given.limitPrice),
    productType: Option.getOrElse(given.product, () => defaultProduct(given.instrument)),
    validity: given.validity,
    latenessPolicy: given.lateness.toUpperCase(),
    maxLatenessSeconds: Option.getOrNull(given.maxLateness),
    cancelUnfilledAfterSeconds: Option.getOrNull(given.cancelUnfilledAfter),
    carryUnfilled: given.carry === "unfilled" || given.carry === "all",
    carryRejected: given.carry === "rejected" || given.carry === "all",
    completion: given.completion.toUpperCase(),
    sessionPolicy: given.sessions.toUpperCase().replace("-", "_"),
    algoId: Option.getOrNull(given.algoId)
  })

/** The numbers of a list such as `3,1,1.5`. A part that is not a number becomes null, which every check refuses. */
export const numbersOf = (text: string): ReadonlyArray<number | null> =>
  text.split(",").map((part) => (/^\s*\d+(\.\d+)?\s*$/.test(part) ? Number(part) : null))
