import type { Stage } from "./OrderSlice.ts"

/*
 * The states of a slice for rows in memory, each defined once; `stores/sql/conditions.ts` defines the same for statements.
 */

/** The columns that tell whether a slice is in doubt. Times in milliseconds since 1970. */
interface Claim {
  readonly stage: Stage
  /** When its owner reported an unknown outcome; null if it did not. */
  readonly outcomeUnknownAt: number | null
  readonly leaseExpiresAt: number | null
}

/** In doubt: the slice may have been placed. Its owner reported an unknown outcome, or its lease is over. */
export const isInDoubt = ({ stage, outcomeUnknownAt, leaseExpiresAt }: Claim, nowMillis: number): boolean =>
  stage === "IN_PROGRESS" && (outcomeUnknownAt !== null || (leaseExpiresAt !== null && leaseExpiresAt <= nowMillis))

/** In a worker's hands: IN_PROGRESS and not in doubt. */
export const isInHand = (slice: Claim, nowMillis: number): boolean =>
  slice.stage === "IN_PROGRESS" && !isInDoubt(slice, nowMillis)

/** The columns that tell whether a slice's broker order may still change. */
interface Placed {
  readonly stage: Stage
  /** Whether the last known state of the broker order is terminal. */
  readonly brokerIsFinal: boolean
}

/** Open at the broker: placed, and its broker order may still change. */
export const isOpenAtBroker = ({ stage, brokerIsFinal }: Placed): boolean => stage === "PROCESSED" && !brokerIsFinal

/** Open at the broker, and not known to have left the broker's order list: its state is looked up. */
export const isFollowed = (slice: Placed & { readonly leftBookAt: unknown }): boolean =>
  isOpenAtBroker(slice) && slice.leftBookAt === null

/** Open at the broker when the broker's order list ceased to show it: only a person can find out its outcome. */
export const isLost = (slice: Placed & { readonly leftBookAt: unknown }): boolean =>
  isOpenAtBroker(slice) && slice.leftBookAt !== null

/** Unfinished: the slice may still be placed or filled. */
export const isUnfinished = (slice: Placed): boolean =>
  slice.stage === "SCHEDULED" || slice.stage === "IN_PROGRESS" || isOpenAtBroker(slice)

/** The window is over: the slice must not be placed any more. Times in milliseconds since 1970. */
export const isWindowOver = (notAfterMillis: number, nowMillis: number): boolean => nowMillis > notAfterMillis
