import type { DateTime } from "effect"
import { lasting } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse } from "./Check.ts"

/** Whether the database has all that was committed, as far as it is known. */
export interface HistoryFacts {
  readonly isSettled: boolean
  /** Since when a daemon has known that it may lack something, and why; null while none has. */
  readonly since: DateTime.Utc | null
  readonly reason: string | null
}

/** A database that may have forgotten something: nothing is placed on it. */
export const historyCheck = ({ isSettled, since, reason }: HistoryFacts, now: DateTime.Utc): Check => {
  const name = "history"
  if (isSettled) return ok(name, "the database server's history is the one that the daemons know")
  const found = "the database may have forgotten what it had committed, and nothing is placed"
  return since === null
    ? problem(
        name,
        `${found}: its server has another history than the recorded one`,
        "Start a daemon, which looks up what the broker has"
      )
    : problem(
        name,
        `${found} for ${lasting(since, now)}: ${reason}`,
        `It ends by itself after the claims, the calls and the quarantine, once the broker's order list can be read; ${pulse("workers")}`
      )
}
