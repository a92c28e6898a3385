import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { createServer, type Server } from "node:net"
import type { DbTarget } from "../../src/db/connect.ts"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { asAdmin, configuration, freshDatabase, targetOf } from "../support/database.ts"
import { urlOfTarget } from "../support/tcpProxy.ts"

/** A server that answers the start of each connection with an error; returns its port. */
const serverThatAnswers = (sqlState: string, words: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const body = `SFATAL\0VFATAL\0C${sqlState}\0M${words}\0\0`
        const length = Buffer.alloc(4)
        length.writeInt32BE(body.length + 4)
        const server = createServer((socket) => {
          socket.on("error", () => undefined)
          socket.once("data", () => socket.end(Buffer.concat([Buffer.from("E"), length, Buffer.from(body)])))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : assert.fail("no port")
    }
  )

const dbAt = (target: DbTarget) => Layer.fresh(Db.layer(target).pipe(Layer.provide(configuration())))

describe("Db: a server that cannot be used", () => {
  const secret = Redacted.make("pa$$ word/?#")
  const refusalAt = (target: DbTarget) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(dbAt(target)))), (error) => {
      for (const shown of [error.message, JSON.stringify(error), `${error.stack}`]) {
        assert.notInclude(shown, "pa$$")
        assert.notInclude(shown, encodeURIComponent("pa$$"))
      }
      return error
    })
  const assertTells = (error: DbError, ...parts: ReadonlyArray<string>) => {
    assert.strictEqual(error.operation, "connect")
    for (const part of parts) assert.include(error.message, part)
    assert.notInclude(error.message, ": .")
  }
  const hint = "Check that DATABASE_URL is right and that the server is running and accepts this user."

  it.live("fails with the reason when the password is wrong", () =>
    Effect.gen(function* () {
      const { host, port } = targetOf("postgres")
      const error = yield* refusalAt({ url: urlOfTarget(targetOf("postgres"), secret) })
      assertTells(error, `the database at ${host}:${port}/postgres: `, "password authentication failed", hint)
      assert.isFalse(error.isTransient)
    })
  )

  it.live("fails with the reason when the database does not exist", () =>
    Effect.gen(function* () {
      const target = targetOf("no_such")
      const error = yield* refusalAt({ url: urlOfTarget(target, target.password) })
      assertTells(error, 'database "no_such" does not exist', hint)
      assert.isFalse(error.isTransient)
      assert.notInclude(error.message, Redacted.value(target.password))
    })
  )

  for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
    it.live(`fails with the reason when nothing listens at ${host}`, () =>
      Effect.gen(function* () {
        const error = yield* refusalAt({
          url: Redacted.make(`postgres://me:${encodeURIComponent(Redacted.value(secret))}@${host}:1/db`)
        })
        assertTells(error, `the database at ${host}:1/db: `, "ECONNREFUSED", hint)
        assert.isTrue(error.isTransient)
      })
    )
  }

  it.live("tells a server that is only away from one that somebody has to set right", () =>
    Effect.gen(function* () {
      for (const [sqlState, words, isAway] of [
        ["57P03", "the database system is starting up", true],
        ["53300", "sorry, too many clients already", true],
        ["08P01", "server login has been failing, try again later (server_login_retry)", true],
        ["08P01", "no such user", false],
        ["42501", "permission denied for database x", false]
      ] as const) {
        const port = yield* serverThatAnswers(sqlState, words)
        const at = `postgres://joe@127.0.0.1:${port}/x?sslmode=disable`
        const error = yield* refusalAt({ url: Redacted.make(at) })
        assertTells(error, words)
        assert.strictEqual(error.isTransient, isAway, words)
      }
      for (const hosts of ["no-such-host.invalid", "127.0.0.1:1,127.0.0.1:2"]) {
        assert.isTrue((yield* refusalAt({ url: Redacted.make(`postgres://joe@${hosts}/x`) })).isTransient, hosts)
      }
    }).pipe(Effect.scoped)
  )

  it.live("names the server that the URL's parameters select", () =>
    Effect.gen(function* () {
      const error = yield* refusalAt({
        url: Redacted.make("postgres:///?host=/no/such&port=1234&dbname=mine&user=me&password=pa$$")
      })
      assertTells(error, "the database at /no/such:1234/mine: ", "ENOENT", hint)
    })
  )

  it.live("does not suggest DATABASE_URL when the server is the embedded one", () =>
    Effect.gen(function* () {
      const error = yield* refusalAt({ ...targetOf("postgres"), host: "/no/such" })
      assertTells(error, "the database at /no/such (port ")
      assert.notInclude(error.message, "DATABASE_URL")
    })
  )

  it.live("refuses a server that is too old", () =>
    Effect.gen(function* () {
      const name = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        yield* execute("test.schema", sql`CREATE SCHEMA older`)
        yield* execute(
          "test.function",
          sql`CREATE FUNCTION older.current_setting(name text) RETURNS text LANGUAGE sql AS
            $$ SELECT CASE name WHEN 'server_version_num' THEN '140011' ELSE '14.11' END $$`
        )
      }).pipe(Effect.provide(dbAt(targetOf(name))))
      yield* asAdmin((sql) => sql.unsafe(`ALTER DATABASE ${name} SET search_path = older, pg_catalog`))
      const error = yield* refusalAt(targetOf(name))
      assertTells(error, "is PostgreSQL 14.11; version 15 or later is needed")
      assert.isFalse(error.isTransient)
    })
  )
})
