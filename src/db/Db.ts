import * as PgClient from "@effect/sql-pg/PgClient"
import { Cause, Context, Duration, Effect, Fiber, Layer, Option, Redacted, Result, Schema, Scope, Stream } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { Configuration } from "../config/Configuration.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { version } from "../version.ts"
import { DbError } from "./DbError.ts"
import { measuredStatement } from "./measuredStatement.ts"

export type Sql = SqlClient

type Row = Readonly<Record<string, unknown>>

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
      statement: Statement<Row>
    ) => Effect.Effect<ReadonlyArray<S["Type"]>, DbError>

    /** Runs one statement that always answers with a row, such as a count, and decodes it. No row is a bug of ours. */
    readonly queryOne: <S extends Schema.Top & { readonly DecodingServices: never }>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<S["Type"], DbError>

    /** Runs one statement and decodes its first row, if it answers with any. */
    readonly queryOption: <S extends Schema.Top & { readonly DecodingServices: never }>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<Option.Option<S["Type"]>, DbError>

    /** The same as `query`, but a row that cannot be read is reported, once, and left out: it must not hold up the others. */
    readonly queryReadable: <S extends Schema.Top & { readonly DecodingServices: never }>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<ReadonlyArray<S["Type"]>, DbError>

    /** Runs one statement for its effect. */
    readonly execute: (operation: string, statement: Statement<Row>) => Effect.Effect<void, DbError>

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

    /**
     * Payloads of NOTIFY on a channel, all of them from the moment that this returns. The stream fails when the connection
     * is lost: what comes until somebody listens again is lost too.
     */
    readonly listen: (channel: string) => Effect.Effect<Stream.Stream<string, DbError>, DbError, Scope.Scope>
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

/** So many rows are read without a pause: some tenths of a millisecond. */
const rowsAtOnce = 16

/** How long a server that ought to answer at once is waited for. */
const patience = Duration.seconds(2)

