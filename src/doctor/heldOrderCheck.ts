import { counted } from "../domain/text/plural.ts"
import { shellWord } from "../domain/text/shellWord.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** An order on hold, with the number of its slices that wait. */
export interface HeldOrder {
  readonly orderId: string
  readonly reason: string
  readonly slices: number
  /** Whether the broker has more than one order for a slice of it. */
  readonly isDouble: boolean
}

const maxNamed = 3

/** The first step for an order that was placed twice. */
export const reconcileFirst = "mend it at the broker first: cancel what is too much by hand"

/** `held` begins with the orders that are on hold for a double placement. */
export const heldOrderCheck = (held: ReadonlyArray<HeldOrder>): Check => {
  const name = "orders on hold"
  const [first] = held
  if (first === undefined) return ok(name, "none")
  const named = held
    .slice(0, maxNamed)
    .map(({ orderId, reason, slices }) => `${orderId} (${counted(slices, "slice")}): ${reason}`)
  const more = held.length > maxNamed ? `; and ${held.length - maxNamed} more` : ""
  const found = named.join("; ") + more
  const resume = pulse(`order resume ${shellWord(first.orderId)}`)
  return first.isDouble
    ? problem(name, found, `${first.orderId} was placed twice, ${reconcileFirst}, then: ${resume}`)
    : warning(name, found, resume)
}
