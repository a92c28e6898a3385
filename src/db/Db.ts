import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Duration, Effect, Layer, Redacted, Schema, Stream } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { Configuration } from "../Configuration.ts"

/** A database statement failed. `isTransient` says whether the same statement may succeed later. */
export class DbError extends Schema.TaggedError<DbError>()("DbError", {
  operation: Schema.String,
  message: Schema.String,
  isTransient: Schema.Boolean,
  /** PostgreSQL's SQLSTATE, where the server gave one. */
  sqlState: Schema.NullOr(Schema.String)
}) {}

export type Sql = SqlClient

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

/**
 * PostgreSQL. The only module that knows the driver. Every statement has a name and a time limit, on the server
 * (`statement_timeout`) and here, in case the server or the network says nothing at all.
 */
export class Db extends Context.Service<
  Db,
  {
    readonly sql: Sql

    /** Runs one statement and decodes its rows; column names arrive in camelCase. */
    readonly query: <S extends Schema.Top & { readonly DecodingServices: never }>(
      operation: string,
      row: S,
      statement: Statement<object>
    ) => Effect.Effect<ReadonlyArray<S["Type"]>, DbError>

    /** Runs one statement for its effect. */
    readonly execute: (operation: string, statement: Statement<object>) => Effect.Effect<void, DbError>

    /** Runs statements on one connection, all or nothing. */
    readonly transaction: <A, E, R>(
      operation: string,
      statements: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | DbError, R>

    /** Runs work that may rightly take long, such as a migration, without a time limit. */
    readonly unlimited: <A, E, R>(
      operation: string,
      work: Effect.Effect<A, E | SqlError, R>
    ) => Effect.Effect<A, E | DbError, R>

    /** Payloads of NOTIFY on a channel. Fails when the connection is lost: what came meanwhile is lost too. */
    readonly listen: (channel: string) => Stream.Stream<string, DbError>
  }
>()("pulse-background/Db") {
  static readonly layer = (target: DbTarget): Layer.Layer<Db, DbError, Configuration> =>
    Layer.effect(
      Db,
      Effect.gen(function* () {
        const config = yield* Configuration
        return yield* make(target, {
          poolSize: config.databasePoolSize,
          statementTimeout: config.databaseStatementTimeout
        })
      })
    )
}

const make = Effect.fnUntraced(function* (
  target: DbTarget,
  options: { readonly poolSize: number; readonly statementTimeout: Duration.Duration }
) {
  const scope = yield* Effect.scope
  const statementTimeoutMillis = Math.ceil(Duration.toMillis(options.statementTimeout))
  // The server gives up first, so that a slow statement is reported as such; ours only ends a silent connection.
  const clientTimeout = Duration.sum(options.statementTimeout, Duration.seconds(2))

  const client = yield* PgClient.layer({
    ...target,
    applicationName: "pulse-background",
    maxConnections: options.poolSize,
    connectTimeout: "5 seconds",
    keepAlive: "10 seconds",
    multiplex: false,
    transformResultNames: snakeToCamel,
    transformJson: false,
    startupParameters: {
      TimeZone: "UTC",
      statement_timeout: `${statementTimeoutMillis}`,
      idle_in_transaction_session_timeout: `${statementTimeoutMillis * 2}`,
      lock_timeout: `${statementTimeoutMillis}`
    }
  }).pipe(
    Layer.buildWithScope(scope),
    Effect.map((context) => Context.get(context, PgClient.PgClient)),
    Effect.mapError((error) => toDbError("connect", error))
  )

  const guarded = <A, E, R>(operation: string, effect: Effect.Effect<A, E | SqlError, R>) =>
    effect.pipe(
      // A connection lost inside a transaction surfaces as a defect, because its ROLLBACK fails too.
      Effect.catchDefect((defect) => (isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect))),
      Effect.mapError((error) => (isSqlError(error) ? toDbError(operation, error) : error))
    )

  const limited = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.timeoutOrElse({
        duration: clientTimeout,
        orElse: () =>
          Effect.fail(
            new DbError({
              operation,
              message: `${operation}: the database did not answer within ${Duration.format(clientTimeout)}`,
              isTransient: true,
              sqlState: null
            })
          )
      })
    )

  yield* checkServer(
    target,
    guarded(
      "connect",
      limited(
        "connect",
        client<{ version: number; name: string }>`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`
      )
    )
  )

  const noTimeouts = Effect.forEach(
    ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"],
    (name) => client.unsafe(`SET LOCAL ${name} = 0`),
    { discard: true }
  )

  return Db.of({
    sql: client,
    query: (operation, row, statement) =>
      guarded(operation, limited(operation, statement)).pipe(
        Effect.flatMap((rows) =>
          Schema.decodeUnknownEffect(Schema.Array(row))(rows).pipe(
            Effect.mapError(
              (error) =>
                new DbError({
                  operation,
                  message: `${operation}: the database holds a row this version cannot read: ${error.message}`,
                  isTransient: false,
                  sqlState: null
                })
            )
          )
        )
      ),
    execute: (operation, statement) => Effect.asVoid(guarded(operation, limited(operation, statement))),
    transaction: (operation, statements) => guarded(operation, limited(operation, client.withTransaction(statements))),
    unlimited: (operation, work) => guarded(operation, client.withTransaction(Effect.andThen(noTimeouts, work))),
    listen: (channel) =>
      Stream.unwrap(Effect.map(client.listen(channel), Stream.fromQueue)).pipe(
        Stream.map((notification) => notification.payload),
        Stream.mapError((error) => toDbError(`listen ${channel}`, error))
      )
  })
})

