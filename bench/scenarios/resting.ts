import { once } from "node:events"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { setTimeout } from "node:timers/promises"
import { type Database, type Entry, withDatabase, withWorkers } from "../Bench.ts"
import { wallClockMillis } from "../Contender.ts"
import { insertOrders, insertWaiting, pulse } from "../contenders/pulse.ts"

const dayMillis = 86_400_000

export interface Idle {
  readonly queriesPerSecond: number
  /** Share of one core that the daemon's process takes, in percent. */
  readonly cpuPercent: number
}

/** A daemon with so many slices waiting for tomorrow, and nothing to do. */
export const idle = (server: string, entry: Entry, waiting: number, seconds: number): Promise<Idle> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    await insertWaiting(database.pool, waiting, wallClockMillis() + dayMillis)
    return withWorkers(entry, database, { count: 1, expected: 0 }, async ([worker]) => {
      if (worker === undefined) throw new Error("There is no worker")
      // What it does once, at its start, is not idling.
      await setTimeout(Math.min(seconds, 10) * 1000)
      const [before, transactionsBefore] = [await worker.usage(), await transactionsOf(database)]
      await setTimeout(seconds * 1000)
      const [after, transactions] = [await worker.usage(), await transactionsOf(database)]
      return {
        queriesPerSecond: (transactions - transactionsBefore) / seconds,
        cpuPercent: (after.cpuMicros - before.cpuMicros) / seconds / 10_000
      }
    })
  })

/** Every statement outside of a transaction is one of its own. Our own, which ask, are not counted. */
const transactionsOf = async ({ pool }: Database): Promise<number> => {
  await pool.query("SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()")
  const { rows } = await pool.query(
    "SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = current_database()"
  )
  return Number(rows[0]?.count)
}

/** The daemon's resident memory at the end, in bytes, with so many slices waiting and 10,000 due each minute. */
export const memory = (server: string, entry: Entry, waiting: number, seconds: number): Promise<number> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    await insertWaiting(database.pool, waiting, wallClockMillis() + dayMillis)
    return withWorkers(entry, database, { count: 1, expected: 0 }, async ([worker]) => {
      if (worker === undefined) throw new Error("There is no worker")
      const first = wallClockMillis() + 2000
      const perSecond = 10_000 / 60
      await insertOrders(
        database.pool,
        Array.from({ length: Math.floor(seconds * perSecond) }, (_, n) => first + (n / perSecond) * 1000),
        1
      )
      await setTimeout(seconds * 1000 + 3000)
      return (await worker.usage()).rssBytes
    })
  })

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** From the start of the process until the daemon says that it runs, on a database that is up to date, in milliseconds. */
export const start = (server: string): Promise<number> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    const began = performance.now()
    const child = spawn(process.execPath, [main], {
      env: { PATH: process.env["PATH"], DATABASE_URL: database.url },
      stdio: ["ignore", "pipe", "inherit"]
    })
    let readyMillis = Number.NaN
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.includes(" is running as ")) continue
      readyMillis = performance.now() - began
      break
    }
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    child.stdout.resume()
    await ended
    if (Number.isNaN(readyMillis)) throw new Error("The daemon did not start")
    return readyMillis
  })
