import { Duration, Effect, Fiber, Option, Scope } from "effect"
import { DbError } from "./DbError.ts"

/** How long to wait for a server that should answer at once. */
const answerTimeout = Duration.seconds(2)

/** Runs an effect on the database within a time limit, and leaves it behind if even its interruption does not end. */
export type Limited = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DbError, R>

/**
 * The client's time limit on a statement. The server's own limit is shorter, so that a slow statement is reported as such;
 * this one only ends a statement on a connection that no longer answers.
 */
export const limitedTo = (statementTimeout: Duration.Duration): Limited => {
  const clientTimeout = Duration.sum(statementTimeout, answerTimeout)
  return (operation, effect) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
        const exit = yield* restore(Effect.timeoutOption(Fiber.await(fiber), clientTimeout)).pipe(
          Effect.onInterrupt(() => Effect.timeoutOption(Fiber.interrupt(fiber), answerTimeout))
        )
        if (Option.isSome(exit)) return yield* exit.value
        fiber.interruptUnsafe()
        return yield* new DbError({
          operation,
          message: `${operation}: the database did not answer within ${Duration.format(clientTimeout)}`,
          isTransient: true,
          sqlState: null
        })
      })
    )
}

/**
 * A scope that is abandoned if it does not close in time: on a connection that no longer answers, COMMIT, ROLLBACK and
 * UNLISTEN never end and cannot be interrupted.
 */
export const scopeClosedInTime = Effect.acquireRelease(Scope.make(), (scope, exit) =>
  Effect.flatMap(Effect.forkDetach(Scope.close(scope, exit), { startImmediately: true }), (closing) =>
    Effect.timeoutOption(Fiber.await(closing), answerTimeout)
  )
)
