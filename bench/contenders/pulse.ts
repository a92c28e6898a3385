import { ConfigProvider, Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { setTimeout } from "node:timers/promises"
import { Pool } from "pg"
import { Broker } from "../../src/broker/Broker.ts"
import { configuredGuards } from "../../src/broker/layers/BrokerLayer.ts"
import { orderListSince } from "../../src/broker/orderListSince.ts"
import type { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { Configuration } from "../../src/config/Configuration.ts"
import { daemonWith } from "../../src/Daemon.ts"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { BrokerOrderId, type SliceId } from "../../src/domain/model/Ids.ts"
import { LoggingLayer } from "../../src/runtime/Logging.ts"
import { type Contender, wallClockMillis } from "./Contender.ts"

export const configured = (url: string, isTuned: boolean) =>
  Configuration.layer.pipe(
    Layer.provide(
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({
          DATABASE_URL: url,
          ORDER_WINDOW_GRACE_MINUTES: "1440",
          ...(process.env.XPOLL
            ? { BROKER_POLL_INTERVAL_SECONDS: "600", TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: "600" }
            : {}),
          ...(isTuned ? tuning : {})
        })
      )
    )
  )

const tuning = { LOG_LEVEL: "warn", SLICE_EXECUTOR_CLAIM_LIMIT: "5000", SLICE_EXECUTOR_CONCURRENCY: "1000" }

/** A broker that acknowledges at once and records the call, below all guards of the service. */
const instantBroker = (onPlace: (id: SliceId) => void) => {
  let placed = 0
  const bottom = Layer.succeed(
    Broker,
    Broker.of({
      name: "mock",
      quarantine: Duration.seconds(10),
      orderListSince: orderListSince.mock,
      place: ({ sliceId }) =>
        Effect.sync(() => {
          onPlace(sliceId)
          placed++
          return { brokerOrderId: BrokerOrderId.make(`${process.pid}-${placed}`) }
        }),
      findByTag: () => Effect.succeed({ orders: [], unreadable: [] }),
      listAll: Effect.succeed({ entries: [], unreadable: [] }),
      cancel: () => Effect.void,
      quotes: () => Effect.succeed([]),
      changed: Effect.never
    })
  )
  return Layer.unwrap(
    Effect.map(Configuration, (config) =>
      configuredGuards(config).reduce(
        (below: Layer.Layer<Broker, never, PlacementGate>, wrapper) => wrapper.pipe(Layer.provide(below)),
        bottom
      )
    )
  )
}

const slicesPerOrder = 100

/** This service with everything it does for a slice: claim and lease, tag, audit, acknowledgement, all broker guards. */
export const pulse: Contender = {
  name: "pulse-background",
  hasDueTimes: true,
  isMeasuredAtDefaults: true,
  prepare: (url) =>
    Effect.runPromise(
      migrate.pipe(
        Effect.asVoid,
        Effect.provide(Layer.provideMerge(Db.layer({ url: Redacted.make(url) }), configured(url, false))),
        Effect.provide(LoggingLayer.pipe(Layer.provide(configured(url, true))))
      )
    ),
  enqueue: async (pool, dueMillis) => {
    const isOverdue = (dueMillis[0] ?? 0) < wallClockMillis()
    if (isOverdue) await setHalt(pool, true)
    await insertOrders(
      pool,
      isOverdue ? dueMillis.filter((_, n) => n % slicesPerOrder === 0) : dueMillis,
      isOverdue ? slicesPerOrder : 1
    )
  },
  release: {
    prepared: async (pool) => {
      await untilSplit(pool)
      await pool.query("VACUUM ANALYZE")
    },
    go: (pool) => setHalt(pool, false)
  },
  isDone: (pool) => isTrue(pool, `SELECT NOT EXISTS (SELECT FROM slice_queue) AND ${allSplit}`),
  work: async ({ url, isTuned, onCall }) => {
    const calls: Array<{ readonly id: SliceId; readonly atMillis: number }> = []
    const broker = instantBroker((id) => {
      calls.push({ id, atMillis: wallClockMillis() })
      onCall()
    })
    const config = configured(url, isTuned)
    const database = Db.layer({ url: Redacted.make(url) })
    const fiber = Effect.runFork(
      daemonWith(broker).pipe(
        Effect.provide(database.pipe(Layer.provideMerge(LoggingLayer), Layer.provideMerge(config)))
      )
    )
    return {
      calls: async () => {
        const dues = await duesOf(url)
        return calls.map(({ id, atMillis }) => ({ dueMillis: dues.get(id) ?? Number.NaN, atMillis }))
      },
      stop: async () => void (await Effect.runPromise(Fiber.interrupt(fiber)))
    }
  }
}

/** Uses the two partial indexes of unfinished orders. */
const allSplit = `
  NOT EXISTS (SELECT FROM orders WHERE order_queue_status = 'PENDING')
    AND NOT EXISTS (SELECT FROM orders WHERE order_queue_status = 'IN_PROGRESS')`

export const untilSplit = async (pool: Pool): Promise<void> => {
  while (!(await isTrue(pool, `SELECT ${allSplit}`))) await setTimeout(50)
}

/** Inserts orders as pulse-api does. The first slice is due at the order's `created_at`. */
export const insertOrders = (pool: Pool, dueMillis: ReadonlyArray<number>, slices: number) =>
  pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, created_at)
     SELECT $3 || n, 'NSE:INFY', 'BUY', $2 * 10, $2, 0, false, $3 || n, 'PENDING', to_timestamp(due / 1000)
     FROM unnest($1::float8[]) WITH ORDINALITY AS t (due, n)`,
    [dueMillis, slices, `order-${Math.round(dueMillis[0] ?? 0)}-`]
  )

/** A table that holds slices, and what they have in it beside their key and quantity. */
interface Place {
  readonly table: "slice_queue" | "slice_results"
  readonly columns: string
  readonly values: string
}

const queue: Place = {
  table: "slice_queue",
  columns: "due_at, not_after, format, is_held, keeps_hours, is_unpriced, tag, facts",
  values: `due, due + interval '10 days', 1, false, false, true, tag,
    slice_facts(o.id, 'NSE:INFY', 'BUY', 'MARKET', NULL, 'CNC', 'DAY', NULL, NULL, NULL, NULL)`
}

const results: Place = {
  table: "slice_results",
  columns: "stage, version, attempts, placed_at, acknowledged_at, updated_at, broker_order_id, broker_status, filled",
  values: "'P', 1, 1, due, due, due, 'bench-' || n, 'COMPLETE', 10"
}

/** Inserts slices without the splitter: 1,000 for each order, due one millisecond apart. */
const insertSlices = async (pool: Pool, count: number, firstDueMillis: number, name: string, place: Place) => {
  const orders = Math.ceil(count / 1000)
  await pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, split_at)
     SELECT '${name}-' || n, 'NSE:INFY', 'BUY', 10000, 1000, 0, false, '${name}-' || n, 'DONE', now() FROM generate_series(1, $1::int) AS n`,
    [orders]
  )
  await pool.query(
    `INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, closes_at, order_type,
       cause, created_at, instrument, side, product_type, validity)
     SELECT '${name}-' || n, 1, 1, 1, '{}', due, due, due + interval '10 days', 'MARKET', 'SPLIT', now(), 'NSE:INFY', 'BUY', 'CNC', 'DAY'
     FROM generate_series(1, $1::int) AS n, to_timestamp(($2::float8 + (n - 1) * 1000) / 1000) AS due`,
    [orders, firstDueMillis]
  )
  const rows = `
    FROM generate_series($1::int, $2::int) AS n
    JOIN orders o ON o.id = '${name}-' || (n / 1000 + 1)
    CROSS JOIN LATERAL (
      SELECT (o.number << 20) + n % 1000 + 1 AS slice, '${name}' || lpad(to_hex(n), 8, '0') AS tag, to_timestamp(($3::float8 + n) / 1000) AS due
    ) AS t`
  for (let from = 0; from < count; from += 1_000_000) {
    const range = [from, Math.min(from + 1_000_000, count) - 1, firstDueMillis]
    await pool.query(
      `INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, revision, id, tag)
       SELECT slice, o.number, due, due + interval '10 days', 10, 1, o.id || '-' || n % 1000, tag ${rows}`,
      range
    )
    await pool.query(
      `INSERT INTO ${place.table} (slice, quantity, ${place.columns}) SELECT slice, 10, ${place.values} ${rows}`,
      range
    )
  }
}

