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
  /** Pieces of work a second, measured from the first tenth of the calls to the last row. */
  readonly perSecond: number
  /** Bytes of write-ahead log for each, from due to done. */
  readonly walBytesEach: number
  /** CPU time of the worker processes for each, in microseconds. */
  readonly cpuMicrosEach: number
}

export interface BurnDownOptions {
  readonly size: number
  /** The number of worker processes. */
  readonly count?: number
  /** Wraps the measured part, for example in an open transaction. */
  readonly around?: (database: BenchDatabase, run: () => Promise<BurnDown>) => Promise<BurnDown>
}

const timeoutMillis = 300_000

/** Measures how fast `size` overdue pieces of work are done. */
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
    // The first tenth is not measured: contenders differ in how much they fetch before the first call.
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
