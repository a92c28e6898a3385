import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { DbTarget } from "../../src/db/connect.ts"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { probe } from "../../src/db/pool.ts"
import { asAdmin, configuration, freshDatabase, targetOf } from "../support/database.ts"
import { eventually } from "../support/processes.ts"
import { networkTo } from "../support/tcpProxy.ts"

/** Db with the maximum statement timeout: a statement that ends here ends for another reason. */
const dbAt = (target: DbTarget, seconds = 600) =>
  Layer.fresh(
    Db.layer(target).pipe(
      Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: `${seconds}`, DATABASE_POOL_SIZE: "3" })),
      Layer.orDie
    )
  )

/** The total limit of a statement whose timeout on the server is two seconds. A new connection has a limit of five. */
const limit = Duration.seconds(4)

/** Db with a statement timeout of two seconds. Connections use the host's clock, statements the test's clock. */
const shortTimeoutDb = (target: DbTarget) => TestClock.withLive(Layer.build(dbAt(target, 2)))

/** Runs work that never ends by itself; asserts that it is given up exactly at its limit, and returns its result. */
const givenUpInTime = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const waiting = yield* Effect.forkChild(work, { startImmediately: true })
    yield* TestClock.adjust(Duration.subtract(limit, Duration.millis(1)))
    assert.isUndefined(waiting.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.isDefined(waiting.pollUnsafe())
    return yield* Fiber.join(waiting)
  })

const works = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const rows = yield* query("test.works", Schema.Struct({ one: Schema.Int }), sql`SELECT 1 AS one`)
  assert.deepStrictEqual(rows, [{ one: 1 }])
})

/** The server processes of a database that run a statement like this. */
const backendsOf = (database: string, statement: string) =>
  asAdmin(
    (sql) => sql<{ readonly pid: number }>`
      SELECT pid FROM pg_stat_activity WHERE datname = ${database} AND query LIKE ${statement}`
  )

