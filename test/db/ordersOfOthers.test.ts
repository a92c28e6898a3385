import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { StoresLayer } from "../../src/stores/StoresLayer.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { configuration } from "../support/database.ts"
import { emptyDatabase } from "../support/migrations.ts"
import { contractRow, measuredClock, noWakeups, quietStatus } from "../support/service.ts"

const services = Layer.mergeAll(
  StoresLayer,
  PlacementGate.layer,
  TradingHours.layer,
  Instance.layer,
  measuredClock,
  quietStatus,
  noWakeups
).pipe(Layer.provideMerge(configuration()))

const run = (statement: string) => Effect.flatMap(Db, ({ sql, execute }) => execute("test.run", sql.unsafe(statement)))

/** The table as the contract has it, with other definitions for some columns; without those that are empty. */
const createOrders = (changed: Readonly<Record<string, string>>) => {
  const columns: Readonly<Record<string, string>> = {
    id: "varchar(64) PRIMARY KEY",
    instrument: "text",
    side: "text",
    total_quantity: "integer",
    num_splits: "integer",
    duration_minutes: "integer",
    randomize: "boolean",
    order_unique_key: "text UNIQUE",
    order_queue_status: "text NOT NULL DEFAULT 'PENDING'",
    origin_trace_id: "text",
    origin_trace_source: "text",
    origin_request_id: "text",
    origin_request_source: "text",
    request_id: "text",
    created_at: "timestamptz NOT NULL DEFAULT now()",
    updated_at: "timestamptz NOT NULL DEFAULT now()",
    ...changed
  }
  const definitions = Object.entries(columns).filter(([, type]) => type !== "")
  return run(`CREATE TABLE orders (${definitions.map(([name, type]) => `${name} ${type}`).join(", ")})`)
}

/** The statements that a refusal ends with. */
const advised = (message: string): ReadonlyArray<string> =>
  [...message.matchAll(/As its owner: (.*?);(?= [A-Z][a-z]|$)/g)].flatMap(([, statements = ""]) =>
    statements.split("; ")
  )

/** An order as pulse-api inserts it, split; returns its status, reason and slices. */
const splitOne = Effect.gen(function* () {
  const { sql, execute, queryOne } = yield* Db
  yield* execute("test.insert", sql`INSERT INTO orders ${sql.insert(contractRow("new"))}`)
  yield* Effect.flatten(makeSplitPending)
  return yield* queryOne(
    "test.split",
    Schema.Struct({ status: Schema.String, reason: Schema.NullOr(Schema.String), slices: Schema.Int }),
    sql`SELECT order_queue_status AS status, status_reason AS reason,
        (SELECT count(*)::int FROM order_slices WHERE order_id = 'new') AS slices
      FROM orders WHERE id = 'new'`
  )
}).pipe(Effect.provide(services))

const isSplit = { status: "DONE", reason: null, slices: 5 }

