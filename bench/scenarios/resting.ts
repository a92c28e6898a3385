import { readFile } from "node:fs/promises"
import { setTimeout } from "node:timers/promises"
import { wallClockMillis } from "../contenders/Contender.ts"
import { pulse } from "../contenders/pulse.ts"
import { insertOrders, insertWaiting } from "../contenders/pulseRows.ts"
import { type BenchDatabase, withDatabase } from "../harness/Bench.ts"
import { withDaemon } from "../harness/MainProcess.ts"

const dayMillis = 86_400_000

export interface Idle {
  readonly queriesPerSecond: number
  /** CPU use of the daemon's process, in percent of one core. */
  readonly cpuPercent: number
}

/** Measures a daemon with nothing to do, while `waiting` slices are due tomorrow. */
export const idle = (server: string, waiting: number, seconds: number): Promise<Idle> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    await insertWaiting(database.pool, waiting, wallClockMillis() + dayMillis)
    return withDaemon(database, async ({ pid }) => {
      // The daemon's work right after its start is not counted.
      await setTimeout(Math.min(seconds, 10) * 1000)
      const [cpuMillisBefore, transactionsBefore] = [await cpuMillisOf(pid), await transactionsOf(database)]
      await setTimeout(seconds * 1000)
      const [cpuMillis, transactions] = [await cpuMillisOf(pid), await transactionsOf(database)]
      return {
        queriesPerSecond: (transactions - transactionsBefore) / seconds,
        cpuPercent: (cpuMillis - cpuMillisBefore) / seconds / 10
      }
    })
  })

/** The number of transactions so far; a statement outside of a transaction counts as one, and so do these two. */
const transactionsOf = async ({ pool }: BenchDatabase): Promise<number> => {
  await pool.query("SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()")
  const { rows } = await pool.query(
    "SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = current_database()"
  )
  return Number(rows[0]?.count)
}

/** The daemon's resident memory in bytes, after `seconds` with `waiting` slices due tomorrow and 10,000 due each minute. */
export const memory = (server: string, waiting: number, seconds: number): Promise<number> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    await insertWaiting(database.pool, waiting, wallClockMillis() + dayMillis)
    return withDaemon(database, async ({ pid }) => {
      const first = wallClockMillis() + 2000
      const perSecond = 10_000 / 60
      await insertOrders(
        database.pool,
        Array.from({ length: Math.floor(seconds * perSecond) }, (_, n) => first + (n / perSecond) * 1000),
        1
      )
      await setTimeout(seconds * 1000 + 3000)
      return rssBytesOf(pid)
    })
  })

/** Milliseconds from the start of the process until the daemon logs that it runs, on a migrated database. */
export const start = (server: string): Promise<number> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    return withDaemon(database, ({ readyMillis }) => Promise.resolve(readyMillis))
  })

/** CPU time of a process in milliseconds; /proc counts in ticks of 10 ms. */
const cpuMillisOf = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8")
  // The second field, the name in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const rssBytesOf = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}
