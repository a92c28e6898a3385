import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Latch, Schema } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import { MigrationFailed } from "../../src/db/MigrationFailed.ts"
import { migrate, migrateFrom } from "../../src/db/Migrations.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { asAdmin, dbAt, freshDatabase } from "../support/database.ts"
import { emptyDatabase, folderWith, projectFiles } from "../support/migrations.ts"
import { runMain, urlOf } from "../support/processes.ts"
import { contractRow, sliceRows } from "../support/service.ts"

const isBuilt = existsSync(join(import.meta.dirname, "../../dist/main.js"))

const tables = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const rows = yield* query(
    "test.tables",
    Schema.Struct({ name: Schema.String }),
    sql`SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname`
  )
  return rows.map(({ name }) => name)
})

const allTables = [
  "audit_head",
  "audit_prunings",
  "audit_seals",
  "broker_calls",
  "broker_credentials",
  "broker_differences",
  "broker_events",
  "broker_in_use",
  "calendar_imports",
  "double_placements",
  "instruments",
  "market_quotes",
  "mock_broker_orders",
  "notifications",
  "operator_actions",
  "order_budgets",
  "order_conservation",
  "order_plans",
  "order_progress",
  "order_slices",
  "orders",
  "orphaned_tags",
  "placement_halts",
  "pulse_background_migrations",
  "quote_turn",
  "server_history",
  "slice_claims",
  "slice_places",
  "slice_plan",
  "slice_queue",
  "slice_results",
  "slice_rows",
  "slice_states",
  "slice_working",
  "volume_profiles",
  "workers"
]

const insert = (table: string, row: Readonly<Record<string, unknown>>) =>
  Effect.flatMap(Db, ({ sql, execute }) => execute("test.insert", sql`INSERT INTO ${sql(table)} ${sql.insert(row)}`))

const OrderRow = Schema.Struct({
  id: Schema.String,
  orderQueueStatus: Schema.String,
  orderType: Schema.String,
  limitPrice: Schema.NullOr(Schema.String),
  productType: Schema.String,
  validity: Schema.String,
  claimVersion: Schema.Int,
  splitAttempts: Schema.Int,
  isNew: Schema.Boolean,
  cancelRequestedAt: Schema.Null
})

const orders = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.orders",
    OrderRow,
    sql`SELECT *, created_at BETWEEN now() - interval '1 hour' AND now() AND updated_at = created_at AS is_new
        FROM orders ORDER BY id`
  )
)

const asInserted = {
  orderQueueStatus: "PENDING",
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  claimVersion: 0,
  splitAttempts: 0,
  isNew: true,
  cancelRequestedAt: null
}

