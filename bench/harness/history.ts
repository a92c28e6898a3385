import type { Pool } from "pg"
import { withoutIndexes } from "../contenders/pulseRows.ts"

const slicesPerOrder = 4
/** What one statement inserts. Two run at a time. */
const chunkSize = 250_000
/** Orders of today, on top of the history. */
const ordersOfToday = 2000

/** When an order of the series `n` began: they are spread over two years that end yesterday. */
const began = (orders: number) =>
  `now() - interval '1 day' - (${orders} - n) * interval '1 second' * ${(2 * 365 * 86_400) / orders}`

const planValues =
  "1, 1, 1, '{}', at, at + interval '3 minutes', at + interval '1 hour', 'MARKET', 'SPLIT', at, 'NSE:INFY', 'BUY', 'CNC', 'DAY'"
const planColumns = `order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, closes_at, order_type, cause, created_at,
  instrument, side, product_type, validity`

/**
 * Fills an empty, migrated database with `orders` orders of the last two years, each with four slices that are over, their claims and
 * broker calls, then with today's: some open at the broker, some queued. One in a hundred failed or was skipped, one slice in two hundred
 * was refused.
 */
export const fillHistory = async (pool: Pool, orders: number, tell: (line: string) => void): Promise<void> => {
  const since = performance.now()
  const done = (what: string) => tell(`${what} after ${Math.round((performance.now() - since) / 1000)} s`)
  await pool.query(
    `INSERT INTO orders (number, id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, status_reason, created_at, updated_at, split_at, claim_version, split_attempts, carry_unfilled, settled_at)
     OVERRIDING SYSTEM VALUE
     SELECT n, 'history-' || n, 'NSE:INFY', 'BUY', 40, ${slicesPerOrder}, 3, true, 'history-' || n,
       CASE WHEN n % 200 = 1 THEN 'FAILED' WHEN n % 200 = 2 THEN 'SKIPPED' ELSE 'DONE' END, CASE WHEN n % 200 = 1 THEN 'no such instrument' END,
       at, at, at, 1, 1, n % 10 = 3, CASE WHEN n % 10 = 3 THEN at + interval '1 hour' END
     FROM generate_series(1, $1::int) AS n, LATERAL (SELECT ${began(orders)} AS at) AS t`,
    [orders]
  )
  await pool.query("SELECT setval(pg_get_serial_sequence('orders', 'number'), $1)", [orders])
  done(`${orders} orders`)
  await pool.query(
    `INSERT INTO order_plans (${planColumns}) SELECT id, ${planValues}
     FROM (SELECT id, created_at AS at FROM orders WHERE order_queue_status = 'DONE') AS o`
  )
  await pool.query(
    `INSERT INTO slice_claims (id, claimed_at, lease_expires_at, first_due_at, last_due_at, is_over, owner)
     SELECT n + 1, at, at + interval '2 minutes', at, at + interval '10 minutes', true, 'bench'
     FROM generate_series(1, $1::int, 100) AS n, LATERAL (SELECT ${began(orders)} AS at) AS t`,
    [orders]
  )
  done("Their plans and claims")
  await withoutIndexes(pool, ["slice_plan", "slice_results", "broker_calls"], async () => {
    const insert = (from: number) =>
      from > orders ? Promise.resolve() : insertSlices(pool, from, from + chunkSize - 1)
    for (let from = 1; from <= orders; from += 2 * chunkSize)
      await Promise.all([insert(from), insert(from + chunkSize)])
    done("Their slices and broker calls")
  })
  done("Indexes")
  await insertToday(pool, orders)
  await pool.query("VACUUM ANALYZE")
  done("VACUUM ANALYZE")
}

