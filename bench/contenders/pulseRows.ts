import type { Pool } from "pg"

/** Inserts orders as pulse-api does. The first slice is due at the order's `created_at`. */
export const insertOrders = (pool: Pool, dueMillis: ReadonlyArray<number>, slices: number) =>
  pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, created_at)
     SELECT $3 || n, 'NSE:INFY', 'BUY', $2 * ${quantity}, $2, 0, false, $3 || n, 'PENDING', to_timestamp(due / 1000)
     FROM unnest($1::float8[]) WITH ORDINALITY AS t (due, n)`,
    [dueMillis, slices, `order-${Math.round(dueMillis[0] ?? 0)}-`]
  )

/** Of each slice. */
export const quantity = 10

/** A table that holds slices, and what they have in it beside their key and quantity. */
interface Place {
  readonly table: "slice_queue" | "slice_results"
  readonly columns: string
  readonly values: string
}

const queue: Place = {
  table: "slice_queue",
  columns: "due_at, not_after, format, is_held, keeps_hours, is_unpriced, tag, id, facts",
  values: `due, due + interval '10 days', 1, false, false, true, tag, t.id,
    slice_facts(o.id, 'NSE:INFY', 'BUY', 'MARKET', NULL, 'CNC', 'DAY', NULL, NULL, NULL, NULL)`
}

const results: Place = {
  table: "slice_results",
  columns: "stage, version, attempts, placed_at, acknowledged_at, updated_at, broker_order_id, broker_status, filled",
  values: `'P', 1, 1, due, due, due, 'bench-' || n, 'COMPLETE', ${quantity}`
}

export interface Slices {
  readonly count: number
  /** Part of all keys, of up to 12 letters and digits. */
  readonly name: string
  /** Each due time, or the first one and the time between two. */
  readonly due: ReadonlyArray<number> | { readonly firstMillis: number; readonly gapMillis: number }
  readonly slicesPerOrder: number
}

/** The due time of the slice `n`, in milliseconds, where it is the `nth` to be due; $3 has the due times. */
const dueOf = (due: Slices["due"]): { readonly sql: string; readonly value: ReadonlyArray<number> } =>
  "firstMillis" in due
    ? { sql: "(($3::float8[])[1] + nth * ($3::float8[])[2])", value: [due.firstMillis, due.gapMillis] }
    : { sql: "($3::float8[])[nth + 1]", value: due }

/** What one statement inserts. Two run at a time. */
const chunkSize = 1_000_000

/**
 * Inserts slices as the splitter writes them, order by order. The orders are due side by side: each has one slice due, then each
 * has another one. So a claim takes slices of as many orders as it can, from as many pages.
 */
const insertSlices = async (pool: Pool, slices: Slices, place: Place) => {
  const { count, name, slicesPerOrder } = slices
  const orders = Math.ceil(count / slicesPerOrder)
  const due = dueOf(slices.due)
  await pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, split_at)
     SELECT '${name}-' || n, 'NSE:INFY', 'BUY', $2 * ${quantity}, $2, 0, false, '${name}-' || n, 'DONE', now()
     FROM generate_series(1, $1::int) AS n`,
    [orders, slicesPerOrder]
  )
  await pool.query(
    `INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, closes_at, order_type,
       cause, created_at, instrument, side, product_type, validity)
     SELECT '${name}-' || nth + 1, 1, 1, 1, '{}', due, due, due + interval '10 days', 'MARKET', 'SPLIT', now(), 'NSE:INFY', 'BUY', 'CNC',
       'DAY'
     FROM generate_series($1::int, $2::int) AS nth, to_timestamp(${due.sql} / 1000) AS due`,
    [0, orders - 1, due.value]
  )
  // Only the last order may have fewer slices.
  const ofLast = count - (orders - 1) * slicesPerOrder
  const rows = `
    FROM generate_series($1::int, $2::int) AS n
    JOIN orders o ON o.id = '${name}-' || (n / $4::int + 1)
    CROSS JOIN LATERAL (SELECT n % $4 * $5::int + n / $4 - greatest(0, n % $4 - $6::int) AS nth) AS turn
    CROSS JOIN LATERAL (
      SELECT (o.number << 20) + n % $4 + 1 AS slice, '${name}' || lpad(to_hex(n), 8, '0') AS tag,
        to_timestamp(${due.sql} / 1000) AS due, o.id || '-' || n % $4 AS id
    ) AS t`
  const insert = async (from: number) => {
    if (from >= count) return
    const to = Math.min(from + chunkSize, count) - 1
    const values = [from, to, due.value, slicesPerOrder, orders, ofLast]
    await pool.query(
      `INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, revision, id, tag)
       SELECT slice, o.number, due, due + interval '10 days', ${quantity}, 1, t.id, tag ${rows}`,
      values
    )
    await pool.query(
      `INSERT INTO ${place.table} (slice, quantity, ${place.columns}) SELECT slice, ${quantity}, ${place.values} ${rows}`,
      values
    )
  }
  for (let from = 0; from < count; from += 2 * chunkSize) await Promise.all([insert(from), insert(from + chunkSize)])
}

/** Slices that wait for their time. */
export const insertQueued = (pool: Pool, slices: Slices) => insertSlices(pool, slices, queue)

/** Slices that are over. */
export const insertFinished = (pool: Pool, slices: Slices) => insertSlices(pool, slices, results)

export const insertWaiting = (pool: Pool, count: number, firstDueMillis: number) =>
  insertQueued(pool, {
    count,
    name: "waiting",
    due: { firstMillis: firstDueMillis, gapMillis: 1 },
    slicesPerOrder: 1000
  })

/** Fills tables without their indexes, and makes these again: for millions of rows a fifth of the time. */
export const withoutIndexes = async (pool: Pool, tables: ReadonlyArray<string>, fill: () => Promise<void>) => {
  const { rows: constraints } = await pool.query(
    `SELECT conrelid::regclass::text AS on, conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE contype IN ('p', 'u') AND conrelid = ANY ($1::text[]::regclass[])`,
    [tables]
  )
  for (const { on, name } of constraints) await pool.query(`ALTER TABLE ${on} DROP CONSTRAINT ${name}`)
  const { rows: indexes } = await pool.query(
    "SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = ANY ($1)",
    [tables]
  )
  for (const { name } of indexes) await pool.query(`DROP INDEX ${name}`)
  await fill()
  for (const { definition } of indexes) await pool.query(definition)
  for (const { on, name, definition } of constraints) {
    await pool.query(`ALTER TABLE ${on} ADD CONSTRAINT ${name} ${definition}`)
  }
}
