import { readFile } from "node:fs/promises"
import { type BenchDatabase, benchName } from "./Bench.ts"
import type { RunningWorker } from "./RunningWorker.ts"

/** What worker processes and the database's server have spent so far. */
export interface Spent {
  readonly processMicros: number
  /** CPU time of each backend, by its process; empty where the system has no /proc. */
  readonly backendMicros: ReadonlyMap<number, number>
  readonly walBytes: number
}

/** What each piece of work cost. NaN: not measured. */
export interface Cost {
  readonly processMicrosEach: number
  readonly backendMicrosEach: number
  readonly walBytesEach: number
}

export const spentBy = async ({ pool }: BenchDatabase, workers: ReadonlyArray<RunningWorker>): Promise<Spent> => {
  const usages = await Promise.all(workers.map((worker) => worker.usage()))
  const { rows } = await pool.query(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes, (
       SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> $1) AS pids`,
    [benchName]
  )
  const pids: ReadonlyArray<number> = rows[0]?.pids ?? []
  const backends = await Promise.all(pids.map(async (pid): Promise<[number, number]> => [pid, await cpuMicrosOf(pid)]))
  return {
    processMicros: usages.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0),
    backendMicros: new Map(backends.filter(([, micros]) => !Number.isNaN(micros))),
    walBytes: Number(rows[0]?.bytes)
  }
}

/**
 * The cost of each of `count` pieces of work between two moments. A backend that began meanwhile counts with its start; the pools of
 * all contenders keep theirs for longer than a run.
 */
export const costBetween = (before: Spent, after: Spent, count: number): Cost => {
  const backends = [...after.backendMicros].map(([pid, micros]) => micros - (before.backendMicros.get(pid) ?? 0))
  return {
    processMicrosEach: (after.processMicros - before.processMicros) / count,
    backendMicrosEach: backends.length === 0 ? Number.NaN : backends.reduce((sum, micros) => sum + micros, 0) / count,
    walBytesEach: (after.walBytes - before.walBytes) / count
  }
}

/** CPU time of a process by the scheduler's account, in nanoseconds there; NaN where there is none, or when it is over. */
const cpuMicrosOf = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "")
  return text === "" ? Number.NaN : Number(text.split(" ")[0]) / 1000
}
