import type { DateTime } from "effect"
import { lasting } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** The halt in force, and how far daemons have followed the last halt or resume. */
export interface HaltFacts {
  readonly halt: { readonly requestedBy: string; readonly requestedAt: DateTime.Utc; readonly reason: string } | null
  /** Instances that have not acknowledged the last halt or resume. */
  readonly waitingFor: ReadonlyArray<string>
}

/** A halt is intended and only a WARNING; a daemon that has not acknowledged it is a PROBLEM. */
export const haltCheck = ({ halt, waitingFor }: HaltFacts, now: DateTime.Utc): Check => {
  const name = "halt"
  const found =
    halt === null
      ? "placements are not halted"
      : `halted for ${lasting(halt.requestedAt, now)} by ${halt.requestedBy}: ${halt.reason}`
  if (waitingFor.length > 0) {
    return problem(
      name,
      `${found}, but ${waitingFor.join(", ")} did not acknowledge the last word`,
      halt === null
        ? `See its log, or start it anew: ${pulse("workers")}`
        : "Stop it by hand to be sure: what it has claimed it may place"
    )
  }
  return halt === null ? ok(name, found) : warning(name, found, pulse("resume"))
}
