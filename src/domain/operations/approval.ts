import { DateTime } from "effect"
import { mayBeSamePerson } from "./operatorName.ts"

/** What one person has asked for, and another person has to approve before it is done. */
export interface ApprovalRequest {
  /** The name of the person who asked. */
  readonly person: string
  /** The command, such as `resume`. */
  readonly command: string
  readonly until: DateTime.Utc
  /** Whether the command of the approval would do the same: to the same rows, in the state in which they were. */
  readonly isSame: boolean
  readonly isApproved: boolean
}

/** Why a person may not approve a request by a command; null if the person may. */
export const problemWithApproval = (
  request: ApprovalRequest | null,
  { command, now, person }: { readonly command: string; readonly now: DateTime.Utc; readonly person: string }
): string | null => {
  if (request === null) return "there is no such request"
  if (request.command !== command) return `it asks for "${request.command}", not for "${command}"`
  if (request.isApproved) return "it was approved already"
  if (mayBeSamePerson(request.person, person)) return `${request.person} has asked for it, and may be ${person}`
  if (DateTime.isGreaterThanOrEqualTo(now, request.until)) return `it ended at ${DateTime.formatIso(request.until)}`
  return request.isSame ? null : "it was asked for something else, or what it is about has changed since"
}
