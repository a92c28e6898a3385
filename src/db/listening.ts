import { Effect, Scope, Stream } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { DbError } from "./DbError.ts"
import { makeEcho } from "./echo.ts"
import type { Pool } from "./pool.ts"
import { type Limited, scopeClosedInTime, type TimeLimits } from "./timeLimits.ts"
import { toDbError, withDbErrors } from "./toDbError.ts"

/** See `Db.listen`. */
export type Listen = (channel: string) => Effect.Effect<Stream.Stream<string, DbError>, DbError, Scope.Scope>

/** How often a listener asks its server whether it is still there, and still the writer. */
const probeInterval = "2 seconds"

/**
 * `Db.listen`. A listener sends nothing by itself, so it would not notice that its server is gone behind a proxy that keeps the
 * socket open, or that it became a standby. It therefore asks, and fails without a good answer; all other connections
 * are as old and are closed with it. When a new listener is answered after one that fell silent, the server is elsewhere, so
 * what still waits for an answer on an older connection is given up.
 *
 * Behind a pooler it also asks for an echo. Without one the pooler has left session mode, and the next listener fails until
 * `checkSessions` finds that connections keep their sessions.
 */
export const listening = (pool: Pool, checkSessions: Effect.Effect<void, DbError>, limits: TimeLimits): Listen => {
  const { connecting, answering, giveUp } = limits
  let isSilent = false
  let isDeaf = false
  /** Runs a question to the server within a limit, and notes when nothing is answered. */
  const answered = <A, R>(limit: Limited, operation: string, question: Effect.Effect<A, SqlError, R>) =>
    limit(operation, Effect.exit(question)).pipe(
      Effect.tapError(() => Effect.sync(() => (isSilent = true))),
      Effect.flatten,
      (answer) => withDbErrors(operation, answer)
    )
  return Effect.fnUntraced(
    function* (channel) {
      const operation = `listen ${channel}`
      const start = Scope.provide(pool.listen(channel), yield* scopeClosedInTime)
      const { ask, id, notifications } = yield* answered(connecting, operation, start)
      const echo = makeEcho(pool, channel, id, limits)
      const probe = Effect.filterOrFail(
        answered(answering, operation, ask),
        ({ isReadOnly }) => !isReadOnly,
        () => readOnly(operation)
      )
      const question = Effect.gen(function* () {
        const { isPooled } = yield* probe
        if (!isPooled || (yield* echo.isHeard)) return
        isDeaf = true
        return yield* deaf(operation)
      })
      yield* probe
      if (isSilent) yield* giveUp
      isSilent = false
      if (isDeaf) yield* checkSessions
      isDeaf = false
      return Stream.fromQueue(notifications).pipe(
        Stream.map(({ payload }) => payload),
        echo.without,
        Stream.mapError((error) => toDbError(operation, error)),
        Stream.merge(Stream.drain(Stream.fromEffect(Effect.forever(Effect.delay(question, probeInterval)))), {
          haltStrategy: "left"
        }),
        Stream.tapError(() => pool.closeAll)
      )
    },
    Effect.tapError(() => pool.closeAll)
  )
}

const readOnly = (operation: string): DbError =>
  new DbError({
    operation,
    message: `${operation}: the server is read-only, as a standby is`,
    isTransient: true,
    sqlState: "25006"
  })

const deaf = (operation: string): DbError =>
  new DbError({
    operation,
    message:
      `${operation}: the pooler passes on no notifications: use session mode (PgBouncer: pool_mode = session), or the server's ` +
      "own address",
    isTransient: true,
    sqlState: null
  })