const oldestServerVersion = 150_000

/** The driver connects lazily: ask at once, so that a wrong address or server is reported at the start. */
const checkServer = Effect.fnUntraced(function* (
  target: DbTarget,
  ask: Effect.Effect<ReadonlyArray<{ readonly version: number; readonly name: string }>, DbError>
) {
  const [server] = yield* ask.pipe(
    Effect.mapError(
      (error) =>
        new DbError({
          ...error,
          message:
            `Cannot use the database at ${addressOf(target)}: ${error.message.replace(/^connect: /, "")}. ` +
            "Check that DATABASE_URL is right and that the server is running and accepts this user."
        })
    )
  )
  if (server === undefined || server.version < oldestServerVersion) {
    return yield* new DbError({
      operation: "connect",
      message: `The database at ${addressOf(target)} is PostgreSQL ${server?.name ?? "?"}; version 15 or later is needed.`,
      isTransient: false,
      sqlState: null
    })
  }
})

/** Where a target is, without its credentials. */
const addressOf = (target: DbTarget): string => {
  if (!("url" in target)) return `${target.host} (port ${target.port})`
  const url = new URL(Redacted.value(target.url))
  return `${url.hostname || "localhost"}:${url.port || "5432"}${url.pathname}`
}

const toDbError = (operation: string, error: SqlError): DbError => {
  const cause = error.reason.cause
  const sqlState =
    cause instanceof Error && "code" in cause && typeof cause.code === "string" && /^[0-9A-Z]{5}$/.test(cause.code)
      ? cause.code
      : null
  const said = cause instanceof Error ? cause.message : (error.reason.message ?? error.reason._tag)
  return new DbError({
    operation,
    message: `${operation}: ${said}${isOutdated(sqlState) ? outdatedHint : ""}`,
    isTransient: error.reason.isRetryable || isTransientState(sqlState),
    sqlState
  })
}

/** A table, column or function that this version expects is not there. */
const isOutdated = (sqlState: string | null): boolean => sqlState !== null && /^42(P01|703|883)$/.test(sqlState)
const outdatedHint = ". The database is not up to date: run the command migrate, or start the daemon, which does it."

/** Resources (disk full, too many connections), operator intervention (shutdown, restart), read-only standby. */
const isTransientState = (sqlState: string | null): boolean => sqlState !== null && /^(53|57P|58|25006)/.test(sqlState)

const snakeToCamel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
