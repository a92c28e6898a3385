import { makeCompiler } from "@effect/sql-pg/PgClient"
import type { Notification, PgConnection, Result } from "@effect/sql-pg/PgConnection"
import type * as PgPool from "@effect/sql-pg/PgPool"
import { Effect, type Queue, Schedule, type Scope, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import type { ServerTarget } from "../config/databaseAddress.ts"
import type { SessionSettings } from "../config/startupOptions.ts"
import { type Candidate, isUnconnected, makeServers, type Servers } from "./servers.ts"
import { connectionsUsedUp, sqlStateOf } from "./toDbError.ts"

/** A connection that hears a channel. */
export interface Listener {
  /** A number that no other connection has at the same time. */
  readonly id: number
  /** Its notifications; the queue fails when the connection is lost. */
  readonly notifications: Queue.Dequeue<Notification, SqlError>
  /** Asks the server on this connection about itself. */
  readonly ask: Effect.Effect<Standing, SqlError>
}

export interface Standing {
  /** Whether its transactions are read-only, as those of a standby are. */
  readonly isReadOnly: boolean
  /** Whether a pooler is between, which gives a connection a number of its own in place of the server's process id. */
  readonly isPooled: boolean
}

export interface Pool {
  readonly sql: SqlClient.SqlClient
  /** Takes a connection out of the pool until the scope closes. */
  readonly listen: (channel: string) => Effect.Effect<Listener, SqlError, Scope.Scope>
  /** Closes all connections of this moment: the idle ones now, the others when their work ends. */
  readonly closeAll: Effect.Effect<void>
  /** Takes a connection for questions about the server, until the scope closes. */
  readonly session: Effect.Effect<PgConnection, SqlError, Scope.Scope>
}

/** Where the connections of a pool go, and what each has in force before its first statement. */
export interface PoolOptions {
  readonly candidates: ReadonlyArray<Candidate>
  readonly target: ServerTarget
  /** Settings of the session by name. */
  readonly sessionSettings: SessionSettings
}

/**
 * A pool of connections, as PgClient makes one, that does not keep a connection whose answers prove it unusable. "Read-only"
 * (25006) means that the server is not the writer any more, so all connections are closed, and the next ones go where the
 * address leads by then: to another server of its list, if there is one. "Transaction aborted" (25P02) is at an end with its
 * transaction, unless the transaction was left open on the connection, so this connection alone is closed; and so is one
 * whose COMMIT or ROLLBACK fails, which may have left it open.
 *
 * The settings are set by a statement and not at the connect, because poolers refuse or ignore what they do not know there.
 */
export const makePool = Effect.fnUntraced(function* ({
  candidates,
  sessionSettings,
  target
}: PoolOptions): Effect.fn.Return<Pool, SqlError, Scope.Scope> {
  const opened = makeOpened()
  const prepare = preparation(sessionSettings)
  /** A connection with its settings in force. It is noted before it is pinned: its pool knows only the unpinned one. */
  const ready = (pool: PgPool.PgPool, connection: PgConnection) =>
    opened.has(connection)
      ? Effect.void
      : Effect.andThen(
          prepare(connection),
          Effect.sync(() => opened.add(connection, pool))
        )
  const servers = yield* makeServers(candidates, target, ready)
  const closeAll = Effect.suspend(() =>
    Effect.andThen(
      servers.leave,
      Effect.forEach(opened.takeAll(), ({ connection, pool }) => pool.invalidate(connection), { discard: true })
    )
  )
  const judge =
    (pool: PgPool.PgPool, connection: PgConnection): Judge =>
    (error, statement) => {
      const sqlState = sqlStateOf(error)
      if (sqlState === "25006") return closeAll
      const mayBeOpen = sqlState === "25P02" || statement === "COMMIT" || statement === "ROLLBACK"
      return mayBeOpen ? pool.invalidate(connection) : Effect.void
    }
  const judged = (pool: PgPool.PgPool, connection: PgConnection): Connection =>
    new JudgedConnection(connection, judge(pool, connection))
  const within: Servers["within"] = (work) => untilOneIsFree(servers.within(work))
  const taken = within((pool) =>
    Effect.flatMap(pool.get, (connection) => Effect.as(ready(pool, connection), { pool, connection }))
  )
  const reserve = Effect.flatMap(taken, ({ pool, connection }) =>
    Effect.map(connection.pin, (pinned) => ({ pool, pinned }))
  )
  const sql = yield* SqlClient.make({
    driver: "pg",
    acquirer: Effect.map(taken, ({ pool, connection }) => judged(pool, connection)),
    borrower: (use) =>
      within((pool) =>
        pool.use((connection) =>
          opened.has(connection)
            ? use(judged(pool, connection))
            : Effect.andThen(ready(pool, connection), use(judged(pool, connection)))
        )
      ),
    transactionAcquirer: Effect.map(reserve, ({ pool, pinned }) => new JudgedConnection(pinned, judge(pool, pinned))),
    compiler: makeCompiler(),
    commit,
    // A prepared ROLLBACK that its session has lost would leave the transaction open.
    prepareTransactionControls: false,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]]
  }).pipe(Effect.provide(Reactivity.layer))
  const listen = Effect.fnUntraced(function* (channel: string) {
    const { pinned } = yield* reserve
    const notifications = yield* pinned.listen(channel)
    const ask = Effect.map(pinned.queryValues(probe), ([row]): Standing => ({
      isReadOnly: row?.[0] === true,
      isPooled: row?.[1] !== pinned.processId
    }))
    return { id: pinned.processId, notifications, ask }
  })
  return { sql, listen, closeAll, session: Effect.map(taken, ({ connection }) => connection) }
})

