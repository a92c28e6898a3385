import type { Instrument, Side } from "../model/Order.ts"

/** What happens to an order of which another unfinished order of the account has the opposite side: SELF_TRADE_POLICY. */
export type SelfTradePolicy = "warn" | "refuse" | "allow"

export interface Sided {
  readonly id: string
  readonly instrument: Instrument
  readonly side: Side
}

/**
 * The orders that would trade against others of the account, with the ids of those: unfinished ones (`opposing`, by order), and orders
 * before them in the list. With `isRefused` such an order is not accepted, so that those behind it are not compared with it.
 */
export const selfTrades = (
  orders: ReadonlyArray<Sided>,
  opposing: ReadonlyMap<string, ReadonlyArray<string>>,
  isRefused: boolean
): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, ReadonlyArray<string>>()
  const accepted = new Map<string, Array<string>>()
  for (const { id, instrument, side } of orders) {
    const against = [...(opposing.get(id) ?? []), ...(accepted.get(`${oppositeOf(side)} ${instrument}`) ?? [])]
    if (against.length > 0) found.set(id, against)
    if (against.length > 0 && isRefused) continue
    const own = `${side} ${instrument}`
    accepted.set(own, [...(accepted.get(own) ?? []), id])
  }
  return found
}

const oppositeOf = (side: Side): Side => (side === "BUY" ? "SELL" : "BUY")

/** Why an order would trade against others of its account, in words. */
export const selfTradeText = ({ side, instrument }: Omit<Sided, "id">, against: ReadonlyArray<string>): string =>
  `it would ${side} ${instrument} while ${against.slice(0, maxShown).join(", ")}${against.length > maxShown ? " and others" : ""} ` +
  `of the same account ${against.length === 1 ? "is" : "are"} unfinished and would ${oppositeOf(side)} it (SELF_TRADE_POLICY)`

/** Ids of so many orders are named. */
export const maxShown = 3
