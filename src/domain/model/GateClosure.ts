/**
 * What keeps this process from placing: an operator, missing credentials, the account's or the desk's limit for the day, a
 * broker out of order, or its own end.
 */
export type ClosureKind = "halt" | "credentials" | "limit" | "day" | "circuit" | "stopping"

/** Why nothing is placed, in words for the operator. */
export interface GateClosure {
  readonly kind: ClosureKind
  readonly reason: string
}
