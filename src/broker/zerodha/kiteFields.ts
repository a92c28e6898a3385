import { BigDecimal, Schema } from "effect"
import { BrokerOrderId } from "../../domain/model/Ids.ts"
import { maxQuantity, priceLimit } from "../../domain/model/Order.ts"
import { safe } from "../../domain/text/safe.ts"
import { shortened } from "../../domain/text/shortened.ts"

/*
 * The fields of Kite's answers, each checked against what the database stores of it, so that one value beyond a column
 * cannot make the statement fail that writes all the others.
 */

/** The fields of a row; a row of another program may contain anything. */
export type Fields = Readonly<Record<string, unknown>>

/** The fields of a row; none if it is no object. */
export const fieldsOf = (row: unknown): Fields => (isFields(row) ? row : {})

export const isFields = (row: unknown): row is Fields => typeof row === "object" && row !== null && !Array.isArray(row)

/** Kite's ids have 15 or 19 digits. They are texts, because numbers cannot hold them. */
export const KiteOrderId = BrokerOrderId.check(Schema.isPattern(/^\d{1,32}$/))
export const isOrderId = Schema.is(KiteOrderId)

/** Whether it is a whole number from 0 to the greatest quantity. */
export const isQuantity = Schema.is(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxQuantity })))

/**
 * A price, rounded to the four decimals that are stored; null if it is no number from 0 to below 10^11. JSON numbers are
 * doubles, but a price with a few decimals survives the conversion unchanged.
 */
export const priceOf = (value: unknown): BigDecimal.BigDecimal | null => {
  if (typeof value !== "number" || !(value >= 0 && value < maxPrice)) return null
  // BigDecimal takes time with the size of the exponent, and what is this small rounds to 0.
  const exact = BigDecimal.fromStringUnsafe(value < minPrice ? "0" : String(value))
  const price = BigDecimal.normalize(BigDecimal.round(exact, { scale: 4 }))
  return BigDecimal.isLessThan(price, priceLimit) ? price : null
}

const minPrice = 0.00001
const maxPrice = BigDecimal.toNumberUnsafe(priceLimit)

export const wantedOrderId = "a text of 1 to 32 digits"
export const wantedQuantity = `a whole number from 0 to ${maxQuantity}`
export const wantedPrice = "a number from 0 to below 100,000,000,000"

/** What is wrong with a field: `filled_quantity is 3000000000, not a whole number from 0 to 2147483647`. */
export const fieldProblem = (name: string, value: unknown, wanted: string): string =>
  `${name} is ${shown(value)}, not ${wanted}`

const maxShown = 40

const shown = (value: unknown): string => {
  if (value === undefined) return "missing"
  if (typeof value === "string") return JSON.stringify(cleanText(value, maxShown))
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" && value !== null ? "an object" : String(value)
}

/** A text of Kite, short and safe enough to be stored, logged and sent. It is cut first, because it may be very long. */
export const cleanText = (text: string, max: number): string => safe(shortened(text, max))
