import type { PgConnection } from "@effect/sql-pg/PgConnection"
import { Effect, Result } from "effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { DbError } from "./DbError.ts"
import type { Pool } from "./pool.ts"
import type { TimeLimits } from "./timeLimits.ts"

/**
 * Refuses a pooler that gives out the server's sessions for a transaction or a statement at a time: neither settings, prepared
 * statements and notifications of a session would hold, nor locks. With such a pooler two clients are served by one
 * session of the server, and one client by several. With anything else between, each connection keeps its own. Called at the
 * start, and after a listener that heard nothing.
 */
export const checkPooler = Effect.fnUntraced(function* (pool: Pool, name: string, limits: TimeLimits) {
  const operation = "connect"
  const question = Effect.scoped(
    Effect.gen(function* () {
      const first = yield* pool.session
      // A pooler answers the start of a connection with a key of its own, the server with its process id.
      if ((yield* processOf(first)) === first.processId) return false
      return yield* isShared(first, yield* pool.session)
    })
  )
  const answer = yield* Effect.result(limits.connecting(operation, question))
  if (Result.isSuccess(answer) && !answer.success) return
  if (Result.isFailure(answer) && isSqlError(answer.failure)) return yield* answer.failure
  const isSilent = Result.isFailure(answer)
  return yield* new DbError({
    operation,
    message: isSilent
      ? `The pooler at ${name} does not give this process several sessions of the server in time: use session mode ` +
        "(PgBouncer: pool_mode = session), with a pool_size of at least DATABASE_POOL_SIZE for each process."
      : `The pooler at ${name} gives out the server's sessions for a transaction or a statement at a time, so that settings, ` +
        "notifications and prepared statements of a session do not hold: use session mode (PgBouncer: pool_mode = " +
        "session), or the server's own address. See doc/guides/database.md.",
    isTransient: false,
    sqlState: null
  })
})

const processOf = (connection: PgConnection): Effect.Effect<number, SqlError> =>
  Effect.map(connection.queryValues("SELECT pg_backend_pid()", [], false), ([row]) => Number(row?.[0]))

/** A few times, because a pooler may happen to choose the same session again. */
const rounds = 3

/** Whether a client changes its session while another one is in a transaction, or both have the same. */
const isShared = Effect.fnUntraced(function* (first: PgConnection, second: PgConnection) {
  for (let round = 0; round < rounds; round++) {
    const before = yield* processOf(first)
    // In statement mode PgBouncer closes the connection of a client that begins a transaction.
    if (Result.isFailure(yield* Effect.result(second.query("BEGIN", [], false)))) return true
    const [other, after] = yield* Effect.all([processOf(second), processOf(first)]).pipe(
      Effect.ensuring(Effect.ignore(second.query("ROLLBACK", [], false)))
    )
    if (before === other || before !== after) return true
  }
  return false
})
