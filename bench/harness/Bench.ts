import { setTimeout } from "node:timers/promises"
import { Pool } from "pg"
import type { Call } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"
import { type Entry, labelOf } from "../contenders/labels.ts"
import { type Report, type RunningWorker, startWorker } from "./RunningWorker.ts"

/** An empty database for one run. */
export interface BenchDatabase {
  readonly url: string
  readonly pool: Pool
}

/** The name of the bench's own connections, which are not a contender's. */
export const benchName = "bench"

let databases = 0

export const withDatabase = async <A>(server: string, use: (database: BenchDatabase) => Promise<A>): Promise<A> => {
  const admin = new Pool({ connectionString: server, max: 1 })
  // The server may close the connection at the end of the bench.
  admin.on("error", () => undefined)
  const name = `bench_${process.pid}_${(databases += 1)}`
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: 4, application_name: benchName })
  // Dropping the database closes the connections that are still open.
  pool.on("error", () => undefined)
  try {
    return await use({ url: url.href, pool })
  } finally {
    await pool.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  }
}

/** Starts worker processes, and stops them after `use`. */
export const withWorkers = async <A>(
  entry: Entry,
  { url }: BenchDatabase,
  { count, expected }: { readonly count: number; readonly expected: number },
  use: (workers: ReadonlyArray<RunningWorker>) => Promise<A>
): Promise<A> => {
  const workers: Array<RunningWorker> = []
  try {
    for (let n = 0; n < count; n++) workers.push(await startWorker(entry, { url, expected }))
    return await use(workers)
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
  }
}

/** Waits until the database shows all work as done; the time of that in milliseconds since 1970. Throws after `timeoutMillis`. */
export const untilDone = async (entry: Entry, { pool }: BenchDatabase, timeoutMillis: number): Promise<number> => {
  const end = performance.now() + timeoutMillis
  while (!(await contenders[entry.contender].isDone(pool))) {
    if (performance.now() > end) throw new Error(`${labelOf(entry)} was not done in ${timeoutMillis} ms`)
    await setTimeout(5)
  }
  return performance.timeOrigin + performance.now()
}

export const allCalls = (reports: ReadonlyArray<Report>): ReadonlyArray<Call> => reports.flatMap(({ calls }) => calls)

/** Throws unless there was exactly one call for each piece of work. */
export const checkOnce = (entry: Entry, calls: ReadonlyArray<Call>, expected: number): void => {
  if (calls.length !== expected) {
    throw new Error(`${labelOf(entry)} made ${calls.length} calls for ${expected} pieces of work`)
  }
}

/** The error of reading two clocks of one host. */
const clockErrorMillis = 1

/** Lateness of each call in milliseconds, sorted. Throws if a call was early. */
export const latenessOf = (entry: Entry, calls: ReadonlyArray<Call>): ReadonlyArray<number> => {
  const sorted = calls.map(({ dueMillis, atMillis }) => atMillis - dueMillis).toSorted((a, b) => a - b)
  const min = sorted[0] ?? 0
  if (min < -clockErrorMillis) throw new Error(`${labelOf(entry)} was ${-min} ms early`)
  return sorted
}
