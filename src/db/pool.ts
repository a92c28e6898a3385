import { makeCompiler } from "@effect/sql-pg/PgClient"
import type { Notification, PgConnection, Result } from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import { Effect, type Queue, type Scope, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import { sqlStateOf } from "./toDbError.ts"

/** A connection that hears a channel. */
export interface Listener {
  /** Its notifications; the queue fails when the connection is lost. */
  readonly notifications: Queue.Dequeue<Notification, SqlError>
  /** Asks the server on this connection whether its transactions are read-only, as those of a standby are. */
  readonly isReadOnly: Effect.Effect<boolean, SqlError>
}

export interface Pool {
  readonly sql: SqlClient.SqlClient
  /** Takes a connection out of the pool until the scope closes. */
  readonly listen: (channel: string) => Effect.Effect<Listener, SqlError, Scope.Scope>
  /** Closes all connections of this moment: the idle ones now, the others when their work ends. */
  readonly closeAll: Effect.Effect<void>
}

/**
 * A pool of connections, as PgClient makes one, that does not keep a connection whose answers prove it unusable. "Read-only"
 * (25006) means that the server is not the writer any more, so all connections are closed, and the next ones go where the
 * address leads by then. "Transaction aborted" (25P02) is at an end with its transaction, unless the transaction was left
 * open on the connection, so this connection alone is closed.
 */
export const makePool = Effect.fnUntraced(function* (
  config: PgPool.Config
): Effect.fn.Return<Pool, SqlError, Scope.Scope> {
  const pool = yield* PgPool.make(config)
  const opened = makeOpened()
  const closeAll = Effect.suspend(() => Effect.forEach(opened.takeAll(), pool.invalidate, { discard: true }))
  const judge = (connection: PgConnection) => (error: SqlError) => {
    const sqlState = sqlStateOf(error)
    if (sqlState === "25006") return closeAll
    return sqlState === "25P02" ? pool.invalidate(connection) : Effect.void
  }
  const judged = (connection: PgConnection): Connection => {
    opened.add(connection)
    return new JudgedConnection(connection, judge(connection))
  }
  // The connection is noted before it is pinned, because the pool knows only the unpinned one.
  const reserve = Effect.flatMap(pool.get, (connection) => {
    opened.add(connection)
    return connection.pin
  })
  const sql = yield* SqlClient.make({
    driver: "pg",
    acquirer: Effect.map(pool.get, judged),
    borrower: (use) => pool.use((connection) => use(judged(connection))),
    transactionAcquirer: Effect.map(reserve, (pinned) => new JudgedConnection(pinned, judge(pinned))),
    compiler: makeCompiler(),
    commit,
    prepareTransactionControls: true,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]]
  }).pipe(Effect.provide(Reactivity.layer))
  const listen = Effect.fnUntraced(function* (channel: string) {
    const connection = yield* reserve
    const notifications = yield* connection.listen(channel)
    return { notifications, isReadOnly: Effect.map(connection.queryValues(probe), ([row]) => row?.[0] === true) }
  })
  return { sql, listen, closeAll }
})

/** What a listener asks. A standby has read-only transactions, and so has a server that is made read-only. */
export const probe = "SELECT current_setting('transaction_read_only') = 'on'"

/** The open connections, and some closed ones that nothing else remembers. */
const makeOpened = () => {
  const known = new WeakSet<PgConnection>()
  let references: ReadonlyArray<WeakRef<PgConnection>> = []
  const all = () => references.flatMap((reference) => reference.deref() ?? [])
  return {
    add: (connection: PgConnection): void => {
      if (known.has(connection)) return
      known.add(connection)
      references = [...all(), connection].map((each) => new WeakRef(each))
    },
    takeAll: (): ReadonlyArray<PgConnection> => {
      const taken = all()
      references = []
      return taken
    }
  }
}

/** Shows each error of a connection to `judge` before it fails with it. */
class JudgedConnection implements Connection {
  readonly #connection: PgConnection
  readonly #judge: (error: SqlError) => Effect.Effect<void>

  constructor(connection: PgConnection, judge: (error: SqlError) => Effect.Effect<void>) {
    this.#connection = connection
    this.#judge = judge
  }

  #rows(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform, prepare: boolean) {
    const answer = Effect.tapError(this.#connection.query(sql, params, prepare), this.#judge)
    return Effect.map(answer, ({ rows }) => (transformRows === undefined ? rows : transformRows(rows)))
  }

  execute(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    return this.#rows(sql, params, transformRows, true)
  }

  executeUnprepared(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    return this.#rows(sql, params, transformRows, false)
  }

  executeRaw(sql: string, params: ReadonlyArray<unknown>): Effect.Effect<Result, SqlError> {
    return Effect.tapError(this.#connection.query(sql, params), this.#judge)
  }

  executeValues(sql: string, params: ReadonlyArray<unknown>) {
    return Effect.tapError(this.#connection.queryValues(sql, params), this.#judge)
  }

  executeValuesUnprepared(sql: string, params: ReadonlyArray<unknown>) {
    return Effect.tapError(this.#connection.queryValues(sql, params, false), this.#judge)
  }

  executeStream(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    const rows = Stream.tapError(this.#connection.stream(sql, params), this.#judge)
    return transformRows === undefined ? rows : Stream.map(rows, (row) => transformRows([row])[0])
  }
}

type Transform = Parameters<Connection["execute"]>[2]

/** PostgreSQL answers the COMMIT of an aborted transaction with ROLLBACK, and with no error. */
const commit = (connection: Connection): Effect.Effect<void, SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (answer) => {
    const command = typeof answer === "object" && answer !== null && "command" in answer ? answer.command : undefined
    if (command !== "ROLLBACK") return Effect.void
    const message = "COMMIT rolled back an aborted transaction"
    return Effect.fail(
      new SqlError({ reason: new UnknownError({ cause: new Error(message), message, operation: "commit" }) })
    )
  })
