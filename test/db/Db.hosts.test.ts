import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { proxyTo } from "../../scripts/lib/tcpProxy.ts"
import { Db } from "../../src/db/Db.ts"
import { configuration } from "../support/database.ts"
import { type TcpPostgres, tcpPostgres } from "../support/tcpPostgres.ts"

/** Two servers that know nothing of each other: a fail-over is played by making one read-only and the other one not. */
class Servers extends Context.Service<Servers, { readonly a: TcpPostgres; readonly b: TcpPostgres }>()(
  "test/Servers"
) {}

const hba = "host all all all trust\n"

const servers = Layer.effect(
  Servers,
  Effect.gen(function* () {
    return Servers.of({ a: yield* tcpPostgres({ tls: false, hba }), b: yield* tcpPostgres({ tls: false, hba }) })
  })
).pipe(Layer.orDie)

const dbOf = (ports: ReadonlyArray<number>, query: string) =>
  Layer.fresh(
    Db.layer({
      url: Redacted.make(
        `postgres://pulse_background@${ports.map((port) => `127.0.0.1:${port}`).join(",")}/pulse_background?${query}`
      )
    }).pipe(Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "60" })))
  )

const setReadOnly = ({ port }: TcpPostgres, is: boolean) =>
  Effect.gen(function* () {
    const { sql } = yield* Db
    yield* sql.unsafe("SET default_transaction_read_only = off")
    yield* sql.unsafe(`ALTER DATABASE pulse_background SET default_transaction_read_only = ${is ? "on" : "off"}`)
  }).pipe(
    Effect.scoped,
    Effect.provide(dbOf([port], "target_session_attrs=any&application_name=admin"), { local: true })
  )

const write = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute("test.write", sql`CREATE TABLE IF NOT EXISTS t (n int)`)
})

const portInUse = Effect.gen(function* () {
  const { sql, queryOne } = yield* Db
  const Port = Schema.Struct({ port: Schema.Int })
  return (yield* queryOne("test.port", Port, sql`SELECT inet_server_port() AS port`)).port
})

layer(servers, { timeout: "2 minutes", excludeTestServices: true })("Db: several hosts", (it) => {
  it.effect("takes the first that can be reached and written to", () =>
    Effect.gen(function* () {
      const { a, b } = yield* Servers
      const inUse = (ports: ReadonlyArray<number>, query: string) =>
        Effect.provide(portInUse, dbOf(ports, query), { local: true })
      assert.strictEqual(yield* inUse([1, a.port, b.port], ""), a.port)
      yield* setReadOnly(a, true)
      assert.strictEqual(yield* inUse([a.port, b.port], ""), b.port)
      assert.strictEqual(yield* inUse([a.port, b.port], "target_session_attrs=read-write"), b.port)
      assert.strictEqual(yield* inUse([1, a.port, b.port], "target_session_attrs=any"), a.port)
      assert.strictEqual(yield* inUse([a.port, b.port], "target_session_attrs=primary"), a.port)
      const refused = yield* Effect.flip(inUse([1, a.port], "sslmode=disable"))
      assert.include(refused.message, "ECONNREFUSED")
      assert.include(refused.message, `127.0.0.1:${a.port}: is read-only, as a standby is`)
      assert.include((yield* Effect.flip(inUse([a.port], "target_session_attrs=read-write"))).message, "is read-only")
      yield* setReadOnly(a, false)
    })
  )

  it.effect("moves to the next host when the server in use becomes read-only, and back", () =>
    Effect.gen(function* () {
      const { a, b } = yield* Servers
      yield* setReadOnly(b, true)
      yield* Effect.gen(function* () {
        yield* write
        assert.strictEqual(yield* portInUse, a.port)
        for (const [from, to] of [
          [a, b],
          [b, a]
        ] as const) {
          yield* setReadOnly(to, false)
          yield* setReadOnly(from, true)
          // The open connection has been told to stay as it is.
          const { execute, sql } = yield* Db
          yield* execute("test.readOnly", sql.unsafe("SET default_transaction_read_only = on"))
          const error = yield* Effect.flip(write)
          assert.deepStrictEqual([error.sqlState, error.isTransient], ["25006", true])
          yield* write
          assert.strictEqual(yield* portInUse, to.port)
        }
      }).pipe(Effect.provide(dbOf([a.port, b.port], "")))
      yield* setReadOnly(b, false)
    })
  )

  it.effect("moves to the next host when the server in use is gone, with statements and listeners", () =>
    Effect.gen(function* () {
      const { a, b } = yield* Servers
      const network = yield* proxyTo({ port: a.port })
      yield* Effect.gen(function* () {
        const { listen, execute, sql } = yield* Db
        const news = yield* listen("news")
        assert.strictEqual(yield* portInUse, a.port)
        yield* network.cut
        assert.isTrue((yield* Effect.flip(Stream.runDrain(news))).isTransient)
        yield* Effect.retry(write, { while: ({ isTransient }) => isTransient, times: 20 })
        assert.strictEqual(yield* portInUse, b.port)
        const again = yield* listen("news")
        yield* execute("test.notify", sql`SELECT pg_notify('news', 'hello')`)
        assert.strictEqual((yield* Stream.runHead(again)).valueOrUndefined, "hello")
      }).pipe(Effect.scoped, Effect.provide(dbOf([network.port, b.port], "")))
    }).pipe(Effect.scoped)
  )

  it.effect("moves to the next host when the server in use falls silent", () =>
    Effect.gen(function* () {
      const { a, b } = yield* Servers
      const network = yield* proxyTo({ port: a.port })
      yield* Effect.gen(function* () {
        const { listen } = yield* Db
        const news = yield* listen("news")
        assert.strictEqual(yield* portInUse, a.port)
        yield* network.fallSilent
        assert.isTrue((yield* Effect.flip(Stream.runDrain(news))).isTransient)
        yield* Effect.retry(listen("news"), { while: ({ isTransient }) => isTransient, times: 20 })
        assert.strictEqual(yield* portInUse, b.port)
      }).pipe(Effect.scoped, Effect.provide(dbOf([network.port, b.port], "connect_timeout=1")))
    }).pipe(Effect.scoped)
  )

  it.effect("looks again when the search itself meets a connection that falls silent", () =>
    Effect.gen(function* () {
      const { a } = yield* Servers
      const network = yield* proxyTo({ port: a.port })
      yield* Effect.gen(function* () {
        const { listen } = yield* Db
        const news = yield* listen("news")
        // The first statement on a new connection sets its settings.
        yield* network.fallSilentAt("set_config")
        yield* network.cut
        assert.isTrue((yield* Effect.flip(Stream.runDrain(news))).isTransient)
        yield* Effect.flip(write)
        yield* network.recover
        yield* network.fallSilentAt("set_config")
        const error = yield* Effect.flip(write)
        assert.include(error.message, "the server did not answer on a new connection")
        yield* network.recover
        yield* write
      }).pipe(Effect.scoped, Effect.provide(dbOf([network.port], "connect_timeout=1")))
    }).pipe(Effect.scoped)
  )
})
