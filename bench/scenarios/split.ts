import { chunksOf, wallClockMillis } from "../contenders/Contender.ts"
import type { Entry } from "../contenders/labels.ts"
import { pulse, untilSplit } from "../contenders/pulse.ts"
import { insertOrders } from "../contenders/pulseRows.ts"
import { type BenchDatabase, withDatabase, withWorkers } from "../harness/Bench.ts"
import { costBetween, spentBy } from "../harness/cost.ts"

const slicesPerOrder = 10
const dayMillis = 86_400_000

export interface Split {
  readonly ordersPerSecond: number
  /** The same for a bare INSERT of the same slices, 5,000 rows a statement. */
  readonly bareOrdersPerSecond: number
  /** Bytes of write-ahead log for each slice. */
  readonly walBytesEach: number
}

/** Measures how fast orders of ten slices are split; they are due tomorrow. */
export const split = (server: string, entry: Entry, orders: number): Promise<Split> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    const tomorrow = wallClockMillis() + dayMillis
    await insertOrders(
      database.pool,
      Array.from({ length: orders }, () => tomorrow),
      slicesPerOrder
    )
    const before = await spentBy(database, [])
    const seconds = await withWorkers(entry, database, { count: 1, expected: 0 }, () => secondsToSplit(database))
    const { walBytesEach } = costBetween(before, await spentBy(database, []), orders * slicesPerOrder)
    return {
      ordersPerSecond: orders / seconds,
      bareOrdersPerSecond: orders / (await insertBare(database)),
      walBytesEach
    }
  })

/** Seconds from the first claim of an order to the last split, so that the start of the daemon is not counted. */
const secondsToSplit = async ({ pool }: BenchDatabase): Promise<number> => {
  await untilSplit(pool)
  const { rows } = await pool.query(
    "SELECT extract(epoch FROM max(split_at) - min(claimed_at))::float8 AS seconds FROM orders"
  )
  return Number(rows[0]?.seconds)
}

/** Seconds to insert the same rows again into both tables that a split writes slices to. */
const insertBare = async ({ pool }: BenchDatabase): Promise<number> =>
  (await insertAgain(pool, "slice_plan")) + (await insertAgain(pool, "slice_queue"))

const insertAgain = async (pool: BenchDatabase["pool"], table: string): Promise<number> => {
  const { rows } = await pool.query(`SELECT * FROM ${table} ORDER BY slice`)
  await pool.query(`TRUNCATE ${table}`)
  const columns = Object.keys(rows[0] ?? {}).filter((column) => rows.some((row) => row[column] !== null))
  const { rows: types } = await pool.query(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0`,
    [table]
  )
  const typeOf = (column: string) => String(types.find(({ name }) => name === column)?.type)
  const text =
    `INSERT INTO ${table} (${columns.join(", ")}) ` +
    `SELECT * FROM unnest(${columns.map((column, n) => `$${n + 1}::${typeOf(column)}[]`).join(", ")})`
  const began = performance.now()
  for (const chunk of chunksOf(rows, 5000)) {
    await pool.query({ name: table, text, values: columns.map((column) => chunk.map((row) => row[column])) })
  }
  return (performance.now() - began) / 1000
}
