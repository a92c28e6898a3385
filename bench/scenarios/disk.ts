import { wallClockMillis } from "../contenders/Contender.ts"
import type { Entry } from "../contenders/labels.ts"
import { pulse, untilFilled, untilSplit } from "../contenders/pulse.ts"
import { insertOrders } from "../contenders/pulseRows.ts"
import { type BenchDatabase, untilDone, withDatabase, withWorkers } from "../harness/Bench.ts"

/** The bytes of each table with its indexes, for each slice. */
export type Disk = Readonly<Record<string, number>>

const slicesPerOrder = 100
const timeoutMillis = 300_000

/** While slices wait, while they are open at the broker, and when they are over; in each, the tables that grow by them. */
const tables = {
  waiting: ["slice_plan", "slice_queue"],
  open: ["slice_working"],
  over: ["orders", "order_plans", "slice_plan", "slice_results", "broker_calls", "slice_claims"]
}

/** Measures the disk that slices need, which the splitter and the executor have written, in orders of 100. */
export const disk = (server: string, entry: Entry, slices: number): Promise<Disk> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    await pulse.release?.hold(database.pool)
    const empty = await sizes(database)
    const overdue = wallClockMillis() - 60_000
    await insertOrders(
      database.pool,
      Array.from({ length: slices / slicesPerOrder }, (_, n) => overdue + n),
      slicesPerOrder
    )
    return withWorkers(entry, database, { count: 1, expected: slices }, async (workers) => {
      await untilSplit(database.pool)
      const waiting = await sizes(database)
      await pulse.release?.go(database.pool)
      await Promise.all(workers.map(({ reached }) => reached))
      await untilDone(entry, database, timeoutMillis)
      const open = await sizes(database)
      for (const worker of workers) worker.fill()
      await untilFilled(database.pool)
      const at = { waiting, open, over: await sizes(database) }
      const grown = (state: keyof typeof tables) =>
        tables[state].map((table): [string, number] => [
          `${state}: ${table}, bytes`,
          ((at[state].get(table) ?? Number.NaN) - (empty.get(table) ?? 0)) / slices
        ])
      return Object.fromEntries([...grown("waiting"), ...grown("open"), ...grown("over")])
    })
  })

const sizes = async ({ pool }: BenchDatabase): Promise<ReadonlyMap<string, number>> => {
  await pool.query("VACUUM ANALYZE")
  const { rows } = await pool.query(
    "SELECT relname AS name, pg_total_relation_size(oid)::float8 AS bytes FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
  )
  return new Map(rows.map(({ name, bytes }) => [String(name), Number(bytes)]))
}
