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
  /** Tables whose counter is below what is sealed of them. */
  readonly behind: ReadonlyArray<string>
  /** More rows are recorded as sealed than were ever written. */
  readonly isAhead: boolean
}

const maxUnsealedMillis = 300_000

/** The statement that has the counter of a table go on after all ids that it ever gave: it was never above the sum `covered`. */
const forward = (table: string): string => {
  const id = table === "broker_calls" ? "number" : "id"
  return `SELECT setval(pg_get_serial_sequence('${table}', '${id}'), greatest(covered, (SELECT max(${id}) FROM ${table}))) FROM audit_head;`
}

/** Whether the audit is sealed, and its latest seals fit. All of them are compared with the rows by `audit verify` only. */
export const auditCheck = (facts: AuditFacts, now: DateTime.Utc): Check => {
  const { behind, broken, fits, hash, isAhead, number, oldestUnsealed } = facts
  const name = "audit"
  const verify = `${pulse("audit verify")} says what was changed`
  if (broken.length > 0) return problem(name, `seal ${broken.join(", ")} does not fit to the one before`, verify)
  if (!fits) return problem(name, `the seals do not end at ${number}:${hash}, as was recorded`, verify)
  if (behind.length > 0) {
    return problem(
      name,
      `the counter of ${behind.join(", ")} was set back: ids are given twice, and new rows are not sealed`,
      `As the tables' owner: ${behind.map(forward).join(" ")}`
    )
  }
  if (isAhead) {
    return problem(name, "more rows are recorded as sealed than were written, so new ones are not sealed", verify)
  }
  if (oldestUnsealed !== null && millisBetween(oldestUnsealed, now) > maxUnsealedMillis) {
    return warning(
      name,
      `rows of ${lasting(oldestUnsealed, now)} ago are not sealed`,
      "A daemon seals them when no older transaction writes to the audit any more: see the check transactions, and the daemons' logs"
    )
  }
  return ok(name, number === 0 ? "nothing is sealed yet" : `sealed up to ${number}:${hash}`)
}
