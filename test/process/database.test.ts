import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick } from "../support/daemon.ts"
import { asAdmin, configuration, dbAt, freshDatabase } from "../support/database.ts"
import { eventually, runMain, type Run, startMain, urlOf } from "../support/processes.ts"

const untilItWorks = ({ output }: Run) =>
  eventually("its workers run", Effect.sync(output), (log) => log.includes("is running as"))

describe("DATABASE_URL", () => {
  it.live("two first starts at once work in a schema of their own, in a database that is serializable by default", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const url = `${urlOf(database)}?options=-csearch_path%3Dtrading`
      yield* Effect.provide(
        Effect.flatMap(Db, ({ sql }) => sql.unsafe("CREATE SCHEMA trading")),
        dbAt(database),
        { local: true }
      )
      yield* asAdmin((sql) =>
        sql.unsafe(`ALTER DATABASE ${database} SET default_transaction_isolation = 'serializable'`)
      )
      const environment = { ...quick, DATABASE_URL: url }
      const runs = yield* Effect.all([startMain([], environment), startMain([], environment)])
      yield* Effect.forEach(runs, untilItWorks)
      yield* Effect.gen(function* () {
        yield* insertOrders(10, { duration_minutes: 0, num_splits: 5 }, 0)
        yield* allProcessed(50)
      }).pipe(Effect.provide(Db.layer({ url: Redacted.make(url) }).pipe(Layer.provide(configuration()))))
      for (const { child } of runs) child.kill("SIGTERM")
      for (const { exit, output } of runs) {
        assert.strictEqual(yield* exit, 0)
        assert.notInclude(output(), "could not serialize")
      }
    }).pipe(Effect.scoped)
  )

  it.live("ends with what to write instead, for the daemon and for commands", () =>
    Effect.gen(function* () {
      for (const args of [[], ["migrate"], ["order", "list"]]) {
        const { code, output } = yield* runMain(args, {
          DATABASE_URL: "postgres://joe:secret-word@127.0.0.1:1/x?schema=trading&sslMode=require"
        })
        assert.strictEqual(code, 1)
        assert.include(output, "DATABASE_URL must not have the parameter schema: write options=-csearch_path%3Dtrading")
        assert.include(output, "DATABASE_URL must not have the parameter sslMode: write sslmode")
        assert.notInclude(output, "secret-word")
      }
    })
  )

  it.live("is what selects a server: PGHOST alone does not, and the daemon says so", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-pghost-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
      )
      const run = yield* startMain([], { ...quick, EMBEDDED_POSTGRES_FOLDER: folder, PGHOST: "127.0.0.1", PGPORT: "1" })
      yield* untilItWorks(run)
      assert.include(run.output(), "PGHOST, PGPORT without DATABASE_URL: the service uses its own PostgreSQL")
      run.child.kill("SIGTERM")
      assert.strictEqual(yield* run.exit, 0)
      const { code, output } = yield* runMain(["order", "list"], {
        DATABASE_URL: "postgres://",
        PGHOST: "127.0.0.1",
        PGPORT: "1",
        PGDATABASE: "d"
      })
      assert.strictEqual(code, 1)
      assert.include(output, "Cannot use the database at 127.0.0.1:1/d")
    }).pipe(Effect.scoped)
  )
})
