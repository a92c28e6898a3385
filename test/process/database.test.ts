import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick } from "../support/daemon.ts"
import { asAdmin, configuration, dbAt, freshDatabase } from "../support/database.ts"
import { eventually, runMain, type Run, startMain, urlOf } from "../support/processes.ts"
import { applyRoles, databaseForRoles, urlAs } from "../support/roles.ts"
import { contractRow } from "../support/service.ts"

const dbOf = (url: string) => Layer.fresh(Db.layer({ url: Redacted.make(url) }).pipe(Layer.provide(configuration())))

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
      }).pipe(Effect.provide(dbOf(url)))
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

  it.live("may name a role that only has what deploy/postgres/roles.sql gives it", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("empty")
      yield* Effect.provide(applyRoles(names), dbAt(database), { local: true })
      const as = (url: string) => ({ ...quick, LIMIT_ORDERS_PER_DAY: "100", DATABASE_URL: url })
      const asService = as(yield* urlAs(names.service, database))
      const early = yield* runMain([], asService)
      assert.strictEqual(early.code, 1)
      assert.include(early.output, `Apply as ${names.owner}, by DATABASE_URL with that user: node dist/main.js migrate`)
      const migrated = yield* runMain(["migrate"], as(yield* urlAs(names.owner, database)))
      assert.strictEqual(migrated.code, 0, migrated.output)
      const daemon = yield* startMain([], asService)
      yield* untilItWorks(daemon)
      yield* Effect.gen(function* () {
        const { sql, execute } = yield* Db
        for (const row of [contractRow("o0", { duration_minutes: 0 }), contractRow("long", { duration_minutes: 60 })]) {
          yield* execute("test.insert", sql`INSERT INTO orders ${sql.insert(row)}`)
        }
        yield* allProcessed(6)
      }).pipe(Effect.provide(dbOf(yield* urlAs(names.api, database))))
      for (const command of [
        "order submit --instrument NSE:INFY --side BUY --quantity 10 --splits 5 --duration 60",
        "order amend long --reason x --window 30",
        "order pause long --reason x",
        "order resume long --reason x",
        "order cancel long --reason x",
        "halt --reason x",
        "resume --reason x",
        "profile set NSE:INFY 9,4,3,5",
        "profile remove NSE:INFY",
        "report o0",
        "audit o0",
        "settle",
        "actions",
        "prune --older-than 7",
        "migrate"
      ]) {
        const { code, output } = yield* runMain(command.split(" "), asService)
        assert.notInclude(output, "permission denied", command)
        assert.strictEqual(code, 0, `${command}: ${output}`)
      }
      const { output: found } = yield* runMain(["doctor"], asService)
      for (const check of ["role", "row-level security", "rights of others", "migrations", "transactions"]) {
        assert.match(found, new RegExp(`^OK +${check} `, "m"))
      }
      assert.notInclude(daemon.output(), "permission denied")

      yield* Effect.provide(
        Effect.flatMap(Db, ({ sql }) => sql.unsafe("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")),
        dbAt(database),
        { local: true }
      )
      yield* eventually("its ticks fail", Effect.sync(daemon.output), (log) =>
        log.includes('row-level security policy for table \\"orders\\". The service must see all rows')
      )
      const hidden = yield* runMain(["doctor"], asService)
      assert.match(hidden.output, /^PROBLEM +row-level security +statements on orders fail/m)
      assert.match(
        hidden.output,
        /^WARNING +work +not checked: .*row-level security.*\n +→ doc\/guides\/database.md says/m
      )
      daemon.child.kill("SIGTERM")
      assert.strictEqual(yield* daemon.exit, 0)
    }).pipe(Effect.scoped)
  )
})
