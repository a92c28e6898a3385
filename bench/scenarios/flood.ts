import { setTimeout } from "node:timers/promises"
import { quantile } from "../../src/domain/numbers/quantile.ts"
import { wallClockMillis } from "../contenders/Contender.ts"
import { pulse } from "../contenders/pulse.ts"
import { type BenchDatabase, withDatabase } from "../harness/Bench.ts"
import { withDaemon, withMain } from "../harness/MainProcess.ts"

/** Rows that nobody can split; orders of one slice that is due at once; the same with a broker that takes 10 a second. */
export type FloodKind = "bad" | "tiny" | "limited"

export interface Flood {
  /** From the commit of the normal order that follows the flood to its split. */
  readonly splitMillis: number
  /** Lateness of its first slice, which is due at its commit; that of a slice is measured up to the broker's answer. */
  readonly firstMillis: number
  /** The largest lateness of its other slices that were due after the split. */
  readonly newMaxMillis: number
  readonly newP50Millis: number
  /** The largest lateness, after the flood, of the slices of orders that were running before it. */
  readonly runningMaxMillis: number
  /** From the commit of the flood until none of its rows waits; NaN if that takes longer than the normal order. */
  readonly doneMillis: number
}

const runningOrders = 5
const slices = 20

export interface FloodOptions {
  readonly rows: number
  /** How long the normal orders run before it. */
  readonly settlingSeconds: number
  /** How long the normal orders are watched; a slice that is not placed by then counts as placed at that moment. */
  readonly seconds: number
}

/** Measures orders of 20 slices over one minute: five that run when a flood of rows arrives, and one right behind it. */
export const flood = (server: string, kind: FloodKind, options: FloodOptions): Promise<Flood> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    return withBroker(kind, (environment) => withDaemon(database, () => run(database, kind, options), environment))
  })

const run = async (database: BenchDatabase, kind: FloodKind, options: FloodOptions): Promise<Flood> => {
  const { pool } = database
  for (let n = 1; n <= runningOrders; n++) await insertNormal(database, `running-${n}`)
  await setTimeout(options.settlingSeconds * 1000)
  await pool.query(kind === "bad" ? badRows : tinyOrders, [options.rows])
  const floodedMillis = wallClockMillis()
  await insertNormal(database, "new")
  const committedMillis = wallClockMillis()
  let doneMillis = Number.NaN
  const end = committedMillis + options.seconds * 1000
  while (wallClockMillis() < end && (await isAny(database, normalUnfinished))) {
    if (Number.isNaN(doneMillis) && !(await isAny(database, floodUnfinished))) doneMillis = wallClockMillis()
    await setTimeout(100)
  }
  const { rows } = await pool.query(
    `SELECT s.order_id AS order, s.sequence_number AS number, ${millis("s.scheduled_at")} AS due,
       ${millis("coalesce(s.acknowledged_at, now())")} AS placed, ${millis("o.split_at")} AS split
     FROM order_slices s JOIN orders o ON o.id = s.order_id WHERE NOT starts_with(o.id, 'flood') AND s.scheduled_at <= now()`
  )
  const lateOf = (some: (typeof rows)[number][]) => some.map(({ due, placed }) => Number(placed) - Number(due))
  const added = rows.filter(({ order }) => order === "new")
  const running = rows.filter(({ order, due }) => order !== "new" && Number(due) >= floodedMillis)
  const afterSplit = lateOf(added.filter(({ due, split }) => Number(due) >= Number(split))).toSorted((a, b) => a - b)
  return {
    splitMillis: Number(added[0]?.split) - committedMillis,
    firstMillis: lateOf(added.filter(({ number }) => number === 1))[0] ?? Number.NaN,
    newMaxMillis: Math.max(...afterSplit),
    newP50Millis: quantile(afterSplit, 0.5) ?? Number.NaN,
    runningMaxMillis: Math.max(...lateOf(running)),
    doneMillis: doneMillis - floodedMillis
  }
}

const millis = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`

const insertNormal = ({ pool }: BenchDatabase, id: string) =>
  pool.query(
    `INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key)
     VALUES ($1::text, 'NSE:INFY', 'BUY', 200, $2, 1, false, $1::text)`,
    [id, slices]
  )

const tinyOrders = `
  INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key)
  SELECT 'flood-' || n, 'NSE:INFY', 'BUY', 1, 1, 0, false, 'flood-' || n FROM generate_series(1, $1::int) AS n`

/** In turn: no such instrument, columns without values, too many splits, a long word. */
const badRows = `
  INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key)
  SELECT 'flood-' || n,
    CASE n % 4 WHEN 0 THEN 'bad' WHEN 3 THEN repeat('x', 2000) ELSE 'NSE:INFY' END,
    CASE n % 4 WHEN 1 THEN NULL ELSE 'BUY' END, CASE n % 4 WHEN 1 THEN NULL ELSE 10 END,
    CASE n % 4 WHEN 2 THEN 1000000 ELSE 1 END, 0, false, 'flood-' || n
  FROM generate_series(1, $1::int) AS n`

const normalUnfinished = `
  SELECT EXISTS (SELECT FROM orders WHERE NOT starts_with(id, 'flood') AND order_queue_status IN ('PENDING', 'IN_PROGRESS'))
    OR EXISTS (SELECT FROM slice_queue WHERE NOT starts_with(facts::jsonb->>'order_id', 'flood')) AS is`

const floodUnfinished = `
  SELECT EXISTS (SELECT FROM orders WHERE order_queue_status IN ('PENDING', 'IN_PROGRESS'))
    OR EXISTS (SELECT FROM slice_queue WHERE starts_with(facts::jsonb->>'order_id', 'flood')) AS is`

const isAny = async ({ pool }: BenchDatabase, query: string): Promise<boolean> => {
  const { rows } = await pool.query(query)
  return rows[0]?.is === true
}

/** The environment of a daemon with the broker of this kind: the mock, or the Kite simulator with Zerodha's rates. */
const withBroker = <A>(
  kind: FloodKind,
  use: (environment: Readonly<Record<string, string>>) => Promise<A>
): Promise<A> =>
  kind !== "limited"
    ? use({})
    : withMain(
        ["kite-simulator", "--port", "0", "--access-token", "token", "--orders-per-day", "1000000"],
        {},
        "listening on",
        ({ readyLine }) =>
          use({
            BROKER_TYPE: "zerodha",
            INSTRUMENT_SYNC_TIME: "off",
            TRADING_CALENDAR: "off",
            ZERODHA_URL: /http:\S+/.exec(readyLine)?.[0] ?? "",
            ZERODHA_API_KEY: "simulator-key",
            ZERODHA_ACCESS_TOKEN: "token",
            ZERODHA_ORDERS_PER_DAY: "1000000"
          })
      )
