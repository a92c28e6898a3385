import { Duration, Effect, type Exit, Fiber, Option, Scope } from "effect"
import { DbError } from "./DbError.ts"

/** How long to wait for a server that should answer at once. */
export const answerTimeout = Duration.seconds(2)

/** Runs an effect on the database within a time limit, and leaves it behind if even its interruption does not end. */
export type Limited = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DbError, R>

export interface TimeLimits {
  /**
   * The client's time limit on a statement. The server's own limit is shorter, so that a slow statement is reported as such;
   * this one only ends a statement on a connection that no longer answers.
   */
  readonly limited: Limited
  /** The limit on what takes a new connection and a statement that the server answers at once. */
  readonly connecting: Limited
  /** The limit on the first connection with its statement, while a host may be starting. */
  readonly starting: Limited
  /** The limit on a statement that the server answers at once. */
  readonly answering: Limited
  /** Ends at once all that runs within a limit now, as if its time were over. */
  readonly giveUp: Effect.Effect<void>
}

export const timeLimits = (statementTimeout: Duration.Duration, connectTimeout: Duration.Duration): TimeLimits => {
  const waiting = new Set<() => void>()
  /** The end of a fiber, or nothing once `giveUp` runs. */
  const endOf = <A, E>(fiber: Fiber.Fiber<A, E>) =>
    Effect.callback<Option.Option<Exit.Exit<A, E>>>((resume) => {
      const finish = (end: Option.Option<Exit.Exit<A, E>>) => {
        waiting.delete(giveUp)
        resume(Effect.succeed(end))
      }
      const giveUp = () => finish(Option.none())
      waiting.add(giveUp)
      const unobserve = fiber.addObserver((exit) => finish(Option.some(exit)))
      return Effect.sync(() => {
        waiting.delete(giveUp)
        unobserve()
      })
    })
  const within =
    (limit: Duration.Duration): Limited =>
    (operation, effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
          const exit = yield* restore(Effect.timeoutOption(endOf(fiber), limit)).pipe(
            Effect.onInterrupt(() => Effect.timeoutOption(Fiber.interrupt(fiber), answerTimeout))
          )
          const inTime = Option.flatten(exit)
          if (Option.isSome(inTime)) return yield* inTime.value
          fiber.interruptUnsafe()
          const how = Option.isSome(exit) ? "on a connection that fell silent" : `within ${Duration.format(limit)}`
          return yield* new DbError({
            operation,
            message: `${operation}: the database did not answer ${how}`,
            isTransient: true,
            sqlState: null
          })
        })
      )
  return {
    limited: within(Duration.sum(statementTimeout, answerTimeout)),
    connecting: within(Duration.sum(connectTimeout, answerTimeout)),
    starting: within(Duration.sum(Duration.sum(statementTimeout, connectTimeout), answerTimeout)),
    answering: within(answerTimeout),
    giveUp: Effect.sync(() => {
      for (const giveUp of waiting) giveUp()
    })
  }
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