/**
 * Tries again for a while when the server has no connection left (53300): another one of this pool, or of somebody else, may be
 * free in a moment. Nothing was sent on a connection that was not made.
 */
const untilOneIsFree = <A, E, R>(work: Effect.Effect<A, E | SqlError, R>): Effect.Effect<A, E | SqlError, R> =>
  Effect.retry(work, {
    schedule: Schedule.spaced("50 millis"),
    times: 40,
    while: (error) => isUnconnected(error) && sqlStateOf(error) === connectionsUsedUp
  })

const preparation = (settings: SessionSettings) => {
  const names = Object.keys(settings)
  const calls = names.map((_, index) => `set_config($${index * 2 + 1}, $${index * 2 + 2}, false)`)
  const parameters = names.flatMap((name) => [name, settings[name] ?? ""])
  return (connection: PgConnection): Effect.Effect<void, SqlError> =>
    names.length === 0
      ? Effect.void
      : Effect.asVoid(connection.queryValues(`SELECT ${calls.join(", ")}`, parameters, false))
}

/** What a listener asks. A standby has read-only transactions, and so has a server that is made read-only. */
export const probe = "SELECT current_setting('transaction_read_only') = 'on', pg_backend_pid()"

/** The open connections with their pools, and some closed ones that nothing else remembers. */
const makeOpened = () => {
  const known = new WeakMap<PgConnection, PgPool.PgPool>()
  let references: ReadonlyArray<WeakRef<PgConnection>> = []
  const all = () => references.flatMap((reference) => reference.deref() ?? [])
  return {
    has: (connection: PgConnection): boolean => known.has(connection),
    add: (connection: PgConnection, pool: PgPool.PgPool): void => {
      if (known.has(connection)) return
      known.set(connection, pool)
      references = [...all(), connection].map((each) => new WeakRef(each))
    },
    takeAll: () => {
      const taken = all()
      references = []
      return taken.flatMap((connection) => {
        const pool = known.get(connection)
        return pool === undefined ? [] : [{ connection, pool }]
      })
    }
  }
}

/** Decides what an error of a statement means for its connection. */
type Judge = (error: SqlError, statement: string) => Effect.Effect<void>

/** Shows each error of a connection to `judge` before it fails with it. */
class JudgedConnection implements Connection {
  readonly #connection: PgConnection
  readonly #judge: Judge

  constructor(connection: PgConnection, judge: Judge) {
    this.#connection = connection
    this.#judge = judge
  }

  #judged<A>(sql: string, answer: Effect.Effect<A, SqlError>) {
    return Effect.tapError(answer, (error) => this.#judge(error, sql))
  }

  #rows(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform, prepare: boolean) {
    const answer = this.#judged(sql, this.#connection.query(sql, params, prepare))
    return Effect.map(answer, ({ rows }) => (transformRows === undefined ? rows : transformRows(rows)))
  }

  execute(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    return this.#rows(sql, params, transformRows, true)
  }

  executeUnprepared(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    return this.#rows(sql, params, transformRows, false)
  }

  /** Unprepared, because only `commit` asks for a raw answer. */
  executeRaw(sql: string, params: ReadonlyArray<unknown>): Effect.Effect<Result, SqlError> {
    return this.#judged(sql, this.#connection.query(sql, params, false))
  }

  executeValues(sql: string, params: ReadonlyArray<unknown>) {
    return this.#judged(sql, this.#connection.queryValues(sql, params))
  }

  executeValuesUnprepared(sql: string, params: ReadonlyArray<unknown>) {
    return this.#judged(sql, this.#connection.queryValues(sql, params, false))
  }

  executeStream(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    const rows = Stream.tapError(this.#connection.stream(sql, params), (error) => this.#judge(error, sql))
    return transformRows === undefined ? rows : Stream.map(rows, (row) => transformRows([row])[0])
  }
}

type Transform = Parameters<Connection["execute"]>[2]

/**
 * PostgreSQL answers the COMMIT of an aborted transaction with ROLLBACK, and with no error. The transaction is at its end by
 * then, so the connection is kept.
 */
const commit = (connection: Connection): Effect.Effect<void, SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (answer) => {
    const command = typeof answer === "object" && answer !== null && "command" in answer ? answer.command : undefined
    if (command !== "ROLLBACK") return Effect.void
    const message = "COMMIT rolled back an aborted transaction"
    return Effect.fail(
      new SqlError({ reason: new UnknownError({ cause: new Error(message), message, operation: "commit" }) })
    )
  })
