import { counted } from "../domain/text/plural.ts"
import { shellWord } from "../domain/text/shellWord.ts"
import { type Check, ok, problem, pulse } from "./Check.ts"

/** A slice that the broker has more than one order for. */
export interface Double {
  readonly sliceId: string
  readonly orderId: string
  readonly brokerOrderIds: ReadonlyArray<string>
}

/** Slices of the last day that have more than one broker order. There must be none. */
export const doubleCheck = (doubles: ReadonlyArray<Double>): Check => {
  const name = "double placements"
  const [first] = doubles
  if (first === undefined) return ok(name, "none in the last day")
  return problem(
    name,
    `${counted(doubles.length, "slice")} in the last day; ${first.sliceId} has the broker orders ${first.brokerOrderIds.join(", ")}`,
    `Mend it at the broker; ${pulse(`order show ${shellWord(first.orderId)}`)}, then ${pulse(`order resume ${shellWord(first.orderId)}`)}`
  )
}
