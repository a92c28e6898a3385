import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe } from "vitest"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { configuration } from "../support/database.ts"
import { eventually } from "../support/processes.ts"
import { freePort, runServer, type TcpPostgres, tcpPostgres } from "../support/tcpPostgres.ts"

/** PgBouncer is no npm package: these tests run where it is installed, and say so elsewhere. */
const hasPgBouncer = (() => {
  try {
    execFileSync("pgbouncer", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    console.warn("Skipped: pgbouncer is not installed, so test/db/Db.pooler.test.ts tests nothing.")
    return false
  }
})()

/** A PgBouncer before a server. */
const pgBouncer = Effect.fnUntraced(function* (server: TcpPostgres, settings: Readonly<Record<string, string>>) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-pgbouncer-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const port = yield* freePort
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: `${port}`,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: join(folder, "users.txt"),
    ...settings
  }
  const configure = (more: Readonly<Record<string, string>>) =>
    Effect.promise(() =>
      writeFile(
        join(folder, "pgbouncer.ini"),
        `[databases]\n* = host=127.0.0.1 port=${server.port}\n[pgbouncer]\n` +
          Object.entries({ ...all, ...more })
            .map(([name, value]) => `${name} = ${value}\n`)
            .join("")
      )
    )
  yield* Effect.promise(async () => {
    await chmod(folder, 0o755)
    await writeFile(join(folder, "users.txt"), '"pulse_background" ""\n')
  })
  yield* configure({})
  const process = yield* runServer("pgbouncer", [join(folder, "pgbouncer.ini")], server.account)
  yield* eventually("PgBouncer is ready", process.log, (text) => text.includes("process up"))
  const setPoolMode = (mode: string) =>
    Effect.gen(function* () {
      yield* configure({ pool_mode: mode })
      const before = yield* process.log
      yield* process.signal("SIGHUP")
      yield* eventually("PgBouncer has read its file", process.log, (text) =>
        text.slice(before.length).includes("re-reading config")
      )
    })
  return { port, setPoolMode }
})

const dbAt = (port: number, query = "") =>
  Layer.fresh(
    Db.layer({
      url: Redacted.make(
        `postgres://pulse_background@127.0.0.1:${port}/pulse_background?sslmode=disable&connect_timeout=2&${query}`
      )
    }).pipe(Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "60" })))
  )

class Server extends Context.Service<Server, TcpPostgres>()("test/Server") {}

const oneServer = Layer.effect(Server, tcpPostgres({ tls: true, hba: "host all all all trust\n" })).pipe(Layer.orDie)

describe.skipIf(!hasPgBouncer)("Db: PgBouncer", () => {
  layer(oneServer, { timeout: "2 minutes", excludeTestServices: true })((it) => {
    it.effect("works in session mode without a setting of PgBouncer, and has what it asked for in force", () =>
      Effect.gen(function* () {
        const server = yield* Server
        const { port } = yield* pgBouncer(server, { pool_mode: "session" })
        yield* Effect.provide(
          Effect.flatMap(Db, ({ sql }) => sql.unsafe("CREATE SCHEMA trading")),
          dbAt(server.port),
          { local: true }
        )
        yield* Effect.gen(function* () {
          const { execute, listen, queryOne, sql } = yield* Db
          yield* migrate
          const found = yield* queryOne(
            "test.settings",
            Schema.Struct({ timeout: Schema.String, zone: Schema.String, schema: Schema.String }),
            sql`SELECT current_setting('statement_timeout') AS timeout, current_setting('timezone') AS zone,
            'orders'::regclass::oid::regclass::text || '|' || current_schema() AS schema`
          )
          assert.deepStrictEqual(found, { timeout: "1min", zone: "UTC", schema: "orders|trading" })
          const news = yield* listen("news")
          yield* execute("test.notify", sql`SELECT pg_notify('news', 'hello')`)
          assert.strictEqual((yield* Stream.runHead(news)).valueOrUndefined, "hello")
        }).pipe(Effect.scoped, Effect.provide(dbAt(port, "options=-csearch_path%3Dtrading")))
      }).pipe(Effect.scoped)
    )

    it.effect("is refused in the other modes, with the reason", () =>
      Effect.gen(function* () {
        const server = yield* Server
        const refused = (settings: Readonly<Record<string, string>>) =>
          Effect.gen(function* () {
            const { port } = yield* pgBouncer(server, settings)
            const error = yield* Effect.flip(Effect.scoped(Layer.build(dbAt(port))))
            assert.include(error.message, `The pooler at 127.0.0.1:${port}/pulse_background`, JSON.stringify(settings))
            assert.include(error.message, "use session mode (PgBouncer: pool_mode = session)")
            assert.isFalse(error.isTransient)
          })
        yield* Effect.all(
          [
            refused({ pool_mode: "transaction" }),
            refused({ pool_mode: "transaction", server_round_robin: "1" }),
            refused({ pool_mode: "transaction", default_pool_size: "1" }),
            refused({ pool_mode: "statement" }),
            refused({ pool_mode: "session", default_pool_size: "1" })
          ],
          { concurrency: "unbounded" }
        )
      }).pipe(Effect.scoped)
    )

    it.effect("must allow several connections", () =>
      Effect.gen(function* () {
        const { port } = yield* pgBouncer(yield* Server, { pool_mode: "session", max_client_conn: "1" })
        const { message } = yield* Effect.flip(Effect.scoped(Layer.build(dbAt(port))))
        assert.include(
          message,
          `Cannot use the database at 127.0.0.1:${port}/pulse_background: no more connections allowed`
        )
        assert.include(message, "Let PgBouncer's max_client_conn allow")
      }).pipe(Effect.scoped)
    )

    it.effect("counts as plain text without TLS of its own, however it reaches the server", () =>
      Effect.gen(function* () {
        const server = yield* Server
        const { port } = yield* pgBouncer(server, { pool_mode: "session", server_tls_sslmode: "require" })
        yield* Effect.gen(function* () {
          const { isEncrypted, queryOne, sql } = yield* Db
          const Ssl = Schema.Struct({ ssl: Schema.Boolean })
          const statement = sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
          assert.isTrue((yield* queryOne("test.ssl", Ssl, statement)).ssl)
          assert.isFalse(yield* isEncrypted)
        }).pipe(Effect.provide(dbAt(port)))
      }).pipe(Effect.scoped)
    )

    it.effect("is noticed when it leaves session mode, and when it is back", () =>
      Effect.gen(function* () {
        const server = yield* Server
        const { port, setPoolMode } = yield* pgBouncer(server, { pool_mode: "session" })
        yield* Effect.gen(function* () {
          const { execute, listen, sql } = yield* Db
          const news = yield* listen("news")
          yield* execute("test.work", sql`SELECT 1`)
          yield* setPoolMode("transaction")
          const lost = yield* Effect.flip(Stream.runDrain(news))
          assert.include(lost.message, "the pooler passes on no notifications")
          assert.isTrue(lost.isTransient)
          const refused = yield* Effect.flip(Effect.scoped(listen("news")))
          assert.include(refused.message, "use session mode (PgBouncer: pool_mode = session)")

          yield* setPoolMode("session")
          const again = yield* Effect.retry(listen("news"), { times: 20 })
          yield* execute("test.notify", sql`SELECT pg_notify('news', 'hello')`)
          assert.strictEqual((yield* Stream.runHead(again)).valueOrUndefined, "hello")
        }).pipe(Effect.scoped, Effect.provide(dbAt(port)))
      }).pipe(Effect.scoped)
    )
  })
})
