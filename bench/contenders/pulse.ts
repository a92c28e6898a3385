import { ConfigProvider, Effect, Fiber, Layer, Redacted } from "effect"
import { setTimeout } from "node:timers/promises"
import { Pool } from "pg"
import { Configuration } from "../../src/config/Configuration.ts"
import { daemonWith } from "../../src/Daemon.ts"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import type { SliceId } from "../../src/domain/model/Ids.ts"
import { LoggingLayer } from "../../src/runtime/Logging.ts"
import { type Contender, wallClockMillis } from "./Contender.ts"
import { instantBroker } from "./instantBroker.ts"
import { insertOrders, insertQueued } from "./pulseRows.ts"

const configured = (url: string, settings: Readonly<Record<string, string>>) =>
  Configuration.layer.pipe(
    Layer.provide(
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({ DATABASE_URL: url, ORDER_WINDOW_GRACE_MINUTES: "1440", ...settings })
      )
    )
  )

const tuning = {
  LOG_LEVEL: "warn",
  SLICE_EXECUTOR_CLAIM_LIMIT: "5000",
  SLICE_EXECUTOR_CONCURRENCY: "1000",
  // The order list is read on the broker's hints, as with its order feed. So no look-up falls into a burn-down.
  BROKER_POLL_INTERVAL_SECONDS: "30"
}

/** Where worker processes are killed: short leases, and the order list read each second. */
const recovering = {
  BROKER_TIMEOUT_SECONDS: "2",
  SLICE_EXECUTION_TIMEOUT_MINUTES: "0.1",
  BROKER_POLL_INTERVAL_SECONDS: "1"
}

/** This service with everything it does for a slice: claim and lease, tag, audit, acknowledgement, all broker guards. */
export const pulse: Contender = {
  hasDueTimes: true,
  isMeasuredAtDefaults: true,
  prepare: (url) =>
    Effect.runPromise(
      migrate.pipe(
        Effect.asVoid,
        Effect.provide(Layer.provideMerge(Db.layer({ url: Redacted.make(url) }), configured(url, {}))),
        Effect.provide(LoggingLayer.pipe(Layer.provide(configured(url, tuning))))
      )
    ),
  enqueue: async (pool, dueMillis) => void (await insertOrders(pool, dueMillis, 1)),
  put: async (pool, dueMillis, slicesPerOrder) => {
    await insertQueued(pool, {
      count: dueMillis.length,
      name: `d${(Math.round(dueMillis[0] ?? 0) % 1e9).toString(36)}x`,
      due: dueMillis,
      slicesPerOrder
    })
  },
  release: {
    hold: (pool) => setHalt(pool, true),
    ready: async (pool, workers) => {
      while (!(await isTrue(pool, runningSinceHalt, [workers]))) await setTimeout(50)
      // The work right after a daemon's start is not counted.
      await setTimeout(500)
    },
    go: (pool) => setHalt(pool, false)
  },
  isDone: (pool) => isTrue(pool, `SELECT ${noneDueToday} AND ${allSplit}`),
  dues: async (url, keys) => {
    const pool = new Pool({ connectionString: url })
    const { rows } = await pool.query(
      "SELECT id, (extract(epoch FROM scheduled_at) * 1000)::float8 AS due FROM slice_plan WHERE id = ANY ($1)",
      [keys]
    )
    await pool.end()
    return new Map(rows.map(({ id, due }) => [String(id), Number(due)]))
  },
  work: async ({ url, isTuned, onCall, orderList }) => {
    const calls: Array<{ readonly id: SliceId; readonly atMillis: number }> = []
    let isFilled = false
    const broker = instantBroker({
      onPlace: (id, tag) => {
        calls.push({ id, atMillis: wallClockMillis() })
        onCall(id, tag)
      },
      orderList,
      isFilled: () => isFilled
    })
    const config = configured(url, {
      ...(isTuned ? tuning : {}),
      ...(orderList === undefined ? {} : recovering)
    })
    const database = Db.layer({ url: Redacted.make(url) })
    const fiber = Effect.runFork(
      daemonWith(broker).pipe(
        Effect.provide(database.pipe(Layer.provideMerge(LoggingLayer), Layer.provideMerge(config)))
      )
    )
    return {
      calls: async () => {
        const dues = await pulse.dues?.(
          url,
          calls.map(({ id }) => id)
        )
        return calls.map(({ id, atMillis }) => ({ dueMillis: dues?.get(id) ?? Number.NaN, atMillis }))
      },
      fill: () => {
        isFilled = true
      },
      stop: async () => void (await Effect.runPromise(Fiber.interrupt(fiber)))
    }
  }
}

/** Those that wait for tomorrow stay. */
const noneDueToday = "NOT EXISTS (SELECT FROM slice_queue WHERE NOT is_held AND due_at < now() + interval '1 hour')"

const runningSinceHalt = `
  SELECT count(DISTINCT instance_id) >= $1::int FROM workers
  WHERE heartbeat_at > (SELECT max(requested_at) FROM placement_halts)`

/** Uses the two partial indexes of unfinished orders. */
const allSplit = `
  NOT EXISTS (SELECT FROM orders WHERE order_queue_status = 'PENDING' AND calendar_until IS NULL)
    AND NOT EXISTS (SELECT FROM orders WHERE order_queue_status = 'IN_PROGRESS')`

export const untilSplit = async (pool: Pool): Promise<void> => {
  while (!(await isTrue(pool, `SELECT ${allSplit}`))) await setTimeout(50)
}

/** Waits until no order is open at the broker. */
export const untilFilled = async (pool: Pool): Promise<void> => {
  while (!(await isTrue(pool, "SELECT NOT EXISTS (SELECT FROM slice_working)"))) await setTimeout(50)
}

const setHalt = async (pool: Pool, isHalted: boolean) => {
  await pool.query(
    "INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at) VALUES ($1, 'bench', 'bench', now())",
    [isHalted]
  )
  await pool.query("SELECT pg_notify('pulse_background', 'halts')")
}

const isTrue = async (pool: Pool, text: string, values: ReadonlyArray<unknown> = []): Promise<boolean> => {
  const { rows } = await pool.query({ text, values: [...values], rowMode: "array" })
  return rows[0]?.[0] === true
}
