import { setTimeout } from "node:timers/promises"
import { Pool } from "pg"
import type { Call } from "../contenders/Contender.ts"
import { type ContenderName, contenders } from "../contenders/contenders.ts"
import { type Report, type RunningWorker, startWorker } from "./RunningWorker.ts"

/** Which contender, and whether at its defaults or as fast as its settings make it. */
export interface Entry {
  readonly contender: ContenderName
  readonly isTuned: boolean
}

export const labelOf = ({ contender, isTuned }: Entry): string =>
  contender === "bareSql"
    ? contenders[contender].name
    : `${contenders[contender].name}, ${isTuned ? "tuned" : "defaults"}`

/** A database of its own, empty, for one run. */
export interface BenchDatabase {
  readonly url: string
  readonly pool: Pool
}

let databases = 0

export const withDatabase = async <A>(server: string, use: (database: BenchDatabase) => Promise<A>): Promise<A> => {
  const admin = new Pool({ connectionString: server, max: 1 })
  // The server may end before its last words have arrived.
  admin.on("error", () => undefined)
  const name = `bench_${process.pid}_${(databases += 1)}`
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: 4 })
  // The database is dropped with whatever is still connected.
  pool.on("error", () => undefined)
  try {
    return await use({ url: url.href, pool })
  } finally {
    await pool.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  }
}

/** Worker processes for as long as `use` takes. */
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

/** Everything done, by the database; `timeoutMillis` is how long that may take. */
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

/** As many calls as pieces of work. */
export const checkOnce = (entry: Entry, calls: ReadonlyArray<Call>, expected: number): void => {
  if (calls.length !== expected) {
    throw new Error(`${labelOf(entry)} made ${calls.length} calls for ${expected} pieces of work`)
  }
}

/** Two clocks of one host, and the reading of them. */
const clockErrorMillis = 1

/** Lateness in milliseconds, sorted. Whoever is early has not understood the task. */
export const latenessOf = (entry: Entry, calls: ReadonlyArray<Call>): ReadonlyArray<number> => {
  const sorted = calls.map(({ dueMillis, atMillis }) => atMillis - dueMillis).toSorted((a, b) => a - b)
  const min = sorted[0] ?? 0
  if (min < -clockErrorMillis) throw new Error(`${labelOf(entry)} was ${-min} ms early`)
  return sorted
}

/** Of an even number of values the middle between the two in the middle; NaN of none. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const [below, above] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]]
  return ((below ?? Number.NaN) + (above ?? Number.NaN)) / 2
}

/** Bytes of write-ahead log that the server has written so far. */
export const walBytes = async ({ pool }: BenchDatabase): Promise<number> => {
  const { rows } = await pool.query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes")
  return Number(rows[0]?.bytes)
}
