import { Schema } from "effect"
import { isDay } from "./indianTime.ts"

/** The exchanges that freeze orders by the underlying of a contract. */
export const FreezeExchange = Schema.Literals(["NFO", "BFO", "CDS", "BCD", "MCX"])
export type FreezeExchange = typeof FreezeExchange.Type

export const Underlying = Schema.String.check(
  Schema.isPattern(/^[A-Z0-9][A-Z0-9&_.-]{0,49}$/, { message: "must be an underlying's name such as NIFTY" })
)

/** The largest quantity that an exchange takes in one order for any contract of an underlying, from a day on. */
export const FreezeQuantity = Schema.Struct({
  exchange: FreezeExchange,
  underlying: Underlying,
  /** As an order counts it: units on NFO and BFO, lots on the others. It need not be whole lots. */
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 })),
  /** The first day in India on which it applies, YYYY-MM-DD. */
  since: Schema.String.check(Schema.makeFilter((text) => isDay(text) || "must be a day such as 2026-12-01")),
  /** Who says so. */
  source: Schema.String
})
export type FreezeQuantity = typeof FreezeQuantity.Type
