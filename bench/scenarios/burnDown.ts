import { wallClockMillis } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"
import {
  allCalls,
  checkOnce,
  type BenchDatabase,
  type Entry,
  untilDone,
  walBytes,
  withDatabase,
  withWorkers
} from "../harness/Bench.ts"
import type { Usage } from "../harness/RunningWorker.ts"

export interface BurnDown {
  /** Pieces of work done a second, from a tenth of the calls to the last row. */
  readonly perSecond: number
  /** Write-ahead log for one of them, from due to done, in bytes. */
  readonly walBytesEach: number
  /** Time of the worker processes for one of them, in microseconds. */
  readonly cpuMicrosEach: number
}

export interface BurnDownOptions {
  readonly size: number
  /** Worker processes. */
  readonly count?: number
  /** What goes on around it. */
  readonly around?: (database: BenchDatabase, run: () => Promise<BurnDown>) => Promise<BurnDown>
}

const timeoutMillis = 300_000

/** So many pieces of work are overdue, and all of them are done. */
export const burnDown = (server: string, entry: Entry, options: BurnDownOptions): Promise<BurnDown> =>
  withDatabase(server, async (database) => {
    const { around = (_: BenchDatabase, run: () => Promise<BurnDown>) => run() } = options
    const contender = contenders[entry.contender]
    await contender.prepare(database.url)
    const overdue = wallClockMillis() - 60_000
    await contender.enqueue(
      database.pool,
      Array.from({ length: options.size }, () => overdue)
    )
    return around(database, () => work(database, entry, options))
  })

const work = async (database: BenchDatabase, entry: Entry, { size, count = 1 }: BurnDownOptions): Promise<BurnDown> => {
  const { release } = contenders[entry.contender]
  const walBefore = await walBytes(database)
  return withWorkers(entry, database, { count, expected: Math.floor(size / count / 1.25) }, async (workers) => {
    await release?.prepared(database.pool)
    const walPrepared = release === undefined ? walBefore : await walBytes(database)
    const cpuPrepared = cpuMicrosOf(await Promise.all(workers.map((worker) => worker.usage())))
    await release?.go(database.pool)
    await Promise.race(workers.map(({ reached }) => reached))
    const doneMillis = await untilDone(entry, database, timeoutMillis)
    const wal = await walBytes(database)
    const reports = await Promise.all(workers.map((worker) => worker.report()))
    const calls = allCalls(reports)
    checkOnce(entry, calls, size)
    // From a tenth on: how much is fetched ahead of the first call differs.
    const inOrder = calls.map(({ atMillis }) => atMillis).toSorted((a, b) => a - b)
    const left = Math.ceil(size * 0.9)
    const fromMillis = inOrder[size - left] ?? Number.NaN
    return {
      perSecond: (left / (doneMillis - fromMillis)) * 1000,
      walBytesEach: (wal - walPrepared) / size,
      cpuMicrosEach: (cpuMicrosOf(reports) - (release === undefined ? 0 : cpuPrepared)) / size
    }
  })
}

const cpuMicrosOf = (all: ReadonlyArray<Usage>): number => all.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0)