describe("migrate", () => {
  it.live("sets up an empty database, and has nothing to do the next time", () =>
    Effect.gen(function* () {
      const applied = yield* migrate
      assert.deepStrictEqual(
        applied.map(({ id, name }) => `${String(id).padStart(4, "0")}_${name}.sql`),
        yield* projectFiles
      )
      assert.deepStrictEqual(yield* tables, allTables)
      assert.deepStrictEqual(yield* migrate, [])
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("runs once when eight replicas start at the same moment", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const all = yield* Effect.forEach(
        Array.from({ length: 8 }),
        () => Effect.provide(migrate, dbAt(database), { local: true }),
        { concurrency: "unbounded" }
      )
      const files = yield* projectFiles
      assert.deepStrictEqual(
        all.map((applied) => applied.length).toSorted((a, b) => b - a),
        [files.length, 0, 0, 0, 0, 0, 0, 0]
      )
    })
  )

  it.live.runIf(isBuilt)("runs once when three commands start at the same moment", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const runs = yield* Effect.forEach([1, 2, 3], () => runMain(["migrate"], { DATABASE_URL: urlOf(database) }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        runs.map(({ code }) => code),
        [0, 0, 0],
        JSON.stringify(runs)
      )
      assert.lengthOf(
        runs.filter(({ output }) => output.includes("Applied 0001_orders")),
        1
      )
      assert.lengthOf(
        runs.filter(({ output }) => output.trim() === "The database is up to date"),
        2
      )
    })
  )

  it.live("gives rows of pulse-api the defaults of the other columns", () =>
    Effect.gen(function* () {
      yield* migrate
      yield* insert("orders", contractRow("o1"))
      const { order_queue_status: _, ...withoutStatus } = contractRow("o2")
      yield* insert("orders", withoutStatus)
      assert.deepStrictEqual(yield* orders, [
        { id: "o1", ...asInserted },
        { id: "o2", ...asInserted }
      ])
      const again = yield* Effect.flip(insert("orders", contractRow("o3", { order_unique_key: "key-o1" })))
      assert.strictEqual(again.sqlState, "23505")
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("keeps earlier orders of pulse-api, with the defaults", () =>
    Effect.gen(function* () {
      const { sql, execute, query } = yield* Db
      yield* execute(
        "test.create",
        sql`CREATE TABLE orders (
          id varchar(64) PRIMARY KEY, instrument varchar(32) NOT NULL, side varchar(4) NOT NULL,
          total_quantity integer NOT NULL, num_splits integer NOT NULL, duration_minutes integer NOT NULL,
          randomize boolean NOT NULL DEFAULT true, order_unique_key varchar(255) NOT NULL UNIQUE,
          order_queue_status varchar(16) NOT NULL DEFAULT 'PENDING',
          origin_trace_id text, origin_trace_source text, origin_request_id text, origin_request_source text,
          request_id text, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())`
      )
      yield* insert("orders", contractRow("old"))
      const instruments = query(
        "test.old",
        Schema.Struct({ instrument: Schema.String }),
        sql`SELECT instrument FROM orders`
      )
      yield* migrate
      assert.deepStrictEqual(yield* instruments, [{ instrument: "NSE:RELIANCE" }])
      yield* insert("orders", contractRow("young"))
      assert.deepStrictEqual(yield* orders, [
        { id: "old", ...asInserted },
        { id: "young", ...asInserted }
      ])
      assert.deepStrictEqual(yield* tables, allTables)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("migrates every version before the slices' tables with its data", () =>
    Effect.gen(function* () {
      const files = yield* projectFiles
      const versions = files.filter((name) => name < "0027").length
      for (let first = 1; first <= versions; first += 1) {
        const database = yield* freshDatabase("empty")
        yield* Effect.gen(function* () {
          assert.lengthOf(yield* migrateFrom(yield* folderWith({ first })), first)
          yield* insert("orders", contractRow("o1", { order_queue_status: "DONE" }))
          if (first >= 2) yield* insert("order_slices", sliceRow)
          if (first >= 3) yield* insert("broker_events", eventRow)
          assert.lengthOf(yield* migrate, files.length - first)
          // The tables that slices and broker calls were in are kept unless they are empty.
          const kept = [...(first >= 3 ? ["broker_events_before"] : []), ...(first >= 2 ? ["order_slices_before"] : [])]
          assert.deepStrictEqual(yield* tables, [...allTables, ...kept].toSorted())
          const { sql, query } = yield* Db
          const progress = yield* query(
            "test.progress",
            Schema.Struct({ orderId: Schema.String, slices: Schema.Int }),
            sql`SELECT order_id, slices FROM order_progress`
          )
          assert.deepStrictEqual(progress, [{ orderId: "o1", slices: first >= 2 ? 1 : 0 }])
        }).pipe(Effect.provide(dbAt(database)))
      }
    })
  )

  it.live("keeps the types of the progress view and the rights to it when orders can hold fractions", () =>
    Effect.gen(function* () {
      const { sql, execute, query } = yield* Db
      const view = query(
        "test.view",
        Schema.Struct({ columns: Schema.String, rights: Schema.NullOr(Schema.String) }),
        sql`
          SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns,
            min(relacl::text) AS rights
          FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
          WHERE relname IN ('order_progress', 'order_conservation') GROUP BY relname ORDER BY relname`
      )
      const before = (yield* projectFiles).filter((name) => name < "0024").length
      yield* migrateFrom(yield* folderWith({ first: before }))
      yield* execute("test.grant", sql`GRANT SELECT ON order_progress TO public`)
      const then = yield* view
      yield* migrate
      assert.deepStrictEqual(yield* view, then)
      yield* insert("orders", contractRow("o1", { total_quantity: "10.5" }))
      const Row = Schema.Struct({ totalQuantity: Schema.NullOr(Schema.Int) })
      assert.deepStrictEqual(
        yield* query("test.progress", Row, sql`SELECT total_quantity FROM order_progress WHERE order_id = 'o1'`),
        [{ totalQuantity: null }]
      )
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("names the view of another program that stands in the way", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const before = (yield* projectFiles).filter((name) => name < "0024").length
      yield* migrateFrom(yield* folderWith({ first: before }))
      yield* execute("test.foreignView", sql`CREATE VIEW volumes AS SELECT total_quantity FROM orders`)
      assert.include((yield* Effect.flip(migrate)).message, "view volumes depends on column")
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("puts a slice in doubt that was PROCESSED without a broker order id", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const before = (yield* projectFiles).filter((name) => name < "0017").length
      yield* migrateFrom(yield* folderWith({ first: before }))
      yield* execute("test.order", sql`INSERT INTO orders ${sql.insert(contractRow("o1"))}`)
      yield* execute(
        "test.slice",
        sql`
          INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type,
            validity, scheduled_at, not_before, not_after, stage, claimed_by, claimed_at, lease_expires_at, acknowledged_at,
            broker_order_id)
          VALUES ('s1', 'o1', 1, 'T1', 'NSE:RELIANCE', 'BUY', 1, 'MARKET', 'CNC', 'DAY', now(), now(), now(), 'PROCESSED',
            'somebody', now(), now(), now(), '')`
      )
      yield* migrate
      const [slice] = yield* sliceRows()
      assert.deepInclude(slice, { stage: "IN_PROGRESS", isUnknown: true, brokerOrderId: null, claimVersion: 1 })
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("allows claims of late slices of an order from before plans were stored", () =>
    Effect.gen(function* () {
      const { sql, execute, query } = yield* Db
      const before = (yield* projectFiles).filter((name) => name < "0012").length
      yield* migrateFrom(yield* folderWith({ first: before }))
      const late = { stale_at: new Date(1000), not_before: new Date(0), not_after: new Date(1e9) }
      yield* insert("orders", contractRow("o1", { order_queue_status: "DONE", lateness_policy: "RESPREAD" }))
      yield* insert("order_slices", { ...sliceRow, ...late })
      yield* insert("orders", contractRow("o2", { order_queue_status: "DONE", lateness_policy: "RESPREAD" }))
      yield* insert("order_slices", { ...sliceRow, ...late, id: "s2", order_id: "o2", tag: "T2" })
      const almost = (yield* projectFiles).filter((name) => name < "0019").length
      yield* migrateFrom(yield* folderWith({ first: almost }))
      yield* execute(
        "test.plan",
        sql`
          INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, order_type,
            cause, created_at)
          VALUES ('o2', 1, 1, 1, '{}', 'epoch', 'epoch', 'MARKET', 'SPLIT', 'epoch')`
      )
      yield* migrate
      const now = DateTime.makeUnsafe(2000)
      const claimed = yield* (yield* SliceStore).claimDue({
        now,
        horizon: now,
        leaseExpiresAt: DateTime.makeUnsafe(3000),
        owner: "somebody",
        limit: 10
      })
      assert.deepStrictEqual(
        claimed.map(({ orderId }) => `${orderId}`),
        ["o1"]
      )
      const waiting = yield* query(
        "test.waiting",
        Schema.Struct({ orderId: Schema.String }),
        sql`SELECT order_id FROM order_slices WHERE stage = 'SCHEDULED' AND stale_at IS NOT NULL`
      )
      assert.deepStrictEqual(waiting, [{ orderId: "o2" }])
    }).pipe(Effect.provide(SliceStore.layer), Effect.provide(emptyDatabase))
  )

  it.live("keeps the migrations before one that fails, and names that with the reason", () =>
    Effect.gen(function* () {
      const folder = yield* folderWith({
        first: 2,
        own: { "0003_broken.sql": "CREATE TABLE fine ();\nCREATE TABLE broken (a nonsense);" }
      })
      const error = yield* Effect.flip(migrateFrom(folder))
      assert.instanceOf(error, MigrationFailed)
      assert.strictEqual(
        error.message,
        'Migration "3_broken" failed: type "nonsense" does not exist. The migrations up to 2_order_slices were applied.'
      )
      assert.deepStrictEqual(yield* tables, ["order_slices", "orders", "pulse_background_migrations"])
      const again = yield* Effect.flip(migrateFrom(folder))
      assert.include(again.message, 'type "nonsense" does not exist. Nothing was changed.')
      assert.lengthOf(yield* migrate, (yield* projectFiles).length - 2)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("lets statements pass while another transaction uses a table, and is applied once that has ended", () =>
    Effect.gen(function* () {
      const { sql, execute, transaction } = yield* Db
      yield* migrateFrom(yield* folderWith({ first: 1 }))
      const folder = yield* folderWith({
        first: 1,
        own: { "0002_column.sql": "ALTER TABLE orders ADD COLUMN c text;" }
      })
      const isRead = yield* Latch.make(false)
      const isOver = yield* Latch.make(false)
      const reader = yield* Effect.forkChild(
        transaction(
          "test.reader",
          Effect.gen(function* () {
            yield* sql`SET LOCAL application_name = 'pg_dump'`
            yield* sql`SELECT count(*) FROM orders`
            yield* isRead.open
            yield* isOver.await
          })
        )
      )
      yield* isRead.await
      const refused = yield* Effect.flip(migrateFrom(folder, 0))
      assert.instanceOf(refused, MigrationFailed)
      assert.include(refused.message, 'Migration "2_column" failed: canceling statement due to lock timeout')
      assert.match(
        refused.message,
        /Nothing was changed\. The tables are used by pg_dump \(pid \d+, in a transaction since \d.*Z\): end that/
      )
      yield* insert("orders", contractRow("meanwhile"))

      const migrating = yield* Effect.forkChild(migrateFrom(folder))
      yield* execute("test.wait", sql`SELECT pg_sleep(0.7)`)
      yield* insert("orders", contractRow("between"))
      yield* isOver.open
      yield* Fiber.join(reader)
      assert.deepStrictEqual(yield* Fiber.join(migrating), [{ id: 2, name: "column" }])
      assert.lengthOf(yield* orders, 2)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("refuses a file whose name is wrong", () =>
    Effect.gen(function* () {
      for (const name of ["7_short.sql", "0007-dash.sql", "later.sql", "0007_Upper.sql"]) {
        const error = yield* Effect.flip(migrateFrom(yield* folderWith({ first: 1, own: { [name]: "SELECT 1;" } })))
        assert.instanceOf(error, MigrationFailed)
        assert.isTrue(
          error.message.endsWith(`cannot be read: ${name} is not named like 0001_orders.sql. Nothing was changed.`),
          error.message
        )
      }
      assert.deepStrictEqual(yield* tables, [])
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("refuses two migrations with one number", () =>
    Effect.gen(function* () {
      const folder = yield* folderWith({ first: 1, own: { "0001_again.sql": "SELECT 1;" } })
      const error = yield* Effect.flip(migrateFrom(folder))
      assert.strictEqual(error.message, "Found duplicate migration id's. Nothing was changed.")
      assert.deepStrictEqual(yield* tables, [])
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("fails with a transient error, not a defect, when the connection is lost during a migration", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const folder = yield* folderWith({
        first: 1,
        own: { "0002_suicidal.sql": "PERFORM pg_terminate_backend(pg_backend_pid());" }
      })
      const error = yield* Effect.flip(Effect.provide(migrateFrom(folder), dbAt(database)))
      assert.isTrue(error._tag === "DbError" && error.isTransient, error.message)
      assert.deepStrictEqual(yield* Effect.provide(tables, dbAt(database)), ["orders", "pulse_background_migrations"])
      yield* asAdmin((sql) => sql`SELECT 1`)
    })
  )
})

const sliceRow = {
  id: "s1",
  order_id: "o1",
  sequence_number: 1,
  tag: "T1",
  instrument: "NSE:RELIANCE",
  side: "BUY",
  quantity: 100,
  order_type: "MARKET",
  product_type: "CNC",
  validity: "DAY",
  scheduled_at: new Date(0),
  not_before: new Date(0),
  not_after: new Date(60_000)
}

const eventRow = {
  id: "e1",
  called_at: new Date(0),
  duration_millis: 1.5,
  broker: "mock",
  call: "place",
  outcome: "acknowledged",
  request: "{}",
  response: "{}",
  worker: "test"
}
