import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Random } from "effect"
import { Db } from "../../src/db/Db.ts"
import { migrate, migrateFrom } from "../../src/db/Migrations.ts"
import { asAdmin } from "../support/database.ts"
import { emptyDatabase, folderWith } from "../support/migrations.ts"
import { contractRow } from "../support/service.ts"
import { before, claimed, ended, insertSlices, read, rowsOf, run, textOf, withData } from "../support/slicesBefore.ts"

/** The migration's refusal. Nothing is changed but what the migration before it has done. */
const refusal = Effect.gen(function* () {
  const error = yield* Effect.flip(migrate)
  assert.strictEqual(error._tag, "MigrationFailed")
  assert.strictEqual(yield* textOf("SELECT relkind FROM pg_class WHERE oid = 'order_slices'::regclass"), "r")
  assert.isNull(yield* textOf("to_regclass('slice_plan')"))
  return error.message
})

describe("the slices' own tables", () => {
  it.live("show slices of every stage, broker calls and sums as the old tables did", () =>
    Effect.gen(function* () {
      yield* withData
      const then = yield* read
      assert.lengthOf(Object.keys(then.slices.get("s1") ?? {}), 44)
      assert.deepStrictEqual((yield* migrate).map(({ id }) => id).slice(0, 2), [26, 27])
      // Of a claimed slice only the order is on hold.
      const expected = [...then.slices].map(
        ([id, slice]) => [id, slice["stage"] === "IN_PROGRESS" ? { ...slice, is_held: false } : slice] as const
      )
      assert.deepStrictEqual(yield* read, { ...then, slices: new Map(expected) })
      assert.strictEqual(yield* textOf("SELECT count(*) FROM slice_places"), "0")
      assert.strictEqual(yield* textOf("SELECT count(*) FROM order_slices_before"), `${then.slices.size}`)
      assert.strictEqual(yield* textOf("SELECT count(*) FROM broker_events_before"), `${then.events.size}`)
      // Most slices have their plan's facts, and none twice.
      assert.strictEqual(
        yield* textOf("SELECT count(*) > 20 FROM slice_plan WHERE revision IS NOT NULL AND instrument IS NULL"),
        "true"
      )
      assert.strictEqual(yield* textOf("SELECT string_agg(id, ' ') FROM slice_plan WHERE revision = 2"), null)
      assert.deepStrictEqual(yield* migrate, [])
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("leave out what says nothing in a slice's stage", () =>
    Effect.gen(function* () {
      yield* before
      yield* insertSlices([
        { stage: "'SKIPPED'", ...ended, is_held: "true", outcome_unknown_at: "'2026-01-05T04:04:00Z'" },
        { stage: "'IN_PROGRESS'", ...claimed, ...ended },
        {
          stage: "'IN_PROGRESS'",
          ...claimed,
          acknowledged_at: "'2026-01-05'",
          broker_status: "'OPEN'",
          updated_at: "'2026-01-05T04:00:00Z'"
        }
      ])
      const then = yield* rowsOf("order_slices", "id")
      yield* migrate
      const now = yield* rowsOf("order_slices", "id")
      assert.deepStrictEqual(now.get("s1"), { ...then.get("s1"), is_held: false, outcome_unknown_at: null })
      assert.deepStrictEqual(now.get("s2"), { ...then.get("s2"), stage_reason: null, reason_code: null })
      const updatedAt = then.get("s3")?.["claimed_at"]
      assert.deepStrictEqual(now.get("s3"), {
        ...then.get("s3"),
        acknowledged_at: null,
        broker_status: null,
        updated_at: updatedAt
      })
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("are not made while daemons run, and each daemon is named", () =>
    Effect.gen(function* () {
      yield* before
      yield* run(`
        INSERT INTO workers (instance_id, worker, hostname, pid, version, broker, started_at, heartbeat_at, stale_after_millis)
        VALUES ('gone-1', 'executor', 'h', 1, '1', 'mock', now(), now() - interval '1 minute', 30000),
          ('live-1', 'executor', 'h', 1, '1', 'mock', now(), now(), 30000),
          ('live-1', 'monitor', 'h', 1, '1', 'mock', now(), now(), 30000),
          ('live-2', 'executor', 'h', 1, '1', 'mock', now(), now() - interval '10 seconds', 30000)`)
      const message = yield* refusal
      assert.include(message, "daemons of an older version are running: live-1, live-2. Stop all of them first")
      assert.include(message, "Nothing was changed.")
      // One that starts between the two migrations.
      yield* run("UPDATE workers SET heartbeat_at = now() - interval '1 minute'")
      yield* migrateFrom(yield* folderWith({ first: 26 }))
      yield* run("UPDATE workers SET heartbeat_at = now() WHERE instance_id = 'live-2'")
      assert.include(yield* refusal, "are running: live-2. Stop all")
      yield* run("UPDATE workers SET heartbeat_at = now() - interval '1 minute'")
      assert.strictEqual((yield* migrate)[0]?.name, "slice_tables")
      assert.strictEqual(yield* textOf("SELECT count(*) FROM workers WHERE layout = 1"), "4")
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("are not made while other things depend on the old tables, and each is named", () =>
    Effect.gen(function* () {
      yield* before
      yield* run(
        "CREATE VIEW my_slices AS SELECT id FROM order_slices",
        "CREATE MATERIALIZED VIEW my_events AS SELECT count(*) FROM broker_events",
        "CREATE TABLE my_notes (slice_id varchar(64) REFERENCES order_slices (id))",
        "CREATE FUNCTION my_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER my_trigger AFTER UPDATE ON order_slices FOR EACH ROW EXECUTE FUNCTION my_trigger()",
        "CREATE FUNCTION my_function() RETURNS SETOF order_slices LANGUAGE sql AS 'SELECT * FROM order_slices'",
        "CREATE PUBLICATION my_publication FOR TABLE broker_events",
        "CREATE VIEW my_progress AS SELECT * FROM order_progress"
      )
      const message = yield* refusal
      assert.include(message, "The migrations up to 26_order_numbers were applied.")
      for (const part of [
        "view my_slices",
        "materialized view my_events",
        "constraint my_notes_slice_id_fkey on table my_notes"
      ]) {
        assert.include(message, part)
      }
      for (const part of ["trigger my_trigger", "function my_function()", "publication my_publication"])
        assert.include(message, part)
      for (const part of ["my_progress", "order_progress", "append_only", "order_slices_check"])
        assert.notInclude(message, part)
      const mine = ["VIEW my_slices", "MATERIALIZED VIEW my_events", "TABLE my_notes", "FUNCTION my_trigger CASCADE"]
      yield* run(...[...mine, "FUNCTION my_function", "PUBLICATION my_publication"].map((what) => `DROP ${what}`))
      yield* run("ALTER TABLE order_slices ADD COLUMN my_column text")
      assert.include(yield* refusal, "columns that are not of this service: order_slices.my_column. Drop them first")
      yield* run("ALTER TABLE order_slices DROP COLUMN my_column")
      assert.strictEqual((yield* migrate)[0]?.name, "slice_tables")
      assert.strictEqual(yield* textOf("SELECT count(*) FROM my_progress"), "3")
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("are not made of slices that could not be kept, and each is named with the reason", () =>
    Effect.gen(function* () {
      yield* before
      yield* run("ALTER TABLE order_slices DROP CONSTRAINT order_slices_check2")
      yield* insertSlices([
        { stage: "'SKIPPED'", sequence_number: "1048576" },
        { stage: "'IN_PROGRESS'" },
        { stage: "'SCHEDULED'", filled_quantity: "1" },
        { stage: "'IN_PROGRESS'", ...claimed, is_waived: "true" },
        { stage: "'IN_PROGRESS'", outcome_unknown_at: "'2026-01-05T04:04:00Z'" }
      ])
      const message = yield* refusal
      for (const part of [
        "s1: its sequence number is above 1048575",
        "s2: it is IN_PROGRESS, and nobody has claimed it",
        "s3: it is SCHEDULED, and has a broker order, or is filled, carried or waived",
        "s4: it is IN_PROGRESS, and has a broker order"
      ]) {
        assert.include(message, part)
      }
      assert.notInclude(message, "s5")
      yield* run("DELETE FROM order_slices WHERE id <> 's5'")
      yield* insertSlices([{ stage: "'SCHEDULED'", outcome_unknown_at: "'2026-01-05T04:04:00Z'" }], 6)
      assert.include(yield* refusal, "slices would not be kept as they are: s6 (outcome_unknown_at")
      yield* run("DELETE FROM order_slices WHERE id = 's6'")
      const then = yield* read
      yield* migrate
      assert.deepStrictEqual(yield* read, then)
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("belong to the old tables' owner, and those who had rights to these have the same", () =>
    Effect.gen(function* () {
      const name = `r${(yield* Random.nextIntBetween(0, 36 ** 9)).toString(36)}`
      const roles = ["owner", "writer", "reader", "part"].map((kind) => `${name}_${kind}`)
      const [owner = "", writer = "", reader = "", part = ""] = roles
      yield* Effect.acquireRelease(
        asAdmin((sql) => Effect.forEach(roles, (role) => sql.unsafe(`CREATE ROLE ${role}`))),
        () => asAdmin((sql) => Effect.forEach(roles, (role) => sql.unsafe(`DROP ROLE ${role}`))).pipe(Effect.orDie)
      )
      const test = Effect.gen(function* () {
        yield* before
        yield* insertSlices([{ stage: "'SCHEDULED'" }, { stage: "'SKIPPED'" }])
        yield* run(
          `GRANT CREATE, USAGE ON SCHEMA public TO ${owner}`,
          ...["orders", "order_plans", "order_slices", "broker_events"].map(
            (table) => `ALTER TABLE ${table} OWNER TO ${owner}`
          ),
          `GRANT SELECT, INSERT, UPDATE, DELETE ON order_slices TO ${writer}`,
          "GRANT SELECT ON broker_events TO PUBLIC",
          `GRANT SELECT ON order_slices TO ${reader} WITH GRANT OPTION`,
          `GRANT SELECT (id, stage) ON order_slices TO ${part}`
        )
        yield* migrate
        const has = (role: string, relation: string, right: string) =>
          textOf(`has_table_privilege('${role}', '${relation}', '${right}')`)
        for (const table of [
          "order_slices",
          "slice_plan",
          "slice_claims",
          "slice_queue",
          "slice_working",
          "slice_results"
        ]) {
          assert.strictEqual(
            yield* textOf(`SELECT relowner::regrole FROM pg_class WHERE oid = '${table}'::regclass`),
            owner
          )
          assert.strictEqual(yield* has(writer, table, "SELECT, INSERT, UPDATE, DELETE"), "true")
          assert.strictEqual(yield* has(reader, table, "SELECT WITH GRANT OPTION"), "true")
          assert.strictEqual(yield* has(reader, table, "INSERT, UPDATE, DELETE"), "false")
          assert.strictEqual(yield* has(part, table, "SELECT"), "false")
        }
        assert.strictEqual(yield* has(part, "broker_calls", "SELECT"), "true")
        const as = (role: string, statement: string) => run(`SET LOCAL ROLE ${role}`, statement)
        yield* as(part, "SELECT id, stage FROM order_slices")
        yield* as(part, "SELECT * FROM broker_events")
        yield* as(reader, "SELECT * FROM order_slices")
        yield* as(writer, "INSERT INTO slice_claims (is_over, first_due_at, last_due_at) VALUES (true, now(), now())")
        const refused = yield* Effect.flip(as(part, "SELECT tag FROM order_slices"))
        assert.include(refused.message, "permission denied")
      })
      yield* Effect.provide(test, emptyDatabase)
    })
  )

  it.live("take over nothing from empty tables, and end the claims of orders", () =>
    Effect.gen(function* () {
      yield* before
      yield* run(`
        UPDATE orders SET order_queue_status = 'IN_PROGRESS', claimed_by = 'gone', claimed_at = now(), split_attempts = 2,
          arrived_as = CASE id WHEN 'o2' THEN 'IN_PROGRESS' END
        WHERE id IN ('o1', 'o2')`)
      yield* migrate
      assert.isNull(yield* textOf("coalesce(to_regclass('order_slices_before'), to_regclass('broker_events_before'))"))
      const claims =
        "SELECT string_agg(concat_ws(' ', id, order_queue_status, claimed_by, split_attempts), ', ' ORDER BY id) FROM orders"
      assert.strictEqual(yield* textOf(claims), "o1 PENDING 1, o2 IN_PROGRESS gone 2, o3 DONE 0")
    }).pipe(Effect.provide(emptyDatabase))
  )

  it.live("are filled while others insert orders, and wait for their transactions at the end", () =>
    Effect.gen(function* () {
      yield* withData
      yield* migrateFrom(yield* folderWith({ first: 26 }))
      const { sql, execute, transaction } = yield* Db
      const insertOrder = (id: string) => execute("test.order", sql`INSERT INTO orders ${sql.insert(contractRow(id))}`)
      const isOpen = yield* Latch.make(false)
      const isOver = yield* Latch.make(false)
      const other = yield* transaction(
        "test.other",
        Effect.andThen(insertOrder("other"), Effect.andThen(isOpen.open, isOver.await))
      ).pipe(Effect.forkChild)
      yield* isOpen.await
      const migrating = yield* Effect.forkChild(migrate)
      while (
        (yield* textOf(
          "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )) === "0"
      ) {
        yield* Effect.sleep("50 millis")
      }
      yield* insertOrder("meanwhile")
      assert.strictEqual(yield* textOf("SELECT count(*) FROM order_progress"), "4")
      yield* isOver.open
      yield* Fiber.join(other)
      assert.strictEqual((yield* Fiber.join(migrating))[0]?.name, "slice_tables")
      assert.strictEqual(yield* textOf("SELECT count(*) FROM order_progress"), "5")
    }).pipe(Effect.provide(emptyDatabase))
  )
})