describe("a table orders that pulse-api has made", () => {
  it.live("is used as it is where its types can be", () =>
    Effect.gen(function* () {
      yield* run("CREATE DOMAIN order_id AS varchar(64)")
      yield* createOrders({
        id: "order_id PRIMARY KEY",
        instrument: "varchar(32)",
        side: "char(4)",
        num_splits: "bigint",
        duration_minutes: "double precision",
        order_unique_key: 'char(64) COLLATE "C" UNIQUE',
        order_queue_status: "varchar(16)",
        origin_trace_id: 'text COLLATE "C"',
        origin_trace_source: "",
        request_id: "",
        created_at: "timestamptz(0)",
        limit_price: "numeric(12,2)",
        order_type: "varchar(10)",
        product_type: 'text COLLATE "C"',
        validity: "char(3) DEFAULT 'DAY'",
        split_attempts: "smallint NOT NULL DEFAULT 0"
      })
      yield* migrate
      assert.deepStrictEqual(yield* splitOne, isSplit)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("is refused with the statements that make it usable, which keep rows and defaults", () =>
    Effect.gen(function* () {
      const { sql, queryOne } = yield* Db
      yield* run("CREATE TYPE sides AS ENUM ('BUY', 'SELL')")
      yield* run("CREATE TYPE statuses AS ENUM ('PENDING', 'IN_PROGRESS', 'DONE', 'FAILED', 'SKIPPED')")
      yield* createOrders({
        id: "uuid PRIMARY KEY DEFAULT gen_random_uuid()",
        side: "sides",
        total_quantity: "numeric",
        num_splits: "text",
        duration_minutes: "varchar(8)",
        randomize: "smallint NOT NULL DEFAULT 0",
        order_unique_key: "uuid UNIQUE",
        order_queue_status: "statuses DEFAULT 'PENDING'",
        request_id: "uuid",
        created_at: "timestamp NOT NULL DEFAULT now()",
        updated_at: "bigint",
        limit_price: "text"
      })
      yield* run(`
        INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
          order_queue_status, created_at, updated_at, limit_price)
        VALUES ('7c9e6679-7425-40de-944b-e07fc1f90ae7', 'NSE:INFY', 'BUY', 10.5, '5', '1', 1, gen_random_uuid(), 'DONE',
          '2026-01-05 04:00', 1767585600000, '1500.05')`)
      const { message } = yield* Effect.flip(migrate)
      for (const words of [
        "id is uuid, and must be varchar(64); ",
        "side is sides, and must be text; ",
        "total_quantity is numeric, and must be integer; ",
        "num_splits is text, and must be numeric; ",
        "randomize is smallint, and must be boolean; ",
        "order_queue_status is statuses, and must be text; ",
        "created_at is timestamp without time zone, and must be timestamptz (the statement takes it for UTC: write its zone); ",
        "updated_at is bigint, and must be timestamptz (the statement takes it for milliseconds since 1970); ",
        "limit_price is text, and must be numeric. "
      ]) {
        assert.include(message, words)
      }
      assert.isTrue(message.endsWith("Nothing was changed."), message)
      for (const statement of advised(message)) yield* run(statement)
      yield* migrate
      const old = yield* queryOne(
        "test.old",
        Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
        sql`
          SELECT id, side, total_quantity::text, num_splits::text, randomize::text, order_queue_status AS status,
            to_char(created_at, 'YYYY-MM-DD HH24:MI') AS created, to_char(updated_at, 'YYYY-MM-DD HH24:MI') AS updated,
            limit_price::text FROM orders`
      )
      assert.deepStrictEqual(old, {
        id: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        side: "BUY",
        // 10.5 is no quantity, and no other one.
        totalQuantity: null,
        numSplits: "5",
        randomize: "true",
        status: "DONE",
        created: "2026-01-05 04:00",
        updated: "2026-01-05 04:00",
        limitPrice: "1500.05"
      })
      assert.deepStrictEqual(yield* splitOne, isSplit)
      yield* run("INSERT INTO orders (instrument) VALUES ('NSE:INFY')")
      const preset = yield* queryOne(
        "test.preset",
        Schema.Record(Schema.String, Schema.Unknown),
        sql`SELECT length(id) AS id, randomize, order_queue_status AS status FROM orders WHERE order_unique_key IS NULL`
      )
      assert.deepStrictEqual(preset, { id: 36, randomize: false, status: "PENDING" })
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("is refused with statements that PostgreSQL takes, where it has no cast or another order of texts", () =>
    Effect.gen(function* () {
      const { sql, queryOne } = yield* Db
      yield* createOrders({
        id: 'varchar(64) COLLATE "C" PRIMARY KEY',
        instrument: 'text COLLATE "C"',
        side: 'char(4) COLLATE "C" NOT NULL',
        total_quantity: "money",
        duration_minutes: "interval DEFAULT '1 hour'",
        randomize: "bit(1) DEFAULT '1'",
        order_queue_status: `varchar(16) COLLATE "C" NOT NULL DEFAULT 'PENDING'`
      })
      yield* run(`INSERT INTO orders (id, side, total_quantity, order_queue_status) VALUES ('old', 'BUY', 10, 'DONE')`)
      const { message } = yield* Effect.flip(migrate)
      for (const words of [
        'id has the collation "C", and must have the database\'s; ',
        "duration_minutes is interval, and must be numeric (the statement makes minutes of it); "
      ]) {
        assert.include(message, words)
      }
      assert.isTrue(message.endsWith("Nothing was changed."), message)
      for (const statement of advised(message)) yield* run(statement)
      yield* migrate
      const old = yield* queryOne(
        "test.old",
        Schema.Record(Schema.String, Schema.Unknown),
        sql`SELECT total_quantity::int AS quantity, duration_minutes::int AS minutes, randomize FROM orders`
      )
      assert.deepStrictEqual(old, { quantity: 10, minutes: 60, randomize: true })
      assert.deepStrictEqual(yield* splitOne, isSplit)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("is refused where columns are missing, mean something else, or are too short for what is written", () =>
    Effect.gen(function* () {
      yield* createOrders({
        id: "bigint GENERATED ALWAYS AS IDENTITY",
        num_splits: "",
        updated_at: "",
        order_unique_key: "text",
        order_queue_status: "varchar(7) NOT NULL DEFAULT 'PENDING'",
        claim_version: "integer",
        claimed_by: "varchar(8)",
        cancel_requested_at: "boolean",
        hold_reason: "varchar(20)"
      })
      yield* run("CREATE INDEX orders_pending ON orders (side)")
      yield* run("CREATE TABLE workers ()")
      yield* run(`
        CREATE TRIGGER orders_inserted BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`)
      yield* run("CREATE TYPE instruments AS ENUM ('NSE:INFY')")
      const { message } = yield* Effect.flip(migrate)
      for (const words of [
        "called: column hold_reason, type instruments, trigger orders_inserted, index orders_pending, table workers. ",
        "id is bigint, and must be varchar(64) (pulse-api then writes each one); ",
        "num_splits is missing; ",
        "updated_at is missing; ",
        "id is not unique; order_unique_key is not unique. ",
        "order_queue_status is character varying(7), and must hold 11 characters; ",
        "claim_version must be NOT NULL DEFAULT 0; ",
        "claimed_by is character varying(8), and must be text; ",
        "ALTER TABLE orders RENAME COLUMN cancel_requested_at TO cancel_requested_at_old; "
      ]) {
        assert.include(message, words)
      }
      for (const statement of advised(message)) yield* run(statement)
      yield* migrate
      assert.deepStrictEqual(yield* splitOne, isSplit)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("is refused at a later start, too, when a column has become unusable", () =>
    Effect.gen(function* () {
      yield* migrate
      yield* run("ALTER TABLE orders ALTER COLUMN randomize TYPE smallint USING 0")
      const { message } = yield* Effect.flip(migrate)
      assert.include(
        message,
        "randomize is smallint, and must be boolean. As its owner: ALTER TABLE orders ALTER COLUMN randomize"
      )
      for (const statement of advised(message)) yield* run(statement)
      assert.deepStrictEqual(yield* migrate, [])
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("is refused when it is no table", () =>
    Effect.gen(function* () {
      yield* run("CREATE VIEW orders AS SELECT 1 AS id")
      assert.include((yield* Effect.flip(migrate)).message, "orders must be a plain table")
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("has no order without a status", () =>
    Effect.gen(function* () {
      yield* createOrders({ order_queue_status: "text" })
      yield* run("INSERT INTO orders (id) VALUES ('o1')")
      assert.include((yield* Effect.flip(migrate)).message, "orders without an order_queue_status exist")
      yield* run("UPDATE orders SET order_queue_status = 'DONE' WHERE order_queue_status IS NULL")
      yield* migrate
      assert.deepStrictEqual(yield* splitOne, isSplit)
    }).pipe(Effect.provide(emptyDatabase))
  )
})

describe("an order_slices that the Python service has made", () => {
  it.live("is kept under another name, and its orders are not split again", () =>
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      yield* createOrders({})
      yield* run(
        "CREATE TABLE order_slices (id text PRIMARY KEY, order_id varchar(64) REFERENCES orders (id), stage text)"
      )
      yield* run("CREATE INDEX order_slices_open ON order_slices (stage)")
      yield* run("INSERT INTO orders (id, order_queue_status) VALUES ('split', 'IN_PROGRESS'), ('done', 'DONE')")
      yield* run("INSERT INTO order_slices VALUES ('s1', 'split', 'SCHEDULED')")
      const { message } = yield* Effect.flip(migrate)
      assert.include(message, "called: table order_slices, index order_slices_open. ")
      assert.include(message, "are not placed by this one: let that service finish or cancel them and stop it first.")
      for (const statement of advised(message)) yield* run(statement)
      yield* migrate
      assert.deepStrictEqual(yield* splitOne, isSplit)
      const rows = yield* query(
        "test.orders",
        Schema.Struct({ id: Schema.String, status: Schema.String, old: Schema.Int }),
        sql`SELECT id, order_queue_status AS status, (SELECT count(*)::int FROM order_slices_old s WHERE s.order_id = orders.id) AS old
          FROM orders WHERE id <> 'new' ORDER BY id`
      )
      assert.deepStrictEqual(rows, [
        { id: "done", status: "DONE", old: 0 },
        { id: "split", status: "DONE", old: 1 }
      ])
    }).pipe(Effect.provide(emptyDatabase))
  )
})
