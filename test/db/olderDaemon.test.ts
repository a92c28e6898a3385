import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { emptyDatabase } from "../support/migrations.ts"
import { contractRow } from "../support/service.ts"
import { read, rowsOf, run, withData } from "../support/slicesBefore.ts"

/** Statements of the version before, as its daemons and commands send them. */
const olderStatements: Readonly<Record<string, string | ReadonlyArray<string>>> = {
  "a heartbeat": `
    INSERT INTO workers (instance_id, hostname, pid, version, started_at, broker, worker, heartbeat_at, stale_after_millis, ticks,
      failed_ticks, last_error, hold)
    VALUES ('older', 'h', 1, '1', now(), 'mock', 'executor', now(), 30000, 0, 0, NULL, NULL)
    ON CONFLICT (instance_id, worker) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, ticks = excluded.ticks`,
  "a claim of slices": `
    WITH picked AS MATERIALIZED (
      SELECT id, instrument FROM order_slices WHERE stage = 'SCHEDULED' AND NOT is_held AND not_before <= now()
      ORDER BY not_before, id LIMIT 10 FOR UPDATE SKIP LOCKED
    )
    UPDATE order_slices s SET stage = 'IN_PROGRESS', claim_version = s.claim_version + 1, claimed_by = 'older', claimed_at = now(),
      lease_expires_at = now(), updated_at = now()
    FROM picked WHERE s.id = picked.id RETURNING s.id`,
  "an outcome":
    "UPDATE order_slices s SET stage = 'FAILED' WHERE s.id = 's3' AND s.stage || '' = 'IN_PROGRESS' RETURNING s.id",
  "a claim of orders": `
    WITH picked AS MATERIALIZED (
      SELECT id, EXISTS (SELECT FROM order_slices WHERE order_id = orders.id) AS is_split FROM orders
      WHERE order_queue_status = 'PENDING' ORDER BY created_at, id LIMIT 10 FOR UPDATE SKIP LOCKED
    )
    UPDATE orders o SET order_queue_status = CASE WHEN p.is_split THEN 'DONE' ELSE 'IN_PROGRESS' END,
      claim_version = o.claim_version + 1, split_attempts = o.split_attempts + 1, claimed_by = 'older', claimed_at = now()
    FROM picked p WHERE o.id = p.id RETURNING o.id`,
  "a cancel": [
    `UPDATE orders SET cancel_requested_at = now() WHERE id = 'o1' AND cancel_requested_at IS NULL`,
    `UPDATE order_slices SET stage = 'SKIPPED', stage_reason = 'order cancelled' WHERE order_id = 'o1' AND stage = 'SCHEDULED'`
  ],
  "a pause": [
    `UPDATE orders SET held_at = now(), hold_reason = 'x' WHERE id = 'o1' AND hold_reason IS NULL`,
    `UPDATE order_slices s SET is_held = o.hold_reason IS NOT NULL FROM orders o
    WHERE o.id = 'o1' AND s.order_id = o.id AND s.stage = 'SCHEDULED' AND s.is_held <> (o.hold_reason IS NOT NULL)`
  ],
  "a retry": [
    `SELECT s.id FROM order_slices s JOIN orders o ON o.id = s.order_id WHERE s.id = 's10' FOR UPDATE OF s`,
    `UPDATE order_slices s SET stage = 'SCHEDULED' FROM orders o WHERE s.id = 's10' AND o.id = s.order_id`
  ],
  "an audit": `
    INSERT INTO broker_events (id, called_at, duration_millis, broker, call, outcome, request, response, worker)
    VALUES ('older', now(), 1, 'mock', 'place', 'ok', '{}', '{}', 'older') ON CONFLICT (id) DO NOTHING`,
  "a prune": ["DELETE FROM order_slices WHERE order_id = 'o1'", "DELETE FROM orders WHERE id = 'o1'"]
}

describe("a daemon or a command of the version before", () => {
  it.live("changes nothing any more", () =>
    Effect.gen(function* () {
      yield* withData
      yield* run(`
        INSERT INTO workers (instance_id, worker, hostname, pid, version, broker, started_at, heartbeat_at, stale_after_millis)
        VALUES ('older', 'executor', 'h', 1, '1', 'mock', now(), now() - interval '1 minute', 30000)`)
      yield* migrate
      yield* Effect.flatMap(Db, ({ sql, execute }) =>
        execute("test.order", sql`INSERT INTO orders ${sql.insert(contractRow("new"))}`)
      )
      const all = Effect.all({ read, orders: rowsOf("orders", "id"), workers: rowsOf("workers", "instance_id") })
      const then = yield* all
      for (const [what, statements] of Object.entries(olderStatements)) {
        const error = yield* Effect.flip(run(...[statements].flat()))
        assert.isFalse(error.isTransient, what)
        const expected = {
          "a heartbeat": "daemon_is_older_than_the_database_upgrade_it",
          "a claim of orders": "orders_claimed_by_this_layout",
          "a retry": "FOR UPDATE cannot be applied"
        }[what]
        assert.include(error.message, expected ?? "view", what)
        assert.deepStrictEqual(yield* all, then, what)
      }
    }).pipe(Effect.provide(emptyDatabase))
  )
})
