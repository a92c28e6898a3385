import { wallClockMillis } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"
import type { Entry } from "../contenders/labels.ts"
import { allCalls, checkOnce, type BenchDatabase, untilDone, withDatabase, withWorkers } from "../harness/Bench.ts"
import { type Cost, costBetween, spentBy } from "../harness/cost.ts"

/** What it cost is from the claim to the acknowledgement; what a broker says afterwards is not part of it. */
export interface BurnDown extends Cost {
  /** Pieces of work a second, measured from the first tenth of the calls to the last row. */
  readonly perSecond: number
}

export interface BurnDownOptions {
  readonly size: number
  readonly slicesPerOrder?: number
  /** Whether all tables are vacuumed before it, so that none of that falls into it. */
  readonly isVacuumed?: boolean
  /** The number of worker processes. */
  readonly count?: number
  /** Wraps the measured part, for example in an open transaction. */
  readonly around?: (database: BenchDatabase, run: () => Promise<BurnDown>) => Promise<BurnDown>
}

const timeoutMillis = 300_000
/** The due times of all work are this far apart. */
const gapMillis = 0.01

/** Measures how fast `size` overdue pieces of work are done. */
export const burnDown = (server: string, entry: Entry, options: BurnDownOptions): Promise<BurnDown> =>
  withDatabase(server, async (database) => {
    await contenders[entry.contender].prepare(database.url)
    return burnDownIn(database, entry, { ...options, isVacuumed: true })
  })

/** The same in a database that may have work of the past and of the future in it. */
export const burnDownIn = async (
  database: BenchDatabase,
  entry: Entry,
  options: BurnDownOptions
): Promise<BurnDown> => {
  const { size, slicesPerOrder = 100, isVacuumed = false, around = (_, run) => run() } = options
  const { enqueue, put = enqueue } = contenders[entry.contender]
  const overdue = wallClockMillis() - 60_000 - size * gapMillis
  await put(
    database.pool,
    Array.from({ length: size }, (_, n) => overdue + n * gapMillis),
    slicesPerOrder
  )
  await database.pool.query(isVacuumed ? "VACUUM ANALYZE" : "ANALYZE")
  return around(database, () => work(database, entry, options))
}

const work = async (database: BenchDatabase, entry: Entry, { size, count = 1 }: BurnDownOptions): Promise<BurnDown> => {
  const { release } = contenders[entry.contender]
  await release?.hold(database.pool)
  const before = await spentBy(database, [])
  // With several processes nobody knows how many calls each will make.
  const expected = count === 1 ? size : Math.floor(size / count / 1.25)
  return withWorkers(entry, database, { count, expected }, async (workers) => {
    await release?.ready(database.pool, count)
    const released = release === undefined ? before : await spentBy(database, workers)
    await release?.go(database.pool)
    await Promise.race(workers.map(({ reached }) => reached))
    const doneMillis = await untilDone(entry, database, timeoutMillis)
    const cost = costBetween(released, await spentBy(database, workers), size)
    const calls = allCalls(await Promise.all(workers.map((worker) => worker.report())))
    checkOnce(entry, calls, size)
    // The first tenth is not measured: contenders differ in how much they fetch before the first call.
    const inOrder = calls.map(({ atMillis }) => atMillis).toSorted((a, b) => a - b)
    const left = Math.ceil(size * 0.9)
    const fromMillis = inOrder[size - left] ?? Number.NaN
    return { perSecond: (left / (doneMillis - fromMillis)) * 1000, ...cost }
  })
}