const kill = (database: string, statement: string) =>
  Effect.gen(function* () {
    yield* eventually("the statement runs", backendsOf(database, statement), (rows) => rows.length > 0)
    yield* asAdmin(
      (sql) =>
        sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${database} AND query LIKE ${statement}`
    )
    yield* eventually("it is gone", backendsOf(database, statement), (rows) => rows.length === 0)
  })

const assertTransient = (error: DbError, operation: string) => {
  assert.deepStrictEqual([error._tag, error.operation, error.isTransient], ["DbError", operation, true], error.message)
}

describe.concurrent("Db: a server that ends a connection, and one that never answers", () => {
  it.live("fails the statement on that connection, and the next one works", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        const fiber = yield* Effect.forkChild(Effect.flip(execute("test.killed", sql`SELECT pg_sleep(600)`)))
        yield* kill(database, "%pg_sleep(600)%")
        const error = yield* Fiber.join(fiber)
        assertTransient(error, "test.killed")
        yield* works
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("fails a transaction with an error, not a defect, during a statement and between two", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute, transaction } = yield* Db
        const during = yield* Effect.forkChild(
          Effect.flip(transaction("test.transaction", execute("test.killed", sql`SELECT pg_sleep(600)`)))
        )
        yield* kill(database, "%pg_sleep(600)%")
        assert.isTrue((yield* Fiber.join(during)).isTransient)

        const between = yield* Effect.flip(
          transaction(
            "test.transaction",
            Effect.gen(function* () {
              yield* execute("test.first", sql`SELECT 'first'`)
              yield* kill(database, "SELECT 'first'%")
              yield* Effect.ignore(execute("test.second", sql`SELECT 2`))
            })
          )
        )
        assert.isTrue(between instanceof Error && "isTransient" in between && between.isTransient)
        yield* works
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("fails work without a timeout likewise", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, unlimited } = yield* Db
        const fiber = yield* Effect.forkChild(
          Effect.flip(unlimited<unknown, never, never>("test.long", sql`SELECT pg_sleep(600)`))
        )
        yield* kill(database, "%pg_sleep(600)%")
        assertTransient(yield* Fiber.join(fiber), "test.long")
        yield* works
      }).pipe(Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.live("fails a listener, and a new listener works", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute, listen } = yield* Db
        const listener = yield* Effect.forkChild(Effect.flip(Stream.runDrain(Stream.unwrap(listen("news")))))
        yield* kill(database, probe)
        assertTransient(yield* Fiber.join(listener), "listen news")

        const news = yield* listen("news")
        yield* execute("test.notify", sql`SELECT pg_notify('news', 'hello')`)
        assert.strictEqual((yield* Stream.runHead(news)).valueOrUndefined, "hello")
      }).pipe(Effect.scoped, Effect.provide(dbAt(targetOf(database))))
    })
  )

  it.effect("gives a statement up after its timeout, and works again when the network does", () =>
    Effect.gen(function* () {
      const network = yield* networkTo(yield* freshDatabase("empty"))
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        yield* network.fallSilent
        const error = yield* givenUpInTime(Effect.flip(execute("test.silent", sql`SELECT 1`)))
        assertTransient(error, "test.silent")
        assert.include(error.message, "test.silent: the database did not answer within 4s")
        yield* network.recover
        yield* works
      }).pipe(Effect.provide(yield* shortTimeoutDb(network.target)))
    })
  )

  it.effect("gives a transaction up after its timeout, also when the silence begins at its COMMIT", () =>
    Effect.gen(function* () {
      const network = yield* networkTo(yield* freshDatabase("empty"))
      yield* Effect.gen(function* () {
        const { sql, execute, transaction } = yield* Db
        yield* network.fallSilentAt("COMMIT")
        const isAnswered = yield* Deferred.make<void>()
        const statement = Effect.tap(execute("test.statement", sql`SELECT 1`), Deferred.succeed(isAnswered, undefined))
        const waiting = yield* Effect.forkChild(Effect.flip(transaction("test.silent", statement)), {
          startImmediately: true
        })
        yield* Deferred.await(isAnswered)
        assertTransient(yield* givenUpInTime(Fiber.join(waiting)), "test.silent")
        yield* network.recover
        yield* works
      }).pipe(Effect.provide(yield* shortTimeoutDb(network.target)))
    })
  )

  it.effect("gives each of many statements up after its timeout, also those that wait for a connection", () =>
    Effect.gen(function* () {
      const network = yield* networkTo(yield* freshDatabase("empty"))
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        yield* network.fallSilent
        const errors = yield* givenUpInTime(
          Effect.forEach(Array.from({ length: 10 }), () => Effect.flip(execute("test.silent", sql`SELECT 1`)), {
            concurrency: "unbounded"
          })
        )
        for (const error of errors) assertTransient(error, "test.silent")
        yield* network.recover
        yield* eventually("statements work again", Effect.isSuccess(works), Boolean)
      }).pipe(Effect.provide(yield* shortTimeoutDb(network.target)))
    })
  )

  it.live("does not delay the end of the process", () =>
    Effect.gen(function* () {
      const network = yield* networkTo(yield* freshDatabase("empty"))
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        yield* network.fallSilent
        yield* Effect.forkScoped(execute("test.silent", sql`SELECT 1`), { startImmediately: true })
      }).pipe(Effect.scoped, Effect.provide(dbAt(network.target)))
    })
  )

  it.live("does not delay the end of a listener", () =>
    Effect.gen(function* () {
      const network = yield* networkTo(yield* freshDatabase("empty"))
      yield* Effect.gen(function* () {
        const { listen } = yield* Db
        yield* listen("news")
        yield* network.fallSilent
      }).pipe(Effect.scoped, Effect.provide(dbAt(network.target)))
    })
  )

  it.live("fails the start with the reason", () =>
    Effect.gen(function* () {
      const network = yield* networkTo(yield* freshDatabase("empty"))
      yield* network.fallSilent
      const error = yield* Effect.flip(
        Layer.build(
          Db.layer(network.target).pipe(Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "0.1" })))
        )
      )
      assert.include(error.message, "Cannot use the database at 127.0.0.1")
      assert.isTrue(error.isTransient)
    })
  )
})
