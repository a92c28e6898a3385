import { type DateTime, Duration } from "effect"
import { lasting, millisBetween } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** A session with an open transaction, or one that waits for a lock. */
export interface Session {
  readonly pid: number
  readonly application: string
  readonly user: string
  readonly state: string
  readonly since: DateTime.Utc
}

const longTransaction = Duration.minutes(1)
const harmfulTransaction = Duration.minutes(15)

/** Vacuum cannot remove rows that an open transaction might still see, so tables grow and get slow. */
export const transactionCheck = (oldest: Session | null, now: DateTime.Utc): Check => {
  const name = "transactions"
  if (oldest === null) return ok(name, "none but this one is open")
  const { pid, application, user, state } = oldest
  const age = millisBetween(oldest.since, now)
  const found = `the oldest is open for ${lasting(oldest.since, now)}: process ${pid}, ${application || "no name"}, user ${user}, ${state}`
  if (age < Duration.toMillis(longTransaction)) return ok(name, found)
  const todo = `End it in its program, or: SELECT pg_terminate_backend(${pid});`
  return age < Duration.toMillis(harmfulTransaction) ? warning(name, found, todo) : problem(name, found, todo)
}

/** A session that waits for a lock, and the processes that hold it. */
export interface WaitingSession extends Session {
  readonly blockers: ReadonlyArray<number>
}

/** The session that has waited longest for a lock; null when none waits long enough to report. */
export const lockCheck = (waiting: WaitingSession | null, now: DateTime.Utc): Check => {
  if (waiting === null) return ok("locks", "nobody waits for one")
  const { pid, application, since, blockers } = waiting
  const [first] = blockers
  const whom = first === undefined ? "nobody any more" : `process ${blockers.join(", ")}`
  return warning(
    "locks",
    `process ${pid} (${application || "no name"}) waits for ${lasting(since, now)}, for ${whom}`,
    first === undefined ? pulse("doctor") : `See what that does, or: SELECT pg_terminate_backend(${first});`
  )
}