const insertSlices = async (pool: Pool, from: number, to: number) => {
  const rows = `
    FROM orders o CROSS JOIN generate_series(1, ${slicesPerOrder}) AS k
    CROSS JOIN LATERAL (
      SELECT (o.number << 20) + k AS slice, o.created_at + k * interval '1 minute' AS due, (o.number * ${slicesPerOrder} + k) % 200 = 5 AS is_refused
    ) AS t
    WHERE o.number BETWEEN $1::bigint AND $2::bigint AND o.order_queue_status = 'DONE'`
  await pool.query(
    `INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, revision, id, tag)
     SELECT slice, o.number, due, due + interval '1 hour', 10, 1, o.id || '-' || k, 'H' || lpad(to_hex(o.number), 8, '0') || k ${rows}`,
    [from, to]
  )
  await pool.query(
    `INSERT INTO slice_results (slice, claim, placed_at, acknowledged_at, updated_at, version, attempts, quantity, filled, stage, broker_order_id,
       broker_status, average_price, reason, reason_code)
     SELECT slice, (o.number - 1) / 100 * 100 + 2, due, due + interval '20 milliseconds', due + interval '1 second', 1, 1, 10,
       CASE WHEN is_refused THEN 0 ELSE 10 END, CASE WHEN is_refused THEN 'F' ELSE 'P' END::"char", CASE WHEN NOT is_refused THEN 'B' || slice END,
       CASE WHEN NOT is_refused THEN 'COMPLETE' END, CASE WHEN NOT is_refused THEN 1500.05 END,
       CASE WHEN is_refused THEN 'insufficient margin' END, CASE WHEN is_refused THEN 'broker_refused' END ${rows}`,
    [from, to]
  )
  await pool.query(
    `INSERT INTO broker_calls (slice, called_at, duration_millis, claim, version, attempt, call, broker, broker_order_id, outcome)
     SELECT slice, due, 20.5, (o.number - 1) / 100 * 100 + 2, 1, 1, 'p', 'mock', CASE WHEN NOT is_refused THEN 'B' || slice END,
       CASE WHEN is_refused THEN 'refused' END ${rows}`,
    [from, to]
  )
}

/** Orders that began an hour ago: the first slice of each is filled, the second open at the broker, the others are still to come. */
const insertToday = async (pool: Pool, orders: number) => {
  await pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, created_at, updated_at, split_at, claim_version, split_attempts)
     SELECT 'today-' || n, 'NSE:INFY', 'BUY', 40, ${slicesPerOrder}, 180, false, 'today-' || n, 'DONE', at, at, at, 1, 1
     FROM generate_series(1, $1::int) AS n, LATERAL (SELECT now() - interval '1 hour' + n * interval '1 millisecond' AS at) AS t`,
    [ordersOfToday]
  )
  await pool.query(
    `INSERT INTO order_plans (${planColumns}) SELECT id, ${planValues} FROM (SELECT id, created_at AS at FROM orders WHERE number > $1) AS o`,
    [orders]
  )
  await pool.query(
    `INSERT INTO slice_claims (id, claimed_at, lease_expires_at, first_due_at, last_due_at, is_over, owner)
     SELECT $1::bigint + n, at, at, at, at, true, 'bench' FROM generate_series(2, 21) AS n, LATERAL (SELECT now() - interval '1 hour' AS at) AS t`,
    [orders]
  )
  const claim = "$1::bigint + 2 + o.number % 20"
  const rows = `
    FROM orders o CROSS JOIN generate_series(1, ${slicesPerOrder}) AS k
    CROSS JOIN LATERAL (SELECT (o.number << 20) + k AS slice, o.created_at + (k - 1) * interval '59 minutes' AS due, o.id || '-' || k AS id,
      'T' || lpad(to_hex(o.number), 8, '0') || k AS tag) AS t
    WHERE o.number > $1::bigint`
  await pool.query(
    `INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, revision, id, tag)
     SELECT slice, o.number, due, due + interval '1 day', 10, 1, t.id, tag ${rows}`,
    [orders]
  )
  await pool.query(
    `INSERT INTO slice_results (slice, claim, placed_at, acknowledged_at, updated_at, version, attempts, quantity, filled, stage, broker_order_id, broker_status)
     SELECT slice, ${claim}, due, due, due, 1, 1, 10, 10, 'P', 'B' || slice, 'COMPLETE' ${rows} AND k = 1`,
    [orders]
  )
  await pool.query(
    `INSERT INTO slice_working (slice, claim, placed_at, acknowledged_at, version, attempts, quantity, broker_order_id, broker_status)
     SELECT slice, ${claim}, due, due, 1, 1, 10, 'B' || slice, 'OPEN' ${rows} AND k = 2`,
    [orders]
  )
  await pool.query(
    `INSERT INTO slice_queue (slice, quantity, due_at, not_after, format, is_held, keeps_hours, is_unpriced, tag, id, facts)
     SELECT slice, 10, due, due + interval '1 day', 1, false, false, true, tag, t.id,
       slice_facts(o.id, 'NSE:INFY', 'BUY', 'MARKET', NULL, 'CNC', 'DAY', NULL, NULL, NULL, NULL) ${rows} AND k > 2`,
    [orders]
  )
  await pool.query(
    `INSERT INTO operator_actions (at, operator, action, reason, order_id)
     SELECT now() - n * interval '1 minute', 'bench@bench', 'order pause', 'bench', 'history-' || n FROM generate_series(1, 100000) AS n`
  )
}
