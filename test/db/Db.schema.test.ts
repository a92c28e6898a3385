import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema, Stream } from "effect"
import { Db } from "../../src/db/Db.ts"
import { migrate, migrationState } from "../../src/db/Migrations.ts"
import { channel } from "../../src/db/parameters.ts"
import { asAdmin, configuration, dbAt, freshDatabase, targetOf } from "../support/database.ts"
import { urlOf } from "../support/processes.ts"

const dbOf = (url: string) =>
  Layer.fresh(
    Db.layer({ url: Redacted.make(url) }).pipe(
      Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "60" })),
      Layer.orDie
    )
  )

const Tables = Schema.Struct({ schema: Schema.String, tables: Schema.Int })

/** A role of its own, which can log in and nothing else. */
const freshRole = (database: string) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const role = `${database}_role`
      yield* asAdmin((sql) => sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`))
      return role
    }).pipe(Effect.orDie),
    (role) =>
      Effect.andThen(
        Effect.provide(
          Effect.flatMap(Db, ({ sql }) => sql.unsafe(`DROP OWNED BY ${role} CASCADE`)),
          dbAt(database),
          { local: true }
        ),
        asAdmin((sql) => sql.unsafe(`DROP ROLE ${role}`))
      ).pipe(Effect.orDie)
  )

const urlAs = (role: string, database: string) => {
  const { host, port } = targetOf(database)
  return `postgres://${role}:secret@${encodeURIComponent(host)}:${port}/${database}`
}

describe("Db: a schema of its own", () => {
  it.live("keeps its tables in the schema that options name, and hears of orders inserted by others", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const asOther = dbAt(database)
      yield* Effect.provide(
        Effect.flatMap(Db, ({ sql }) => sql.unsafe("CREATE SCHEMA trading")),
        asOther,
        { local: true }
      )
      yield* Effect.gen(function* () {
        const { listen, query, sql } = yield* Db
        yield* migrate
        const found = yield* query(
          "test.tables",
          Tables,
          sql`SELECT schemaname AS schema, count(*)::int AS tables FROM pg_tables
            WHERE schemaname IN ('trading', 'public') GROUP BY 1`
        )
        assert.deepStrictEqual(
          found.map(({ schema }) => schema),
          ["trading"]
        )
        assert.deepStrictEqual((yield* migrationState).missing, [])
        const news = yield* listen(channel)
        yield* Effect.provide(
          Effect.flatMap(
            Db,
            ({ sql }) => sql`
              INSERT INTO trading.orders (id, instrument, side, total_quantity, num_splits, duration_minutes, created_at)
              VALUES ('o1', 'NSE:INFY', 'BUY', 10, 2, 1, now())`
          ),
          asOther,
          { local: true }
        )
        assert.strictEqual((yield* Stream.runHead(news)).valueOrUndefined, "orders")
      }).pipe(Effect.scoped, Effect.provide(dbOf(`${urlOf(database)}?options=-csearch_path%3Dtrading`)))
    })
  )

  it.live("says which schema is missing", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const url = `${urlOf(database)}?options=-csearch_path%3Dtrading`
      const { message } = yield* Effect.flip(Effect.provide(migrate, dbOf(url)))
      assert.include(message, "No schema of the search path (trading) exists")
      assert.include(message, "CREATE SCHEMA name AUTHORIZATION pulse_background;")
    })
  )
})

describe("Db: rights and defaults of the role", () => {
  it.live("tells a role without CREATE on the schema what to grant", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const role = yield* freshRole(database)
      const { message } = yield* Effect.flip(Effect.provide(migrate, dbOf(urlAs(role, database))))
      assert.include(message, "permission denied for schema public")
      assert.include(message, `GRANT USAGE, CREATE ON SCHEMA public TO ${role};`)
      yield* Effect.provide(
        Effect.flatMap(Db, ({ sql }) => sql.unsafe(`GRANT USAGE, CREATE ON SCHEMA public TO ${role}`)),
        dbAt(database),
        { local: true }
      )
      assert.isAbove((yield* Effect.provide(migrate, dbOf(urlAs(role, database)))).length, 20)
    })
  )

  for (const isolation of ["serializable", "repeatable read"]) {
    it.live(
      `works at READ COMMITTED where the database's default is ${isolation}, also in two first starts at once`,
      () =>
        Effect.gen(function* () {
          const database = yield* freshDatabase("empty")
          yield* asAdmin((sql) =>
            sql.unsafe(`ALTER DATABASE ${database} SET default_transaction_isolation = '${isolation}'`)
          )
          const runs = yield* Effect.all(
            [1, 2, 3].map(() => Effect.provide(migrate, dbOf(urlOf(database)), { local: true })),
            { concurrency: "unbounded" }
          )
          assert.lengthOf(
            runs.filter(({ length }) => length > 0),
            1
          )
          yield* Effect.gen(function* () {
            const { queryOne, sql, transaction } = yield* Db
            const level = queryOne(
              "test.level",
              Schema.Struct({ level: Schema.String }),
              sql`SELECT current_setting('transaction_isolation') AS level`
            )
            assert.strictEqual((yield* level).level, "read committed")
            assert.strictEqual((yield* transaction("test.transaction", level)).level, "read committed")
          }).pipe(Effect.provide(dbOf(urlOf(database))))
        })
    )
  }
})
