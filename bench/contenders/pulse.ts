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
  isDone: (pool) =>
    isTrue(
      pool,
      `SELECT NOT EXISTS (SELECT FROM order_slices WHERE stage = 'SCHEDULED')
         AND NOT EXISTS (SELECT FROM order_slices WHERE stage = 'IN_PROGRESS') AND ${allSplit}`
    ),
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

/** Inserts slices without the splitter: 1,000 for each order, due one millisecond apart. */
const insertSlices = async (
  pool: Pool,
  count: number,
  firstDueMillis: number,
  name: string,
  columns: string,
  values: string
) => {
  const orders = Math.ceil(count / 1000)
  await pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
       order_queue_status, split_at)
     SELECT '${name}-' || n, 'NSE:INFY', 'BUY', 10000, 1000, 0, false, '${name}-' || n, 'DONE', now() FROM generate_series(1, $1::int) AS n`,
    [orders]
  )
  for (let from = 0; from < count; from += 1_000_000) {
    await pool.query(
      `INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type, validity,
         scheduled_at, not_before, not_after, ${columns})
       SELECT '${name}-' || (n / 1000 + 1) || '-' || n % 1000, '${name}-' || (n / 1000 + 1), n % 1000 + 1, '${name}' || lpad(to_hex(n), 8, '0'),
         'NSE:INFY', 'BUY', 10, 'MARKET', 'CNC', 'DAY', due, due, due + interval '10 days', ${values}
       FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT to_timestamp(($3::float8 + n) / 1000) AS due) AS t`,
      [from, Math.min(from + 1_000_000, count) - 1, firstDueMillis]
    )
  }
}

export const insertWaiting = (pool: Pool, count: number, firstDueMillis: number) =>
  insertSlices(pool, count, firstDueMillis, "waiting", "stage", "'SCHEDULED'")

export const insertDue = (pool: Pool, count: number, dueMillis: number, name: string) =>
  insertSlices(pool, count, dueMillis - count, `due${name}`, "stage", "'SCHEDULED'")

export const insertFinished = (pool: Pool, count: number, firstDueMillis: number) =>
  insertSlices(
    pool,
    count,
    firstDueMillis,
    "finished",
    "stage, claim_version, attempts, placed_at, acknowledged_at, broker_order_id, broker_status, broker_is_final, filled_quantity",
    "'PROCESSED', 1, 1, due, due, 'bench-' || n, 'COMPLETE', true, 10"
  )

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
    "SELECT id, (extract(epoch FROM scheduled_at) * 1000)::float8 AS due FROM order_slices"
  )
  await pool.end()
  return new Map(rows.map(({ id, due }) => [String(id), Number(due)]))
}
