import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import type { DbTarget } from "../../src/db/connect.ts"
import { Db } from "../../src/db/Db.ts"
import { asAdmin, configuration, freshDatabase, targetOf } from "../support/database.ts"
import { networkTo } from "../support/tcpProxy.ts"

/** Statements have the maximum timeout: what ends here ends for another reason. */
const dbAt = (target: DbTarget) =>
  Layer.fresh(
    Db.layer(target).pipe(
      Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "600", DATABASE_POOL_SIZE: "3" })),
      Layer.orDie
    )
  )

/** From now on new connections to a database are read-only, or no longer. Those that are open stay as they are. */
const setReadOnly = (database: string, is: boolean) =>
  asAdmin((sql) => sql.unsafe(`ALTER DATABASE ${database} SET default_transaction_read_only = ${is ? "on" : "off"}`))

const Backend = Schema.Struct({ pid: Schema.Int })

const backend = Effect.gen(function* () {
  const { sql, queryOne } = yield* Db
  return (yield* queryOne("test.backend", Backend, sql`SELECT pg_backend_pid() AS pid`)).pid
})

const write = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute("test.write", sql`CREATE TABLE IF NOT EXISTS t (n int)`)
})

/** Opens as many connections as this at the same time; returns their server processes. */
const openConnections = (count: number) =>
  Effect.gen(function* () {
    const { sql, queryOne } = yield* Db
    const one = queryOne("test.open", Backend, sql`SELECT pg_backend_pid() AS pid FROM pg_sleep(0.3)`)
    const opened = yield* Effect.all(
      Array.from({ length: count }, () => one),
      { concurrency: "unbounded" }
    )
    return new Set(opened.map(({ pid }) => pid))
  })

describe("Db: a writer that is elsewhere now", () => {
  it.live("closes all connections when one answers read-only, and the next statement works", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* setReadOnly(database, true)
      yield* Effect.gen(function* () {
        const old = yield* openConnections(3)
        assert.strictEqual(old.size, 3)
        yield* setReadOnly(database, false)
        const error = yield* Effect.flip(write)
        assert.deepStrictEqual([error.sqlState, error.isTransient], ["25006", true])
        yield* write
        for (const pid of yield* openConnections(3)) assert.isFalse(old.has(pid))
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("does so for a statement of a transaction too", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* setReadOnly(database, true)
      yield* Effect.gen(function* () {
        const { transaction } = yield* Db
        yield* backend
        yield* setReadOnly(database, false)
        const error = yield* Effect.flip(transaction("test.transaction", write))
        assert.deepStrictEqual([error.sqlState, error.isTransient], ["25006", true])
        yield* transaction("test.transaction", write)
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("closes a connection that was left in an aborted transaction", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        const old = yield* backend
        yield* execute("test.begin", sql.unsafe("BEGIN"))
        yield* Effect.flip(execute("test.abort", sql`SELECT 1 / 0`))
        const error = yield* Effect.flip(execute("test.aborted", sql`SELECT 1`))
        assert.deepStrictEqual([error.sqlState, error.isTransient], ["25P02", true])
        assert.notStrictEqual(yield* backend, old)
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("ends transactions on a session that has lost its prepared statements, as behind a pooler", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute, transaction } = yield* Db
        const forget = execute("test.forget", sql.unsafe("DEALLOCATE ALL"))
        const failure = execute("test.failure", sql`SELECT 1 / 0`)
        const old = yield* backend
        // What is prepared at all is prepared by now.
        yield* transaction("test.commit", write)
        yield* Effect.flip(transaction("test.rollback", failure))
        yield* transaction("test.commit", forget)
        assert.strictEqual(yield* backend, old)
        const lost = yield* Effect.flip(transaction("test.rollback", Effect.andThen(forget, failure)))
        assert.deepStrictEqual([lost.sqlState, lost.isTransient], ["26000", true])
        assert.strictEqual(yield* backend, old)
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("gives work without a limit its time where the database limits transactions", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* asAdmin((sql) => sql.unsafe(`ALTER DATABASE ${database} SET transaction_timeout = '200ms'`))
      yield* Effect.gen(function* () {
        const { sql, unlimited } = yield* Db
        yield* unlimited("test.long", sql`SELECT pg_sleep(0.5)`)
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("keeps no connection whose transaction did not end as it was asked to", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute, transaction } = yield* Db
        const old = yield* backend
        yield* execute("test.table", sql.unsafe("CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        const twice = execute("test.twice", sql.unsafe("INSERT INTO t VALUES (1), (1)"))
        assert.strictEqual((yield* Effect.flip(transaction("test.commit", twice))).sqlState, "23505")
        assert.notStrictEqual(yield* backend, old)
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("refuses to listen on a read-only server, and listens once it is the writer", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* setReadOnly(database, true)
      yield* Effect.gen(function* () {
        const { sql, execute, listen } = yield* Db
        const error = yield* Effect.flip(Effect.scoped(listen("news")))
        assert.deepStrictEqual([error.sqlState, error.isTransient], ["25006", true])
        yield* setReadOnly(database, false)
        // The pool may have opened a connection between the refusal and the change.
        const news = yield* Effect.retry(listen("news"), { while: ({ isTransient }) => isTransient })
        yield* execute("test.notify", sql`SELECT pg_notify('news', 'hello')`)
        assert.strictEqual((yield* Stream.runHead(news)).valueOrUndefined, "hello")
      }).pipe(Effect.scoped, Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("fails a listener that falls silent; a new one ends what still waits on the old connections", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const network = yield* networkTo(database)
      yield* Effect.gen(function* () {
        const { sql, execute, listen } = yield* Db
        yield* backend
        const news = yield* listen("news")
        yield* backend
        yield* network.fallSilent
        const waiting = yield* Effect.forkChild(Effect.flip(execute("test.waiting", sql`SELECT 1`)))
        const silent = yield* Effect.flip(Stream.runDrain(news))
        assert.isTrue(silent.isTransient)
        assert.include(silent.message, "listen news: the database did not answer within 2s")
        assert.isUndefined(waiting.pollUnsafe())

        yield* network.recover
        yield* listen("news")
        const givenUp = yield* Fiber.join(waiting)
        assert.isTrue(givenUp.isTransient)
        assert.include(givenUp.message, "test.waiting: the database did not answer on a connection that fell silent")
        yield* write
      }).pipe(Effect.scoped, Effect.provide(dbAt(network.target)))
    })
  )
})
