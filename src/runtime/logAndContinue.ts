import { Cause, Effect } from "effect"

/** A cause as text: typed failures in one line, defects in full. */
export const summary = <E>(cause: Cause.Cause<E>): string => {
  const expected = cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) && reason.error instanceof Error ? [reason.error.message] : []
  )
  return expected.length > 0 && expected.length === cause.reasons.length
    ? [...new Set(expected)].join("; ")
    : Cause.pretty(cause)
}

/**
 * Keeps a background loop running: logs any failure or defect of a round, so that the next round comes. Without it, a fiber
 * that nobody joins would die silently. Only interruption passes through.
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
