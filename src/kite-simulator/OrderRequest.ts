import { Schema } from "effect"
import { AlgoId, Instrument } from "../domain/model/Order.ts"
import { freezeProblem } from "./freeze.ts"
import { inputError, type KiteError } from "./reply.ts"

const varieties = ["regular", "amo", "co", "iceberg", "auction"] as const
const exchanges = ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"] as const
const sides = ["BUY", "SELL"] as const
const orderTypes = ["MARKET", "LIMIT", "SL", "SL-M"] as const
const products = ["CNC", "MIS", "NRML", "MTF"] as const
const validities = ["DAY", "IOC", "TTL"] as const

/** A validated placement. Prices are whole paise. */
export interface OrderRequest {
  readonly variety: (typeof varieties)[number]
  readonly exchange: (typeof exchanges)[number]
  readonly tradingsymbol: string
  readonly instrument: Instrument
  readonly side: (typeof sides)[number]
  readonly orderType: (typeof orderTypes)[number]
  readonly product: (typeof products)[number]
  readonly validity: (typeof validities)[number]
  readonly ttlMinutes: number | null
  readonly quantity: number
  readonly disclosedQuantity: number
  readonly pricePaise: number | null
  readonly triggerPaise: number | null
  /** In percent; -1 means that the broker chooses. */
  readonly marketProtection: number | null
  readonly tag: string | null
  readonly algoId: string | null
}

const unprotected =
  "Market orders without market protection are not allowed via API. Please set market protection or use a Limit order."

const isAlgoId = Schema.is(AlgoId)
const isInstrument = Schema.is(Instrument)

export const isVariety = (text: string): text is OrderRequest["variety"] => isOneOf(varieties, text)

const isOneOf = <A extends string>(all: ReadonlyArray<A>, text: string): text is A =>
  all.some((known) => known === text)

/** Validates the form of a placement as Kite does; returns the request or the refusal. */
export const readPlacement = (variety: string, form: URLSearchParams, nowMillis: number): OrderRequest | KiteError => {
  const side = form.get("transaction_type") ?? ""
  const exchange = form.get("exchange") ?? ""
  const product = form.get("product") ?? ""
  const tradingsymbol = form.get("tradingsymbol") ?? ""
  const instrument = `${exchange}:${tradingsymbol}`
  const tag = emptyIsNull(form.get("tag"))
  if (!isVariety(variety)) return invalid("variety")
  if (!isOneOf(exchanges, exchange)) return invalid("exchange")
  if (!isOneOf(sides, side)) return invalid("transaction_type")
  if (!isOneOf(products, product)) return invalid("product")
  if (!isInstrument(instrument)) return invalid("tradingsymbol")
  if (tag !== null && !/^[A-Za-z0-9]{1,20}$/.test(tag)) {
    return inputError("Invalid `tag`: only letters and digits, at most 20 characters.")
  }
  const terms = readTerms(form, null)
  if ("errorType" in terms) return terms
  if (exchange === "MCX" && terms.validity === "IOC") return inputError("IOC orders are not allowed on MCX.")
  const algoId = emptyIsNull(form.get("algo_id"))
  if (algoId !== null && !isAlgoId(algoId)) return invalid("algo_id")
  const request = { variety, exchange, side, product, tradingsymbol, instrument, tag, algoId, ...terms }
  return freezeProblem(request, nowMillis) ?? request
}

type RequestTerms = Omit<
  OrderRequest,
  "variety" | "exchange" | "side" | "product" | "tradingsymbol" | "instrument" | "tag" | "algoId"
>

/** Validates the form of a modification; returns the modified request or the refusal. */
export const readModification = (
  before: OrderRequest,
  form: URLSearchParams,
  nowMillis: number
): OrderRequest | KiteError => {
  const terms = readTerms(form, before)
  if ("errorType" in terms) return terms
  const request = { ...before, ...terms }
  return freezeProblem(request, nowMillis) ?? request
}

/** Reads the fields that can be modified; a missing field keeps its value in `before`. */
const readTerms = (form: URLSearchParams, before: RequestTerms | null): RequestTerms | KiteError => {
  const orderType = form.get("order_type") ?? before?.orderType ?? ""
  const validity = form.get("validity") ?? before?.validity ?? "DAY"
  const quantity = wholeOf(form.get("quantity"), before?.quantity ?? 0)
  const disclosedQuantity = wholeOf(form.get("disclosed_quantity"), before?.disclosedQuantity ?? 0)
  const ttlMinutes = wholeOf(form.get("validity_ttl"), before?.ttlMinutes ?? 0)
  const pricePaise = paiseOf(form.get("price"), before?.pricePaise ?? null)
  const triggerPaise = paiseOf(form.get("trigger_price"), before?.triggerPaise ?? null)
  const marketProtection = protectionOf(form.get("market_protection"), before?.marketProtection ?? null)
  if (!isOneOf(orderTypes, orderType)) return invalid("order_type")
  if (!isOneOf(validities, validity)) return invalid("validity")
  if (!Number.isSafeInteger(quantity) || quantity < 1) return invalid("quantity")
  if (!Number.isSafeInteger(disclosedQuantity) || disclosedQuantity > quantity) return invalid("disclosed_quantity")
  if (validity === "TTL" && !(ttlMinutes >= 1)) return invalid("validity_ttl")
  if (Number.isNaN(pricePaise)) return invalid("price")
  if (Number.isNaN(triggerPaise)) return invalid("trigger_price")
  if (Number.isNaN(marketProtection)) return invalid("market_protection")
  const isLimit = orderType === "LIMIT" || orderType === "SL"
  if (isLimit && pricePaise === null) return inputError("Enter a valid price: a LIMIT order needs `price`.")
  if (!isLimit && marketProtection === null) return inputError(unprotected)
  if (orderType.startsWith("SL") && triggerPaise === null) return invalid("trigger_price")
  return {
    orderType,
    validity,
    ttlMinutes: validity === "TTL" ? ttlMinutes : null,
    quantity,
    disclosedQuantity,
    pricePaise: isLimit ? pricePaise : null,
    triggerPaise,
    marketProtection
  }
}

const invalid = (parameter: string): KiteError => inputError(`Invalid \`${parameter}\`.`)

const emptyIsNull = (text: string | null): string | null => (text === "" ? null : text)

/** NaN if the text is not a whole number. */
const wholeOf = (text: string | null, otherwise: number): number =>
  text === null || text === "" ? otherwise : /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN

/** In forms 0 means no price; NaN if the text is not a price. */
const paiseOf = (text: string | null, otherwise: number | null): number | null => {
  if (text === null || text === "") return otherwise
  if (!/^\d{1,9}(\.\d{1,4})?$/.test(text)) return Number.NaN
  const paise = Math.round(Number(text) * 100)
  return paise === 0 ? null : paise
}

/** 0 means none; NaN if the text is neither -1 nor a percentage. */
const protectionOf = (text: string | null, otherwise: number | null): number | null => {
  if (text === null || text === "") return otherwise
  const percent = Number(text)
  if (percent === 0) return null
  return percent === -1 || (percent > 0 && percent <= 100) ? percent : Number.NaN
}
