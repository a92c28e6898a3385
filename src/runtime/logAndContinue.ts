import { Cause, Effect } from "effect"

/** Failures in one line where they are expected, in full where there is a bug. */
export const summary = <E>(cause: Cause.Cause<E>): string => {
  const expected = cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) && reason.error instanceof Error ? [reason.error.message] : []
  )
  return expected.length > 0 && expected.length === cause.reasons.length
    ? [...new Set(expected)].join("; ")
    : Cause.pretty(cause)
}

/**
 * One round of a loop that nobody waits for: whatever ends it, a bug too, is logged, so that the next round comes. A fiber
 * that dies says nothing to anybody. Only an interruption passes through.
 */
export const logAndContinue =
  (message: string) =>
  <A, E, R>(round: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> =>
    round.pipe(
      Effect.asVoid,
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.logWarning(`${message}: ${summary(cause)}`)
      )
    )
