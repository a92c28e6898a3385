import { BigDecimal } from "effect"
import { simulatedLastPrice } from "../broker/mock/simulatedPrice.ts"
import { momentOn } from "./exchangeDays.ts"
import { endOfIndianDay, indianDate } from "./kiteTime.ts"
import { marketDay, type MarketSymbol, type PhaseName } from "./marketDay.ts"
import type { OrderRequest } from "./OrderRequest.ts"
import { inputError, type KiteError } from "./reply.ts"
import type { SimulatorOptions } from "./SimulatorOptions.ts"

/** What the exchange makes of an order that the broker has taken. Times are milliseconds since 1970. */
export interface OrderDay {
  /** Nothing is filled before. */
  readonly fillsFromMillis: number
  /** Orders that come later are not matched as they come, but in the closing auction. */
  readonly matchedUntilMillis: number
  /** When what is still open ends. */
  readonly endsMillis: number
  /** At its end the closing auction fills the order, if its price allows. */
  readonly isInAuction: boolean
  /** The exchange's words if it rejects the order; null if it takes it. */
  readonly rejection: string | null
}

type RuleOptions = Pick<SimulatorOptions, "seed" | "marketHours" | "priceBandPercent">

/** Series of NSE and BSE that are settled trade by trade. */
const tradeToTrade = /-(BE|BZ|Z|ST|SZ)$/
/** The band of a closing auction around its reference price. */
const auctionBandPercent = 3

/**
 * The broker's refusal of a placement or modification at this moment; null to take it. It checks, in this order: the product,
 * the market's hours and the square-off of MIS, the price band. The words are Zerodha's as far as they are known.
 */
export const refusalByRules = (options: RuleOptions, request: OrderRequest, nowMillis: number): KiteError | null => {
  const { exchange, product, tradingsymbol, variety } = request
  if (tradeToTrade.test(tradingsymbol) && product !== "CNC") {
    return inputError(`${product} orders are not allowed for ${exchange}:${tradingsymbol}. Place a CNC order instead.`)
  }
  if (options.marketHours && variety !== "amo") {
    const { phase, session } = marketDay(request, nowMillis)
    if (phase === "shut") return inputError("Markets are closed right now. Try placing an AMO order.")
    if (product === "MIS" && session !== null && nowMillis >= session.squaresOffMillis) {
      return inputError(
        `MIS orders are currently blocked for ${tradingsymbol}. Place a ${deliveryOf(request)} order instead.`
      )
    }
  }
  return bandRefusal(options, request, nowMillis)
}

const deliveryOf = ({ exchange }: OrderRequest): string => (exchange === "NSE" || exchange === "BSE" ? "CNC" : "NRML")

const bandRefusal = (options: RuleOptions, request: OrderRequest, nowMillis: number): KiteError | null => {
  const band = priceBand(options, request, nowMillis)
  if (band === null) return null
  const { orderType, pricePaise, side, triggerPaise } = request
  const { lowerPaise, upperPaise } = band
  if (orderType.startsWith("SL") && triggerPaise !== null) {
    const isLow = triggerPaise < lowerPaise
    if (isLow || triggerPaise > upperPaise) {
      const [where, edge, than] = isLow
        ? ["below the lower", lowerPaise, "above"]
        : ["above the upper", upperPaise, "below"]
      return inputError(
        `Trigger price for stoploss ${side.toLowerCase()} orders cannot be ${where} circuit price. ` +
          `Please try placing the order with trigger price ${than} ${rupees(edge)}.`
      )
    }
  }
  if (pricePaise === null || (pricePaise >= lowerPaise && pricePaise <= upperPaise)) return null
  const [where, edge] = pricePaise < lowerPaise ? ["below the lower", lowerPaise] : ["above the upper", upperPaise]
  return inputError(`Your order price is ${where} circuit limit of ${rupees(edge)}.`)
}

const rupees = (paise: number): string => (paise / 100).toFixed(2)

/** The lowest and the highest price that orders may have now, in paise on a tick of five; null without price bands. */
export const priceBand = (
  { marketHours, priceBandPercent, seed }: RuleOptions,
  request: MarketSymbol & Pick<OrderRequest, "instrument">,
  nowMillis: number
): { readonly lowerPaise: number; readonly upperPaise: number } | null => {
  if (priceBandPercent === 0) return null
  const { phase, session } = marketDay(request, nowMillis)
  const isAuction = marketHours && session !== null && phase.startsWith("auction")
  const percent = isAuction ? Math.min(auctionBandPercent, priceBandPercent) : priceBandPercent
  const referenceMillis = isAuction ? session.closesMillis : momentOn(indianDate(nowMillis))
  const paise = Number(BigDecimal.scale(simulatedLastPrice(seed, request.instrument, referenceMillis), 2).value)
  return {
    lowerPaise: Math.ceil((paise * (1 - percent / 100)) / 5) * 5,
    upperPaise: Math.floor((paise * (1 + percent / 100)) / 5) * 5
  }
}

/** What the exchange makes of an order that reaches it at this moment. Without market hours it fills and rests all day. */
export const orderDay = ({ marketHours }: RuleOptions, request: OrderRequest, nowMillis: number): OrderDay => {
  const always = {
    fillsFromMillis: nowMillis,
    matchedUntilMillis: Number.POSITIVE_INFINITY,
    endsMillis: endOfIndianDay(nowMillis),
    isInAuction: false,
    rejection: null
  }
  if (!marketHours || request.variety === "amo") return always
  const { phase, session } = marketDay(request, nowMillis)
  if (session === null) return always
  const { opensMillis, closesMillis, matchesMillis, squaresOffMillis } = session
  const isAuctioned = matchesMillis !== null && !isBarredFromAuction(request) && request.product !== "MIS"
  return {
    fillsFromMillis: Math.max(nowMillis, opensMillis),
    matchedUntilMillis: closesMillis,
    endsMillis: request.product === "MIS" ? squaresOffMillis : isAuctioned ? matchesMillis : closesMillis,
    isInAuction: isAuctioned,
    rejection: rejectionIn(phase, request)
  }
}

/** Stop-loss, disclosed and IOC orders: pending ones are cancelled when the closing auction begins. */
const isBarredFromAuction = ({ disclosedQuantity, orderType, validity }: OrderRequest): boolean =>
  orderType.startsWith("SL") || disclosedQuantity > 0 || validity === "IOC"

/** The exchange's words about an order that it does not take in a phase: NSE's for MARKET orders, ours for the others. */
const rejectionIn = (phase: PhaseName, request: OrderRequest): string | null => {
  const isMarket = request.pricePaise === null
  switch (phase) {
    case "shut":
    case "continuous":
      return null
    case "pre-open":
      return isBarredFromAuction(request) ? "This order is not allowed in the pre-open session." : null
    case "pre-open, LIMIT only":
    case "auction, LIMIT only":
      if (isBarredFromAuction(request)) return "This order is not allowed in the call auction session."
      return isMarket ? "Market orders are currently not allowed." : null
    case "auction":
      return isBarredFromAuction(request) ? "This order is not allowed in the closing auction session." : null
    case "pre-open, over":
    case "auction prepares":
    case "auction, over":
      return "Order entry is currently not allowed."
  }
}