const make = Effect.fnUntraced(function* (
  target: DbTarget,
  options: { readonly poolSize: number; readonly statementTimeout: Duration.Duration }
) {
  const statementTimeoutMillis = Math.ceil(Duration.toMillis(options.statementTimeout))
  // The server gives up first, so that a slow statement is reported as such; ours only ends a silent connection.
  const clientTimeout = Duration.sum(options.statementTimeout, patience)

  // On a silent connection COMMIT, ROLLBACK and UNLISTEN have no end and cannot be interrupted: they are left behind.
  const scopeClosedInTime = Effect.acquireRelease(Scope.make(), (scope, exit) =>
    Effect.flatMap(Effect.forkDetach(Scope.close(scope, exit), { startImmediately: true }), (closing) =>
      Effect.timeoutOption(Fiber.await(closing), patience)
    )
  )

  const client = yield* PgClient.layer({
    ...target,
    applicationName: "pulse-background",
    maxConnections: options.poolSize,
    connectTimeout: "5 seconds",
    keepAlive: "10 seconds",
    multiplex: false,
    startupParameters: {
      TimeZone: "UTC",
      statement_timeout: `${statementTimeoutMillis}`,
      idle_in_transaction_session_timeout: `${statementTimeoutMillis * 2}`,
      // The first to come is the one that the error tells of: a lock that somebody holds.
      lock_timeout: `${Math.ceil(statementTimeoutMillis * 0.9)}`
    }
  }).pipe(
    Layer.buildWithScope(yield* scopeClosedInTime),
    Effect.map((context) => Context.get(context, PgClient.PgClient)),
    Effect.mapError((error) => toDbError("connect", error))
  )

  const guarded = <A, E, R>(operation: string, effect: Effect.Effect<A, E | SqlError, R>) =>
    effect.pipe(
      // A connection lost inside a transaction makes defects of all its errors, because its ROLLBACK fails too.
      Effect.catchCause((cause): Effect.Effect<never, E | DbError | SqlError> => {
        const defects = cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
        const lost = defects.find((defect) => isSqlError(defect))
        return lost === undefined
          ? Effect.failCause(cause)
          : Effect.fail(defects.find((defect) => defect instanceof DbError) ?? lost)
      }),
      Effect.mapError((error) => (isSqlError(error) ? toDbError(operation, error) : error))
    )

  const limited = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
        const exit = yield* restore(Effect.timeoutOption(Fiber.await(fiber), clientTimeout)).pipe(
          Effect.onInterrupt(() => Effect.timeoutOption(Fiber.interrupt(fiber), patience))
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

  const measured = measuredStatement(yield* Telemetry)
  const run = <A>(operation: string, statement: Effect.Effect<A, SqlError>) =>
    measured(operation, guarded(operation, limited(operation, statement)))

  const read = <S extends Schema.Top & { readonly DecodingServices: never }>(
    operation: string,
    row: S,
    statement: Statement<Row>
  ) => {
    const decode = Schema.decodeUnknownResult(row)
    return Effect.gen(function* () {
      const rows = yield* run(operation, statement)
      const results: Array<Result.Result<S["Type"], DbError>> = []
      const rename = camelCased(rows[0])
      for (const found of rows) {
        const raw = rename(found)
        results.push(Result.mapError(decode(raw), (error) => unreadable(operation, raw, error)))
        // A slice may be due while many rows are read.
        if (results.length % rowsAtOnce === 0) yield* Effect.yieldNow
      }
      return results
    })
  }
  const reported = new Set<string>()

  const query = <S extends Schema.Top & { readonly DecodingServices: never }>(
    operation: string,
    row: S,
    statement: Statement<Row>
  ) => Effect.flatMap(read(operation, row, statement), (rows) => Effect.fromResult(Result.all(rows)))

  return Db.of({
    sql: client,
    query,
    queryOne: (operation, row, statement) =>
      Effect.flatMap(query(operation, row, statement), ([first]) =>
        first === undefined ? Effect.die(`${operation}: the statement answered with no row`) : Effect.succeed(first)
      ),
    queryOption: (operation, row, statement) =>
      Effect.map(query(operation, row, statement), ([first]) => Option.fromNullishOr(first)),
    queryReadable: (operation, row, statement) =>
      Effect.gen(function* () {
        const rows = yield* read(operation, row, statement)
        for (const { failure } of rows.filter(Result.isFailure)) {
          if (reported.has(failure.message)) continue
          reported.add(failure.message)
          yield* Effect.logError(failure.message)
        }
        return rows.filter(Result.isSuccess).map(({ success }) => success)
      }),
    execute: (operation, statement) => Effect.asVoid(run(operation, statement)),
    transaction: (operation, statements) => guarded(operation, limited(operation, client.withTransaction(statements))),
    unlimited: (operation, work) => guarded(operation, client.withTransaction(Effect.andThen(noTimeouts, work))),
    listen: Effect.fnUntraced(function* (channel) {
      const operation = `listen ${channel}`
      const listening = Scope.provide(client.listen(channel), yield* scopeClosedInTime)
      const notifications = yield* guarded(operation, limited(operation, listening))
      return Stream.fromQueue(notifications).pipe(
        Stream.map(({ payload }) => payload),
        Stream.mapError((error) => toDbError(operation, error))
      )
    })
  })
})

/** Names the row by what it is known by; the rest of it is nobody's business in a log. */
const unreadable = (operation: string, raw: Row, { message }: Schema.SchemaError): DbError => {
  const names = Object.entries(raw).flatMap(([column, value]) =>
    rowNames.has(column) && typeof value === "string" ? [`${column} ${value}`] : []
  )
  return new DbError({
    operation,
    message:
      `${operation}: the database holds a row that version ${version} cannot read` +
      `${names.length === 0 ? "" : ` (${names.join(", ")})`}: ${message}`,
    isTransient: false,
    sqlState: null
  })
}

const rowNames: ReadonlySet<string> = new Set(["id", "orderId", "instrument", "tag", "instanceId"])

const minServerVersion = 150_000

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

/** Where a target is, without its credentials. */
const addressOf = (target: DbTarget): string => {
  if (!("url" in target)) return `${target.host} (port ${target.port})`
  const { hostname, port, pathname, searchParams } = new URL(Redacted.value(target.url))
  const host = searchParams.get("host") ?? (hostname.replaceAll(/%2f/gi, "/") || "localhost")
  const database = searchParams.get("dbname") ?? pathname.slice(1)
  return `${host}:${searchParams.get("port") ?? (port || "5432")}/${database}`
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

/** Rows as they come, with their columns' names in camelCase. All have the columns of the first. */
const camelCased = (first: Row = {}): ((row: Row) => Row) => {
  const columns = Object.keys(first).map((name) => [name, snakeToCamel(name)] as const)
  return (row) => {
    const renamed: Record<string, unknown> = {}
    for (const [name, camel] of columns) renamed[camel] = row[name]
    return renamed
  }
}

const snakeToCamel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
