import { counted } from "../domain/text/plural.ts"
import { type Check, ok, problem } from "./Check.ts"

/** A slice that is not where it must be, and what is wrong with it. */
export interface Misplaced {
  readonly id: string
  readonly state: string
}

const maxNamed = 3

/**
 * Slices that are not in exactly one of their tables, without an order or a plan, or claimed so that nobody would notice the claim's end: the first `max`.
 * There must be none. `newest`: how many of each table were looked at, the newest ones; null: all.
 */
export const misplacedCheck = (slices: ReadonlyArray<Misplaced>, max: number, newest: number | null): Check => {
  const name = "misplaced slices"
  if (slices.length === 0) return ok(name, newest === null ? "none" : `none among the newest ${newest} of each table`)
  const named = slices.slice(0, maxNamed).map(({ id, state }) => `${id} (${state})`)
  const more = slices.length > maxNamed ? `; and ${slices.length - maxNamed} more` : ""
  const atLeast = slices.length < max ? "" : "at least "
  return problem(
    name,
    `${atLeast}${counted(slices.length, "slice")}: ${named.join("; ")}${more}`,
    "Leave these rows as they are: back the database up, and report this with its output and the daemons' logs"
  )
}
