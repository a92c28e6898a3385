import type { Stage } from "./OrderSlice.ts"

/* What the states of a slice mean, each defined once; `stores/sql/conditions.ts` defines the same for statements. */

/** The columns that tell whether a slice is in doubt. Times in milliseconds since 1970. */
interface Claim {
  readonly stage: Stage
  /** When its owner said that the outcome is unknown; null when it did not. */
  readonly outcomeUnknownAt: number | null
  readonly leaseExpiresAt: number | null
}

/** In doubt: nobody knows whether the slice was placed. Its owner said so, or its lease is over at that moment. */
export const isInDoubt = ({ stage, outcomeUnknownAt, leaseExpiresAt }: Claim, nowMillis: number): boolean =>
  stage === "IN_PROGRESS" && (outcomeUnknownAt !== null || (leaseExpiresAt !== null && leaseExpiresAt <= nowMillis))

/** In a worker's hands: IN_PROGRESS, and not in doubt. */
export const isInHand = (slice: Claim, nowMillis: number): boolean =>
  slice.stage === "IN_PROGRESS" && !isInDoubt(slice, nowMillis)

/** The columns that tell what a slice's broker order may still do. */
interface Placed {
  readonly stage: Stage
  /** What the broker last said of its order is not going to change. */
  readonly brokerIsFinal: boolean
}

/** Open at the broker: placed, and its broker order may still change. */
export const isOpenAtBroker = ({ stage, brokerIsFinal }: Placed): boolean => stage === "PROCESSED" && !brokerIsFinal

/** Open at the broker, and in the broker's order list as far as anybody knows: its state is asked for. */
export const isFollowed = (slice: Placed & { readonly leftBookAt: unknown }): boolean =>
  isOpenAtBroker(slice) && slice.leftBookAt === null

/** Open at the broker when the broker's order list ceased to show it: only a person can tell what became of it. */
export const isLost = (slice: Placed & { readonly leftBookAt: unknown }): boolean =>
  isOpenAtBroker(slice) && slice.leftBookAt !== null

/** Something may still come of the slice: a placement, or a fill. */
export const isUnfinished = (slice: Placed): boolean =>
  slice.stage === "SCHEDULED" || slice.stage === "IN_PROGRESS" || isOpenAtBroker(slice)

/** The window is over: the slice must not be placed any more. Times in milliseconds since 1970. */
export const isWindowOver = (notAfterMillis: number, nowMillis: number): boolean => nowMillis > notAfterMillis
