import type { DateTime } from "effect"
import { lasting, millisBetween } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** The end of the audit's seals. */
export interface AuditFacts {
  readonly number: number
  readonly hash: string
  /** The latest seal is the one that was recorded as such. */
  readonly fits: boolean
  /** The time of the oldest row that is not sealed. */
  readonly oldestUnsealed: DateTime.Utc | null
  /** Of the latest seals, those that do not fit to the one before. */
  readonly broken: ReadonlyArray<number>
}

const maxUnsealedMillis = 300_000

/** Whether the audit is sealed, and its latest seals fit. All of them are compared with the rows by `audit verify` only. */
export const auditCheck = ({ broken, fits, hash, number, oldestUnsealed }: AuditFacts, now: DateTime.Utc): Check => {
  const name = "audit"
  const verify = `${pulse("audit verify")} says what was changed`
  if (broken.length > 0) return problem(name, `seal ${broken.join(", ")} does not fit to the one before`, verify)
  if (!fits) return problem(name, `the seals do not end at ${number}:${hash}, as was recorded`, verify)
  if (oldestUnsealed !== null && millisBetween(oldestUnsealed, now) > maxUnsealedMillis) {
    return warning(
      name,
      `rows of ${lasting(oldestUnsealed, now)} ago are not sealed`,
      "A daemon seals them when no older transaction writes to the audit any more: see the check transactions, and the daemons' logs"
    )
  }
  return ok(name, number === 0 ? "nothing is sealed yet" : `sealed up to ${number}:${hash}`)
}