export const insertWaiting = (pool: Pool, count: number, firstDueMillis: number) =>
  insertSlices(pool, count, firstDueMillis, "waiting", queue)

export const insertDue = (pool: Pool, count: number, dueMillis: number, name: string) =>
  insertSlices(pool, count, dueMillis - count, `due${name}`, queue)

export const insertFinished = (pool: Pool, count: number, firstDueMillis: number) =>
  insertSlices(pool, count, firstDueMillis, "finished", results)

const setHalt = async (pool: Pool, isHalted: boolean) => {
  await pool.query(
    "INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at) VALUES ($1, 'bench', 'bench', now())",
    [isHalted]
  )
  await pool.query("SELECT pg_notify('pulse_background', 'halts')")
}

const isTrue = async (pool: Pool, query: string): Promise<boolean> => {
  const { rows } = await pool.query({ text: query, rowMode: "array" })
  return rows[0]?.[0] === true
}

const duesOf = async (url: string): Promise<ReadonlyMap<string, number>> => {
  const pool = new Pool({ connectionString: url })
  const { rows } = await pool.query(
    "SELECT id, (extract(epoch FROM scheduled_at) * 1000)::float8 AS due FROM slice_plan"
  )
  await pool.end()
  return new Map(rows.map(({ id, due }) => [String(id), Number(due)]))
}
