import { Effect, Scope, Stream } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { DbError } from "./DbError.ts"
import type { Pool, Standing } from "./pool.ts"
import { type Limited, scopeClosedInTime, type TimeLimits } from "./timeLimits.ts"
import { toDbError, withDbErrors } from "./toDbError.ts"

/** See `Db.listen`. */
export type Listen = (channel: string) => Effect.Effect<Stream.Stream<string, DbError>, DbError, Scope.Scope>

/** How often a listener asks its server whether it is still there, still the writer, and still in the listener's session. */
const probeInterval = "2 seconds"

/**
 * `Db.listen`. A listener sends nothing by itself, so it would not notice that its server is gone behind a proxy that keeps the
 * socket open, or that it became a standby. It therefore asks, and fails without a good answer; all other connections
 * are as old and are closed with it. When a new listener is answered after one that fell silent, the server is elsewhere, so
 * what still waits for an answer on an older connection is given up. A listener that is without its session hears nothing,
 * so the next one waits until `checkSessions` finds that connections keep theirs.
 */
export const listening = (
  pool: Pool,
  checkSessions: Effect.Effect<void, DbError>,
  { connecting, answering, giveUp }: TimeLimits
): Listen => {
  let isSilent = false
  let hasLostSession = false
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
      const { notifications, standing } = yield* answered(connecting, operation, start)
      const probe = Effect.flatMap(answered(answering, operation, standing), (found) => {
        if (found === "another session") hasLostSession = true
        return found === "writer" ? Effect.void : Effect.fail(unfit(operation, found))
      })
      yield* probe
      if (isSilent) yield* giveUp
      isSilent = false
      if (hasLostSession) yield* checkSessions
      hasLostSession = false
      return Stream.fromQueue(notifications).pipe(
        Stream.map(({ payload }) => payload),
        Stream.mapError((error) => toDbError(operation, error)),
        Stream.merge(Stream.drain(Stream.fromEffect(Effect.forever(Effect.delay(probe, probeInterval)))), {
          haltStrategy: "left"
        }),
        Stream.tapError(() => pool.closeAll)
      )
    },
    Effect.tapError(() => pool.closeAll)
  )
}

const unfit = (operation: string, standing: Exclude<Standing, "writer">): DbError =>
  new DbError({
    operation,
    message:
      standing === "read-only"
        ? `${operation}: the server is read-only, as a standby is`
        : `${operation}: a pooler gave this connection another session of the server, so that it hears nothing: use session mode`,
    isTransient: true,
    sqlState: standing === "read-only" ? "25006" : null
  })
