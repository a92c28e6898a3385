import { discrepancyMillis } from "./discrepancyMillis.ts"
import type { Fault } from "./Faults.ts"
import { isFinal, type Life, type LifeStep, type LifeTrade } from "./orderLife.ts"
import type { OrderRequest } from "./OrderRequest.ts"
import { kiteError, type KiteError, orderError } from "./reply.ts"
import type { Sender } from "./SimulatedOrder.ts"

/** What happens at the exchange, and what the broker tells of it. The two differ while a discrepancy lasts. */
export interface TwoAccounts {
  readonly life: Life
  readonly book: Life
}

/** The two accounts of an order whose life takes the usual course `usual`. A trade of which it does not know is at `paise`. */
export const twoAccounts = (usual: Life, fault: Fault | null, paise: number): TwoAccounts => {
  const same = { life: usual, book: usual }
  if (fault === null) return same
  const millis = discrepancyMillis(fault)
  switch (fault.kind) {
    case "resurrected":
      return resurrected(usual, millis, paise)
    case "complete_unfilled": {
      const filled = (quantity: number) => fault.quantity ?? (fault.variation < 0.5 ? 0 : Math.floor(quantity / 2))
      return { life: usual, book: misfilled(usual, millis, filled) }
    }
    case "overfilled": {
      const filled = (quantity: number) => fault.quantity ?? quantity + Math.ceil(quantity * fault.severity + 0.001)
      return { life: usual, book: misfilled(usual, millis, filled) }
    }
    case "trades_fewer":
      return { life: usual, book: { ...usual, trades: fewer(usual.trades, fault.quantity, millis) } }
    case "trades_late":
      return { life: usual, book: { ...usual, trades: usual.trades.map((trade) => later(trade, millis)) } }
    default:
      return same
  }
}

/** The order was filled when it was cancelled; the broker tells of CANCELLED first. */
const resurrected = (usual: Life, millis: number, paise: number): TwoAccounts => {
  const end = usual.steps.at(-1)
  if (end?.status !== "CANCELLED") return { life: usual, book: usual }
  const complete: LifeStep = { ...end, status: "COMPLETE", filled: end.quantity }
  const trade: LifeTrade = { at: end.at, quantity: end.quantity - end.filled, paise }
  return {
    life: { steps: [...usual.steps.slice(0, -1), complete], trades: [...usual.trades, trade] },
    book: { steps: [...usual.steps, later(complete, millis)], trades: [...usual.trades, later(trade, millis)] }
  }
}

/** COMPLETE has a wrong filled quantity first. */
const misfilled = (usual: Life, millis: number, filledOf: (quantity: number) => number): Life => ({
  ...usual,
  steps: usual.steps.flatMap((step) => {
    if (step.status !== "COMPLETE") return [step]
    const wrong = { ...step, filled: filledOf(step.quantity) }
    return Number.isFinite(millis) ? [wrong, later(step, millis)] : [wrong]
  })
})

/** At first the trades add up to `quantity`, half of the true quantity by default. */
const fewer = (trades: ReadonlyArray<LifeTrade>, quantity: number | null, millis: number): ReadonlyArray<LifeTrade> => {
  let left = quantity ?? Math.floor(trades.reduce((sum, trade) => sum + trade.quantity, 0) / 2)
  return trades.flatMap((trade) => {
    const told = Math.min(left, trade.quantity)
    left -= told
    const rest = later({ ...trade, quantity: trade.quantity - told }, millis)
    return [{ ...trade, quantity: told }, rest].filter(({ at, quantity }) => quantity > 0 && Number.isFinite(at))
  })
}

const later = <A extends { readonly at: number }>(event: A, millis: number): A => ({ ...event, at: event.at + millis })

/** An order that comes with another one: of the broker, or of a person in its app. */
export interface Companion {
  readonly request: OrderRequest
  readonly by: Sender
  readonly lateMillis: number
}

/** The order that a fault puts beside the order of this request, or null. */
export const companionOf = (request: OrderRequest, fault: Fault | null): Companion | null => {
  switch (fault?.kind) {
    case "rejected_twin":
      return { request, by: "broker", lateMillis: 0 }
    case "person_uses_tag":
      return { request, by: "person", lateMillis: discrepancyMillis(fault) }
    case "person_invents_tag":
      return { request: { ...request, tag: inventedTag(fault) }, by: "person", lateMillis: discrepancyMillis(fault) }
    default:
      return null
  }
}

/** A tag of the service's form: PB and 18 characters of 0-9 and A-Z. */
const inventedTag = ({ severity, variation }: Fault): string => {
  const digits = [severity, variation].map((uniform) =>
    Math.floor(uniform * 36 ** 9)
      .toString(36)
      .padStart(9, "0")
  )
  return `PB${digits.join("").toUpperCase()}`
}

/** The places, in the steps that the order list tells of, of the rows that it shows of an order: none to two. */
export const shownSteps = (
  steps: ReadonlyArray<LifeStep>,
  nowMillis: number,
  fault: Fault | null,
  looksWhenOver: number
): ReadonlyArray<number> => {
  const current = steps.findLastIndex(({ at }) => at <= nowMillis)
  if (current === -1) return []
  const older = steps.findLastIndex(({ status }, index) => index < current && !isFinal(status))
  switch (fault?.kind) {
    case "listed_twice":
      return [current, current]
    case "older_beside":
      return older === -1 ? [current] : [current, older]
    case "stale_row":
      return looksWhenOver === 1 && older !== -1 ? [older] : [current]
    default:
      return [current]
  }
}

const beingProcessed = orderError("Order cannot be cancelled as it is being processed. Try later.")
const addressRefused = kiteError(
  403,
  "PermissionException",
  "IP 203.0.113.7 is not allowed to place orders for this app"
)

/** Kite's answer to a cancel of an order that has arrived at `visibleAt`, if its fault is that cancels are refused; else null. */
export const cancelRefusal = (fault: Fault | null, visibleAt: number, nowMillis: number): KiteError | null => {
  if (fault?.kind !== "cancel_refused" || nowMillis >= visibleAt + discrepancyMillis(fault)) return null
  return fault.refusal ?? (fault.variation < 0.5 ? beingProcessed : addressRefused)
}
