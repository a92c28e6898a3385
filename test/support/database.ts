import * as PgClient from "@effect/sql-pg/PgClient"
import { ConfigProvider, Effect, Layer, Random, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { Configuration } from "../../src/config/Configuration.ts"
import type { DbTarget } from "../../src/db/connect.ts"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { makeSlicesWritable } from "./writableViews.ts"

/** The settings of a test: the defaults with its changes. The layer is fresh because layers are memoized by reference. */
export const configuration = (environment: Readonly<Record<string, string>> = {}) =>
  Layer.fresh(Configuration.layer).pipe(
    Layer.orDie,
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
  )

/** A database of the test run's server. */
export const targetOf = (database: string): Extract<DbTarget, { host: string }> => {
  const { host, port, username, password } = inject("postgres")
  return { host, port, username, password: Redacted.make(password), database }
}

/** The maximum, because statements are slow on a busy machine; only vitest limits the time of a test. */
const maxStatementTimeout = { DATABASE_STATEMENT_TIMEOUT_SECONDS: "600" }

/** Db on one of the server's databases. */
export const dbAt = (database: string, environment: Readonly<Record<string, string>> = {}): Layer.Layer<Db, DbError> =>
  Layer.fresh(
    Db.layer(targetOf(database)).pipe(Layer.provide(configuration({ ...maxStatementTimeout, ...environment })))
  )

/** Runs statements on the server's own database, without the project's Db. */
export const asAdmin = <A, E>(work: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
  Effect.flatMap(SqlClient.SqlClient, work).pipe(Effect.provide(PgClient.layer(targetOf("postgres")), { local: true }))

const template = "pulse_template"

const makeTemplate = asAdmin((sql) =>
  Effect.gen(function* () {
    // Every test file needs the template; the first one makes it.
    yield* sql`SELECT pg_advisory_lock(4711)`
    const [found] = yield* sql`SELECT 1 FROM pg_database WHERE datname = ${template}`
    if (found === undefined) {
      yield* sql.unsafe(`CREATE DATABASE ${template}_making`)
      yield* Effect.andThen(migrate, makeSlicesWritable).pipe(
        Effect.provide(dbAt(`${template}_making`), { local: true })
      )
      yield* sql.unsafe(`ALTER DATABASE ${template}_making RENAME TO ${template}`)
    }
    yield* sql`SELECT pg_advisory_unlock(4711)`
  })
).pipe(Effect.orDie)

/** Asked for once in each test file. */
const migratedTemplate = Effect.runSync(Effect.cached(makeTemplate))

/** Creates a database for one test and drops it when the scope closes; returns its name. */
export const freshDatabase = (from: "migrated" | "empty" = "migrated") =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      if (from === "migrated") yield* migratedTemplate
      const name = `test_${(yield* Random.nextIntBetween(0, 36 ** 9)).toString(36)}`
      yield* asAdmin((sql) =>
        sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${from === "migrated" ? template : "template1"}`)
      )
      return name
    }).pipe(Effect.orDie),
    (name) => asAdmin((sql) => sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)).pipe(Effect.orDie)
  )

/** The Db layer on a fresh, migrated database. */
export const testDatabase: Layer.Layer<Db> = Layer.unwrap(
  Effect.map(freshDatabase(), (name) => Layer.orDie(dbAt(name)))
)
