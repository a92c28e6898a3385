import type { OrderParameters, ProductType, SplittableOrder } from "../model/Order.ts"
import type { InstrumentDetails } from "./InstrumentDetails.ts"

/** What a segment takes through Zerodha, as of November 2026. */
interface SegmentRules {
  /** The default first, each with what it is for. */
  readonly products: ReadonlyArray<readonly [ProductType, string]>
  readonly takesIoc: boolean
}

const shares: SegmentRules = {
  products: [
    ["CNC", "delivery"],
    ["MIS", "within the day"],
    ["MTF", "delivery on margin"]
  ],
  takesIoc: true
}
const contracts: SegmentRules = {
  products: [
    ["NRML", "over night"],
    ["MIS", "within the day"]
  ],
  takesIoc: true
}

/**
 * The rules of each exchange. Sources: Kite Connect's documentation of orders (2026) for products and validities; that IOC is
 * taken on MCX is not confirmed by any text of Zerodha.
 */
const segments: Readonly<Record<string, SegmentRules>> = {
  NSE: shares,
  BSE: shares,
  NFO: contracts,
  BFO: contracts,
  CDS: contracts,
  BCD: contracts,
  MCX: { ...contracts, takesIoc: false }
}

/** NSE's series of shares that are settled trade by trade, by the end of the symbol: nothing is netted within a day. */
const tradeToTrade = /-(BE|BZ|Z|ST|SZ)$/

/** Underlyings of options that are indices. Zerodha takes MARKET orders for their options, but not for those of stocks. */
const indices: ReadonlySet<string> = new Set([
  "NIFTY",
  "BANKNIFTY",
  "FINNIFTY",
  "MIDCPNIFTY",
  "NIFTYNXT50",
  "NIFTYFPI",
  "SENSEX",
  "BANKEX",
  "SENSEX50"
])

const exchangeOf = (instrument: string): string => instrument.slice(0, instrument.indexOf(":"))

/** The product of an order that names none: CNC for shares, NRML for contracts. */
export const defaultProduct = (instrument: string): ProductType =>
  segments[exchangeOf(instrument)]?.products[0]?.[0] ?? "CNC"

/** The facts of an order that decide whether its product, validity and type are taken. */
export interface ProductOrder
  extends
    Pick<OrderParameters, "instrument" | "orderType" | "productType" | "validity">,
    Pick<SplittableOrder, "completion"> {
  /** Whether its window reaches into another day. */
  readonly spansDays: boolean
  /** Null if there is no list of instruments. */
  readonly details: Pick<InstrumentDetails, "instrumentType" | "name"> | null
}

/** Why the broker would not take an order as it is, each by its column with what would do; nothing for an unknown exchange. */
export const productProblems = (order: ProductOrder): ReadonlyArray<string> => {
  const rules = segments[exchangeOf(order.instrument)]
  return rules === undefined
    ? []
    : [productProblem(order, rules), validityProblem(order, rules), typeProblem(order)].filter(
        (problem) => problem !== null
      )
}

const productProblem = (
  { instrument, productType, spansDays }: ProductOrder,
  { products }: SegmentRules
): string | null => {
  const refused = (why: string, taken: SegmentRules["products"]): string =>
    `product_type: ${why}; ${taken.map(([name, use]) => `${name} (${use})`).join(" or ")} would do`
  const overNight = products.slice(0, 1)
  if (!products.some(([name]) => name === productType)) {
    return refused(`${productType} is not for ${exchangeOf(instrument)}`, products)
  }
  if (productType !== "MIS" && productType !== "MTF") return null
  if (tradeToTrade.test(instrument)) {
    return refused(`${instrument} is settled trade by trade, without ${productType}`, overNight)
  }
  return productType === "MIS" && spansDays
    ? refused(
        "MIS positions are squared off by the broker each day, and the window reaches into another day",
        overNight
      )
    : null
}

const validityProblem = ({ instrument, validity }: ProductOrder, { takesIoc }: SegmentRules): string | null =>
  validity === "IOC" && !takesIoc
    ? `validity: IOC is not known to be taken on ${exchangeOf(instrument)}; DAY with cancel_unfilled_after_seconds would do`
    : null

const typeProblem = ({ completion, details, orderType }: ProductOrder): string | null => {
  const isStockOption = details !== null && /^(CE|PE)$/.test(details.instrumentType) && !indices.has(details.name)
  if (!isStockOption) return null
  if (orderType === "MARKET") return "order_type: MARKET is not taken for options of stocks; LIMIT would do"
  return completion === "CROSS"
    ? "completion: CROSS sends a MARKET order, which is not taken for options of stocks; REPORT would do"
    : null
}
