import { DateTime } from "effect"
import { freezeOf, wholeLots } from "../domain/limits/freezeLimits.ts"
import { indianDay } from "../domain/market/indianTime.ts"
import type { Instrument } from "../domain/model/Order.ts"
import { lotOn } from "./listedInstruments.ts"
import { inputError, type KiteError } from "./reply.ts"

interface FreezeSubject {
  readonly instrument: Instrument
  readonly quantity: number
}

/** The refusal of an order above the built-in freeze quantity; null if it is not above, or none is known. */
export const freezeProblem = ({ instrument, quantity }: FreezeSubject, nowMillis: number): KiteError | null => {
  const now = DateTime.makeUnsafe(nowMillis)
  const freeze = freezeOf(instrument, { details: null, imported: [] }, now)
  if (freeze._tag === "Unknown" || quantity <= freeze.quantity) return null
  const [exchange = "", symbol = ""] = instrument.split(":")
  const lot = lotOn(indianDay(now), exchange, symbol)
  const lotsOf = (quantity: number) => `${quantity} (${Math.floor(quantity / lot)} lots)`
  return inputError(
    `The order quantity ${lotsOf(quantity)} is higher than the maximum quantity of ${lotsOf(wholeLots(freeze.quantity, lot))} ` +
      "allowed by the exchanges."
  )
}
