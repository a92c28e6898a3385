import { Duration, Effect, Redacted, Scope } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { DbError } from "./DbError.ts"
import { makePool } from "./pool.ts"
import { type Limited, scopeClosedInTime } from "./timeLimits.ts"
import { toDbError, withDbErrors } from "./toDbError.ts"

/** How to reach a PostgreSQL server: a URL, or the embedded server's socket. */
export type DbTarget =
  | { readonly url: Redacted.Redacted }
  | {
      readonly host: string
      readonly port: number
      readonly username: string
      readonly password: Redacted.Redacted
      readonly database: string
    }

export interface DbOptions {
  readonly poolSize: number
  readonly statementTimeout: Duration.Duration
}

/** A pool of connections to a server that answers and is new enough; fails with what to do otherwise. */
export const connect = Effect.fnUntraced(function* (target: DbTarget, options: DbOptions, limited: Limited) {
  const pool = yield* poolFor(target, options)
  yield* checkServer(target, pool.sql, limited)
  return pool
})

/** How long a new connection may take. */
export const connectTimeout = Duration.seconds(5)

const poolFor = Effect.fnUntraced(function* (target: DbTarget, { poolSize, statementTimeout }: DbOptions) {
  const statementTimeoutMillis = Math.ceil(Duration.toMillis(statementTimeout))
  return yield* makePool({
    ...target,
    applicationName: "pulse-background",
    maxConnections: poolSize,
    connectTimeout,
    keepAlive: "10 seconds",
    multiplex: false,
    startupParameters: {
      TimeZone: "UTC",
      statement_timeout: `${statementTimeoutMillis}`,
      idle_in_transaction_session_timeout: `${statementTimeoutMillis * 2}`,
      // Shorter than statement_timeout, so that the error names the lock.
      lock_timeout: `${Math.ceil(statementTimeoutMillis * 0.9)}`,
      // The statements are short; over the views, the planner expects so much that it would compile for seconds.
      jit: "off"
    }
  }).pipe(
    Scope.provide(yield* scopeClosedInTime),
    Effect.mapError((error) => toDbError("connect", error))
  )
})

const minServerVersion = 150_000

/** The driver connects lazily; this asks at once, so that a wrong address or server is reported at the start. */
const checkServer = Effect.fnUntraced(function* (target: DbTarget, sql: SqlClient, limited: Limited) {
  const ask = sql<{ version: number; name: string }>`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`
  const [server] = yield* withDbErrors("connect", limited("connect", ask)).pipe(
    Effect.mapError(
      (error) =>
        new DbError({
          ...error,
          message:
            `Cannot use the database at ${addressOf(target)}: ${error.message.replace(/^connect: /, "")}. Check that ` +
            `${"url" in target ? "DATABASE_URL is right and that " : ""}the server is running and accepts this user.`
        })
    )
  )
  if (server === undefined || server.version < minServerVersion) {
    return yield* new DbError({
      operation: "connect",
      message: `The database at ${addressOf(target)} is PostgreSQL ${server?.name ?? "?"}; version 15 or later is needed.`,
      isTransient: false,
      sqlState: null
    })
  }
})

/** The address of a target, without its credentials. */
const addressOf = (target: DbTarget): string => {
  if (!("url" in target)) return `${target.host} (port ${target.port})`
  const { hostname, port, pathname, searchParams } = new URL(Redacted.value(target.url))
  const host = searchParams.get("host") ?? (hostname.replaceAll(/%2f/gi, "/") || "localhost")
  const database = searchParams.get("dbname") ?? pathname.slice(1)
  return `${host}:${searchParams.get("port") ?? (port || "5432")}/${database}`
}
