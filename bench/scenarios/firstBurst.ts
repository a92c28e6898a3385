import { wallClockMillis } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"
import type { Entry } from "../contenders/labels.ts"
import { allCalls, checkOnce, latenessOf, untilDone, withDatabase, withWorkers } from "../harness/Bench.ts"

export interface FirstBurst {
  /** The number of pieces of work that are due at one instant. */
  readonly size: number
  /** How long nothing is due before that. */
  readonly quietSeconds: number
  /** How many processes have their burst, each with a database of its own. */
  readonly times: number
}

const apartMillis = 3000

/**
 * The lateness of each call in the first burst of a process that has been quiet, sorted, for each of several processes. They are
 * quiet at the same time, so that five bursts take little more than one, and each has its burst while the others have nothing to do.
 */
export const firstBurst = async (
  server: string,
  entry: Entry,
  { size, quietSeconds, times }: FirstBurst
): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  const first = wallClockMillis() + (quietSeconds + 3) * 1000 + 1.234
  return Promise.all(Array.from({ length: times }, (_, n) => burst(server, entry, size, first + n * apartMillis)))
}

const burst = (server: string, entry: Entry, size: number, dueMillis: number) =>
  withDatabase(server, async (database) => {
    const contender = contenders[entry.contender]
    await contender.prepare(database.url)
    return withWorkers(entry, database, { count: 1, expected: size }, async (workers) => {
      await contender.enqueue(
        database.pool,
        Array.from({ length: size }, () => dueMillis)
      )
      await Promise.all(workers.map(({ reached }) => reached))
      await untilDone(entry, database, 30_000)
      const calls = allCalls(await Promise.all(workers.map((worker) => worker.report())))
      checkOnce(entry, calls, size)
      return latenessOf(entry, calls)
    })
  })
