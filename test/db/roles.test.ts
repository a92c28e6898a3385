import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { execFileSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import { migrate, migrateFrom } from "../../src/db/Migrations.ts"
import { RightsStore, serviceTables } from "../../src/stores/operations/RightsStore.ts"
import { asAdmin, configuration, dbAt } from "../support/database.ts"
import { emptyDatabase, folderWith, projectFiles } from "../support/migrations.ts"
import { urlOf } from "../support/processes.ts"
import { applyRoles, databaseForRoles, rolesFile, urlAs } from "../support/roles.ts"
import { contractRow } from "../support/service.ts"

const root = join(import.meta.dirname, "../..")

const dbOf = (url: string) =>
  Layer.fresh(
    Db.layer({ url: Redacted.make(url) }).pipe(
      Layer.provide(configuration({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "60" })),
      Layer.orDie
    )
  )

const as = <A, E>(url: string, work: Effect.Effect<A, E, Db>) => Effect.provide(work, dbOf(url), { local: true })
const run = (statement: string) => Effect.flatMap(Db, ({ sql, execute }) => execute("test.run", sql.unsafe(statement)))
const insert = (row: Readonly<Record<string, unknown>>) =>
  Effect.flatMap(Db, ({ sql, execute }) => execute("test.insert", sql`INSERT INTO orders ${sql.insert(row)}`))
const stateOf = <A, R>(work: Effect.Effect<A, { readonly sqlState: string | null }, R>) =>
  Effect.map(Effect.flip(work), ({ sqlState }) => sqlState)

const RightsRow = Schema.Struct({ name: Schema.String, rights: Schema.String })

/** What a role may do on each relation of the schema, in one order. */
const rightsOf = (role: string, schema = "public") =>
  Effect.flatMap(Db, ({ sql, query }) =>
    query(
      "test.rights",
      RightsRow,
      sql`
        SELECT relname::text AS name, concat_ws(', ', ${sql.literal(
          ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"]
            .map((right) => `CASE WHEN has_table_privilege('${role}', oid, '${right}') THEN '${right}' END`)
            .join(", ")
        )}) AS rights
        FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind IN ('r', 'v') ORDER BY relname`
    )
  ).pipe(Effect.map((rows) => Object.fromEntries(rows.map(({ name, rights }) => [name, rights]))))

/** The rights that the statements of the code need, by table. */
const neededRights = (): Readonly<Record<string, string>> => {
  const needed = new Map<string, Set<string>>()
  const need = (table: string, ...rights: ReadonlyArray<string>) => {
    needed.set(table, new Set([...(needed.get(table) ?? []), ...rights]))
  }
  for (const file of globSync("src/{stores,broker}/**/*.ts", { cwd: root })) {
    const text = readFileSync(join(root, file), "utf8").replaceAll(/\/\*[^]*?\*\//g, "")
    for (const statement of text.split(/(?=INSERT INTO |DELETE FROM |UPDATE [a-z])/)) {
      const [, verb, table] = /^(INSERT INTO|DELETE FROM|UPDATE) ([a-z_]+)/.exec(statement) ?? []
      if (verb === undefined || table === undefined) continue
      need(table, ...(verb.startsWith("INSERT") ? ["INSERT"] : verb.startsWith("DELETE") ? ["DELETE"] : ["UPDATE"]))
      if (verb.startsWith("INSERT") && /DO UPDATE/.test(statement)) need(table, "UPDATE")
    }
  }
  // stores/sql/moves.ts names its tables by a parameter.
  for (const table of ["slice_queue", "slice_working", "slice_results"]) need(table, "INSERT", "DELETE")
  const order = ["INSERT", "UPDATE", "DELETE"]
  return Object.fromEntries(
    [...needed].map(([table, rights]) => [table, ["SELECT", ...order.filter((right) => rights.has(right))].join(", ")])
  )
}

describe("deploy/postgres/roles.sql", () => {
  it.live("gives each role exactly what it needs, before the first migration", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("empty")
      yield* Effect.provide(applyRoles(names), dbAt(database), { local: true })
      yield* as(yield* urlAs(names.owner, database), migrate)

      const admin = <A, E>(work: Effect.Effect<A, E, Db>) => Effect.provide(work, dbAt(database), { local: true })
      const ofService = yield* admin(rightsOf(names.service))
      const readOnly = Object.keys(ofService).map((name) => [name, "SELECT"])
      assert.deepStrictEqual(ofService, { ...Object.fromEntries(readOnly), ...neededRights() })
      const ofReader = yield* admin(rightsOf(names.reader))
      assert.deepStrictEqual(ofReader, { ...Object.fromEntries(readOnly), broker_credentials: "" })
      const ofApi = yield* admin(rightsOf(names.api))
      assert.deepStrictEqual(
        Object.entries(ofApi).filter(([, rights]) => rights !== ""),
        ["order_progress", "order_slices", "orders"].map((name) => [name, "SELECT"])
      )

      const asApi = yield* urlAs(names.api, database)
      yield* as(
        asApi,
        Effect.gen(function* () {
          const { sql, execute } = yield* Db
          const again = sql`INSERT INTO orders ${sql.insert(contractRow("o1"))} ON CONFLICT (order_unique_key) DO NOTHING`
          yield* execute("test.insert", again)
          yield* execute("test.again", again)
          yield* run("SELECT * FROM order_progress")
          const { order_queue_status: _, ...withoutStatus } = contractRow("o2")
          yield* insert(withoutStatus)
          for (const status of ["DONE", "IN_PROGRESS", "FAILED", "SKIPPED"]) {
            const refused = yield* Effect.flip(insert(contractRow("o3", { order_queue_status: status })))
            assert.include(refused.message, `order o3 must be inserted as PENDING, not ${status}`)
          }
          assert.strictEqual(yield* stateOf(insert(contractRow("o4", { claim_version: 1 }))), "42501")
          assert.strictEqual(yield* stateOf(run("UPDATE orders SET total_quantity = 1")), "42501")
        })
      )
      const asService = yield* urlAs(names.service, database)
      yield* as(
        asService,
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* migrate, [])
          for (const forbidden of [
            "CREATE TABLE other ()",
            "ALTER TABLE orders ADD COLUMN c text",
            "ALTER TABLE orders DISABLE TRIGGER USER",
            "DELETE FROM placement_halts",
            "UPDATE operator_actions SET reason = ''",
            "UPDATE pulse_background_migrations SET name = ''",
            "TRUNCATE broker_calls",
            "DELETE FROM broker_calls",
            "INSERT INTO audit_prunings (at, operator, removed) VALUES (now(), 'me', '{[1,2)}')",
            "UPDATE audit_seals SET form = 2",
            "DROP TABLE workers"
          ]) {
            assert.strictEqual(yield* stateOf(run(forbidden)), "42501", forbidden)
          }
          yield* run("SELECT prune_broker_calls('{1}', '{o1}', '2000-01-01', 'me', now())")
          yield* run("SELECT prune_broker_look_ups('2000-01-01', 1, 'me', now())")
          yield* run("UPDATE audit_head SET covered = (SELECT broker_calls FROM audit_counters())")
        })
      )
      const prune = "SELECT prune_broker_look_ups('2000-01-01', 1, 'me', now())"
      assert.strictEqual(yield* stateOf(as(asApi, run(prune))), "42501")
      const asReader = yield* urlAs(names.reader, database)
      assert.strictEqual(yield* stateOf(as(asReader, run("SELECT access_token FROM broker_credentials"))), "42501")
    })
  )

  it.live("takes over a database in use, twice, and gives rights to what a later migration makes", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("empty", "trading")
      yield* Effect.gen(function* () {
        yield* run("CREATE SCHEMA trading")
        yield* run(`ALTER DATABASE ${database} SET search_path = trading`)
      }).pipe(Effect.provide(dbAt(database)))
      const admin = dbAt(database)
      const files = yield* projectFiles
      yield* Effect.gen(function* () {
        yield* migrateFrom(yield* folderWith({ first: files.length - 1 }))
        yield* insert(contractRow("before"))
        yield* run("CREATE TABLE users ()")
        // As after pg_restore --no-privileges.
        yield* run("GRANT EXECUTE ON FUNCTION prune_broker_look_ups TO PUBLIC")
        yield* applyRoles(names)
        yield* applyRoles(names)
        const Owner = Schema.Struct({ owner: Schema.String, relations: Schema.Int })
        const { sql, query } = yield* Db
        const owners = yield* query(
          "test.owners",
          Owner,
          sql`
            SELECT pg_get_userbyid(relowner)::text AS owner, count(*)::int AS relations FROM pg_class
            WHERE relnamespace = 'trading'::regnamespace AND relkind IN ('r', 'v') GROUP BY 1 ORDER BY 1`
        )
        // The table of another program stays with its owner.
        assert.deepStrictEqual(
          owners.map(({ owner, relations }) => [owner, relations === 1]),
          [
            ["pulse_background", true],
            [names.owner, false]
          ].toSorted()
        )
        const refused = yield* Effect.flip(migrate)
        assert.include(refused.message, `${files.at(-1)?.replace(".sql", "")} is to be applied`)
        assert.include(refused.message, `Apply as ${names.owner}`)
      }).pipe(Effect.provide(admin))
      const asService = yield* urlAs(names.service, database)
      const { message } = yield* Effect.flip(as(asService, migrate))
      assert.include(
        message,
        `${names.service} does not own the service's tables. Nothing was changed. Apply as ${names.owner}`
      )
      const asOwner = yield* urlAs(names.owner, database)
      const folder = yield* folderWith({
        first: files.length,
        own: { "9000_later.sql": "CREATE TABLE later (n integer);" }
      })
      assert.lengthOf(yield* as(asOwner, migrateFrom(folder)), 2)
      yield* as(asService, run("INSERT INTO later VALUES (1)"))
      const asReader = yield* urlAs(names.reader, database)
      assert.strictEqual(yield* stateOf(as(asReader, run("SELECT * FROM later"))), "42501")
      yield* as(asReader, run("SELECT * FROM orders"))
      const prune = "SELECT prune_broker_look_ups('2000-01-01', 1, 'me', now())"
      assert.strictEqual(yield* stateOf(as(asReader, run(prune))), "42501")
      yield* as(asService, run(prune))
    })
  )

  it.live("is run by an administrator who is no superuser, and who owns the database", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("empty")
      const admin = `${database}_admin`
      yield* Effect.acquireRelease(
        asAdmin((sql) =>
          Effect.andThen(
            sql.unsafe(`CREATE ROLE ${admin} LOGIN CREATEROLE`),
            sql.unsafe(`ALTER DATABASE ${database} OWNER TO ${admin}`)
          )
        ),
        () =>
          asAdmin((sql) =>
            Effect.forEach(
              [
                `DROP DATABASE ${database} WITH (FORCE)`,
                `DROP ROLE ${names.service}, ${names.api}, ${names.reader}, ${names.owner}`,
                `DROP ROLE ${admin}`
              ],
              (statement) => sql.unsafe(statement)
            )
          ).pipe(Effect.orDie)
      )
      yield* as(yield* urlAs(admin, database), applyRoles(names))
      yield* as(yield* urlAs(names.owner, database), migrate)
      const rights = yield* Effect.provide(rightsOf(names.service), dbAt(database))
      assert.strictEqual(rights["placement_halts"], "SELECT, INSERT")
    })
  )

  it.live("refuses a role that is a superuser", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("empty")
      const { message } = yield* Effect.flip(
        Effect.provide(applyRoles({ ...names, service: "pulse_background" }), dbAt(database))
      )
      assert.include(message, "pulse_background is a superuser")
    })
  )

  it.live("lets doctor tell an owner from a service, and what others may do", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("migrated")
      const admin = <A, E>(work: Effect.Effect<A, E, Db>) => Effect.provide(work, dbAt(database), { local: true })
      yield* admin(applyRoles(names))
      const asService = yield* urlAs(names.service, database)
      const rights = <A, E>(read: (store: RightsStore["Service"]) => Effect.Effect<A, E>) =>
        Effect.flatMap(RightsStore, read).pipe(Effect.provide(RightsStore.layer))
      const role = rights((store) => store.role)
      const ofOthers = rights((store) => store.ofOthers)
      const facts = { isSuperuser: false, isOwner: false, mayCreate: false, hidden: [] }
      assert.deepStrictEqual(yield* as(asService, role), { user: names.service, ...facts })
      const asOwner = yield* urlAs(names.owner, database)
      assert.deepStrictEqual(yield* as(asOwner, role), { user: names.owner, ...facts, isOwner: true, mayCreate: true })
      assert.deepInclude(yield* admin(role), { isSuperuser: true })
      for (const url of [asService, asOwner]) assert.deepStrictEqual(yield* as(url, ofOthers), [])

      yield* admin(
        Effect.gen(function* () {
          yield* run("GRANT INSERT, UPDATE ON placement_halts, orders TO PUBLIC")
          yield* run(`GRANT SELECT (access_token) ON broker_credentials TO ${names.reader}`)
          yield* run("GRANT CREATE ON SCHEMA public TO PUBLIC")
          yield* run("GRANT EXECUTE ON FUNCTION prune_broker_calls TO PUBLIC")
          yield* run(`GRANT pg_read_all_data, ${names.service} TO ${names.reader}`)
          yield* run(`GRANT ${names.owner} TO ${names.api}`)
        })
      )
      const found = [
        { role: names.reader, object: null, rights: `pg_read_all_data, ${names.service}` },
        { role: names.api, object: null, rights: names.owner },
        { role: "PUBLIC", object: "orders", rights: "UPDATE" },
        { role: "PUBLIC", object: "placement_halts", rights: "INSERT, UPDATE" },
        { role: "PUBLIC", object: "SCHEMA public", rights: "CREATE" },
        { role: "PUBLIC", object: "FUNCTION prune_broker_calls", rights: "EXECUTE" },
        { role: names.reader, object: "broker_credentials", rights: "SELECT" }
      ]
      const sorted = <A>(rows: ReadonlyArray<A>) => rows.map((row) => JSON.stringify(row)).toSorted()
      assert.deepStrictEqual(sorted(yield* as(asService, ofOthers)), sorted(found))
      for (const { object, rights: some, role: whose } of found) {
        yield* admin(run(`REVOKE ${some}${object === null ? "" : ` ON ${object}`} FROM ${whose}`))
      }
      assert.deepStrictEqual(yield* as(asService, ofOthers), [])
    })
  )

  it.live("does not let row-level security hide orders from the service without a word", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("migrated")
      const admin = <A, E>(work: Effect.Effect<A, E, Db>) => Effect.provide(work, dbAt(database), { local: true })
      yield* admin(applyRoles(names))
      const asService = yield* urlAs(names.service, database)
      yield* admin(run("ALTER TABLE orders ENABLE ROW LEVEL SECURITY"))
      const refused = yield* Effect.flip(as(asService, run("SELECT FROM orders")))
      assert.include(refused.message, 'row-level security policy for table "orders". The service must see all rows')
      assert.isTrue(refused.isGeneral)
      const { hidden } = yield* as(
        asService,
        Effect.flatMap(RightsStore, ({ role }) => role).pipe(Effect.provide(RightsStore.layer))
      )
      assert.deepStrictEqual(hidden, ["orders"])
      yield* admin(run(`ALTER ROLE ${names.service} BYPASSRLS`))
      yield* as(asService, run("SELECT FROM orders"))
    })
  )

  it.live("is known to doctor by all tables of the service", () =>
    Effect.gen(function* () {
      yield* migrate
      const { sql, query } = yield* Db
      const tables = yield* query(
        "test.tables",
        Schema.Struct({ name: Schema.String }),
        sql`SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`
      )
      assert.deepStrictEqual(
        tables.map(({ name }) => name),
        serviceTables
      )
    }).pipe(Effect.provide(emptyDatabase))
  )

  /** psql is no npm package: this test runs where it is installed, and says so elsewhere. */
  const hasPsql = (() => {
    try {
      execFileSync("psql", ["--version"], { stdio: "ignore" })
      return true
    } catch {
      console.warn("Skipped: psql is not installed, so deploy/postgres/roles.sql is not tried with it.")
      return false
    }
  })()

  it.live.skipIf(!hasPsql)("is what psql runs", () =>
    Effect.gen(function* () {
      const { database, names } = yield* databaseForRoles("migrated")
      const variables = Object.entries(names).flatMap(([name, value]) => ["-v", `${name}=${value}`])
      const psql = (...args: ReadonlyArray<string>) =>
        execFileSync("psql", ["-q", "-d", urlOf(database), ...args], { encoding: "utf8", stdio: "pipe" })
      psql(...variables, "-f", rolesFile)
      assert.strictEqual(
        (yield* Effect.provide(rightsOf(names.service), dbAt(database)))["placement_halts"],
        "SELECT, INSERT"
      )
    })
  )
})
