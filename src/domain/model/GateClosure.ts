/**
 * The kind of a closure: an operator's halt, missing credentials, the account's limit of the day (`limit`), the desk's
 * limit of the day (`day`), an open circuit, a jump of the database's clock (`clock`), a database that may have forgotten what it
 * had committed (`history`), a trading calendar that cannot be read (`calendar`), or the executor's stop.
 */
export type ClosureKind =
  | "halt"
  | "credentials"
  | "limit"
  | "day"
  | "circuit"
  | "clock"
  | "history"
  | "calendar"
  | "stopping"

/** The words of a closure by an operator's halt, by which it is told from other closures where only words are known. */
export const haltedWords = ({
  requestedBy,
  reason
}: {
  readonly requestedBy: string
  readonly reason: string
}): string => `halted by ${requestedBy}: ${reason}`

/** Why the placement gate is closed, in words for the operator. */
export interface GateClosure {
  readonly kind: ClosureKind
  readonly reason: string
}
