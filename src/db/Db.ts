import { Context, Effect, Layer, Option, Result } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { Configuration } from "../config/Configuration.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { connect, connectTimeout, type DbOptions, type DbTarget, destinationOf } from "./connect.ts"
import type { DbError } from "./DbError.ts"
import { decodeRows, decodeValues, type DecodeValues, type Row, type RowSchema } from "./decodeRows.ts"
import { type Listen, listening } from "./listening.ts"
import { measuredStatement } from "./measuredStatement.ts"
import { storable } from "./parameters.ts"
import { checkPooler } from "./pooler.ts"
import type { Readable } from "./Readable.ts"
import { timeLimits } from "./timeLimits.ts"
import { withDbErrors } from "./toDbError.ts"

export type Sql = SqlClient

/**
 * PostgreSQL, for the stores, the migrations, the wake-ups and the clock. This folder alone knows the driver. Every statement
 * has a name, which errors and metrics carry, and a time limit: on the server (`statement_timeout`), and here for the case
 * that the server or the network no longer answers. Errors are DbErrors; `isTransient` says whether trying again makes sense.
 */
export class Db extends Context.Service<
  Db,
  {
    readonly sql: Sql

    /** Runs one statement and decodes its rows; column names arrive in camelCase. */
    readonly query: <S extends RowSchema>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<ReadonlyArray<S["Type"]>, DbError>

    /** Runs one statement that always answers with a row, such as a count, and decodes it. No row is a bug of ours. */
    readonly queryOne: <S extends RowSchema>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<S["Type"], DbError>

    /** Runs one statement and decodes its first row, if it answers with any. */
    readonly queryOption: <S extends RowSchema>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<Option.Option<S["Type"]>, DbError>

    /** Like `query`, but a row that cannot be read is logged, once, and left out, so that it does not block the others. */
    readonly queryReadable: <S extends RowSchema>(
      operation: string,
      row: S,
      statement: Statement<Row>
    ) => Effect.Effect<Readable<S["Type"]>, DbError>

    /** Like `queryReadable`, for many rows: `decode` reads the array of a row's values, which `columns` names in camelCase. */
    readonly queryValues: <A>(
      operation: string,
      columns: ReadonlyArray<string>,
      decode: DecodeValues<A>,
      statement: Statement<Row>
    ) => Effect.Effect<Readable<A>, DbError>

    /** Runs one statement for its effect. */
    readonly execute: (operation: string, statement: Statement<Row>) => Effect.Effect<void, DbError>

    /** Runs statements on one connection, all or nothing. */
    readonly transaction: <A, E, R>(
      operation: string,
      statements: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | DbError, R>

    /** Runs work that may take long, such as a migration, in one transaction without a time limit. */
    readonly unlimited: <A, E, R>(
      operation: string,
      work: Effect.Effect<A, E | SqlError, R>
    ) => Effect.Effect<A, E | DbError, R>

    /**
     * The payloads of NOTIFY on a channel, all of them from the moment this returns. The stream fails when the connection
     * is lost or falls silent, and when its server is read-only; payloads sent before the next `listen` are lost too.
     */
    readonly listen: Listen

    /** Whether a connection speaks TLS. What the server reports may be the connection of a pooler. */
    readonly isEncrypted: Effect.Effect<boolean, DbError>
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

const make = Effect.fnUntraced(function* (target: DbTarget, options: DbOptions) {
  const destination = yield* destinationOf(target)
  const limits = timeLimits(options.statementTimeout, connectTimeout(destination))
  const { limited } = limits
  const pool = yield* connect(destination, options, limits)
  const { sql } = pool
  const measured = measuredStatement(yield* Telemetry)
  const run = <A>(operation: string, answer: Effect.Effect<A, SqlError>) =>
    measured(operation, withDbErrors(operation, limited(operation, answer)))
  const rows: Run<Row> = (operation, statement) => run(operation, storable(sql, statement))
  const values: Run<ReadonlyArray<unknown>> = (operation, statement) => run(operation, storable(sql, statement).values)
  return Db.of({
    sql,
    ...queries(rows, values),
    execute: (operation, statement) => Effect.asVoid(rows(operation, statement)),
    transaction: (operation, statements) =>
      withDbErrors(operation, limited(operation, sql.withTransaction(statements))),
    unlimited: (operation, work) => withDbErrors(operation, sql.withTransaction(Effect.andThen(noTimeouts(sql), work))),
    listen: listening(pool, withDbErrors("connect", checkPooler(pool, destination.name, limits)), limits),
    isEncrypted: withDbErrors(
      "connect",
      limits.connecting(
        "connect",
        Effect.scoped(Effect.map(pool.session, ({ config }) => config.ssl !== undefined && config.ssl !== false))
      )
    )
  })
})

type Run<A> = (operation: string, statement: Statement<Row>) => Effect.Effect<ReadonlyArray<A>, DbError>

const queries = (
  rows: Run<Row>,
  values: Run<ReadonlyArray<unknown>>
): Pick<Db["Service"], "query" | "queryOne" | "queryOption" | "queryReadable" | "queryValues"> => {
  const read = <S extends RowSchema>(operation: string, row: S, statement: Statement<Row>) =>
    Effect.flatMap(rows(operation, statement), (found) => decodeRows(operation, row, found))
  const query: Db["Service"]["query"] = (operation, row, statement) =>
    Effect.flatMap(read(operation, row, statement), (found) => Effect.fromResult(Result.all(found)))
  const readable = makeReadable()
  return {
    query,
    queryOne: (operation, row, statement) =>
      Effect.flatMap(query(operation, row, statement), ([first]) =>
        first === undefined ? Effect.die(`${operation}: the statement answered with no row`) : Effect.succeed(first)
      ),
    queryOption: (operation, row, statement) =>
      Effect.map(query(operation, row, statement), ([first]) => Option.fromNullishOr(first)),
    queryReadable: (operation, row, statement) => Effect.flatMap(read(operation, row, statement), readable),
    queryValues: (operation, columns, decode, statement) =>
      Effect.flatMap(values(operation, statement), (found) => decodeValues(operation, columns, decode, found)).pipe(
        Effect.flatMap(readable)
      )
  }
}

/** Leaves out rows that cannot be read, and logs each once. */
const makeReadable = () => {
  const reported = new Set<string>()
  return Effect.fnUntraced(function* <A>(rows: ReadonlyArray<Result.Result<A, DbError>>) {
    const failures = rows.filter(Result.isFailure)
    for (const { failure } of failures) {
      if (reported.has(failure.message)) continue
      reported.add(failure.message)
      yield* Effect.logError(failure.message)
    }
    const readable: Readable<A> = rows.filter(Result.isSuccess).map(({ success }) => success)
    return failures.length === 0 ? readable : Object.assign(readable, { leftOut: failures.length })
  })
}

/** PostgreSQL has a `transaction_timeout` from 17 on, which the role or the database may set. */
const noTimeouts = (sql: Sql) => sql`
  SELECT set_config(name, '0', true) FROM pg_settings
  WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`
