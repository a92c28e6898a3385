import { counted } from "../domain/text/plural.ts"
import { shellWord } from "../domain/text/shellWord.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** What the broker's order list says of a slice, and should not. */
export interface Difference {
  readonly orderId: string | null
  readonly words: string
  readonly isCritical: boolean
}

const maxNamed = 3

/** Differences between slices and the broker's order list, critical ones first. Double placements have a check of their own. */
export const differenceCheck = (differences: ReadonlyArray<Difference>): Check => {
  const name = "broker's order list"
  const [first] = differences
  if (first === undefined) return ok(name, "no difference is known")
  const named = differences
    .slice(0, maxNamed)
    .map(({ orderId, words }) => (orderId === null ? words : `${orderId}: ${words}`))
  const more = differences.length > maxNamed ? `; and ${differences.length - maxNamed} more` : ""
  const found = `${counted(differences.length, "difference")}: ${named.join("; ")}${more}`
  const { orderId } = first
  const remedy =
    orderId === null
      ? `Look at the broker's own pages, then: ${pulse("settle")}`
      : `Settle it at the broker; ${pulse(`order show ${shellWord(orderId)}`)}, then ${pulse(`order resume ${shellWord(orderId)}`)}`
  return first.isCritical ? problem(name, found, remedy) : warning(name, found, remedy)
}
