import { setTimeout } from "node:timers/promises"
import { Pool } from "pg"
import type { Call } from "../contenders/Contender.ts"
import { type ContenderName, contenders } from "../contenders/contenders.ts"
import { type Report, type RunningWorker, startWorker } from "./RunningWorker.ts"

/** A contender, with its default settings or tuned for speed. */
export interface Entry {
  readonly contender: ContenderName
  readonly isTuned: boolean
}

export const labelOf = ({ contender, isTuned }: Entry): string =>
  contender === "bareSql"
    ? contenders[contender].name
    : `${contenders[contender].name}, ${isTuned ? "tuned" : "defaults"}`

/** An empty database for one run. */
export interface BenchDatabase {
  readonly url: string
  readonly pool: Pool
}

let databases = 0

export const withDatabase = async <A>(server: string, use: (database: BenchDatabase) => Promise<A>): Promise<A> => {
  const admin = new Pool({ connectionString: server, max: 1 })
  // The server may close the connection at the end of the bench.
  admin.on("error", () => undefined)
  const name = `bench_${process.pid}_${(databases += 1)}`
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: 4 })
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
  { contender, isTuned }: Entry,
  { url }: BenchDatabase,
  { count, expected }: { readonly count: number; readonly expected: number },
  use: (workers: ReadonlyArray<RunningWorker>) => Promise<A>
): Promise<A> => {
  const workers: Array<RunningWorker> = []
  try {
    for (let n = 0; n < count; n++) workers.push(await startWorker(contender, url, isTuned, expected))
    return await use(workers)
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
  }
}

/** Waits until the database shows all work as done; the time of that in milliseconds since 1970. Throws after `timeoutMillis`. */
export const untilDone = async (
  { contender }: Entry,
  { pool }: BenchDatabase,
  timeoutMillis: number
): Promise<number> => {
  const end = performance.now() + timeoutMillis
  while (!(await contenders[contender].isDone(pool))) {
    if (performance.now() > end) throw new Error(`${contenders[contender].name} was not done in ${timeoutMillis} ms`)
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

/** The median; the mean of the two middle values if their number is even, NaN if there are none. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const [below, above] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]]
  return ((below ?? Number.NaN) + (above ?? Number.NaN)) / 2
}

/** The bytes of write-ahead log that the server has written so far. */
export const walBytes = async ({ pool }: BenchDatabase): Promise<number> => {
  const { rows } = await pool.query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes")
  return Number(rows[0]?.bytes)
}
