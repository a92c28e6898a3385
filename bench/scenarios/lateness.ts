import { wallClockMillis } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"
import type { Entry } from "../contenders/labels.ts"
import { allCalls, checkOnce, latenessOf, untilDone, withDatabase, withWorkers } from "../harness/Bench.ts"

/** The lead until the first piece of work is due, long enough to enqueue and split all of it. */
const leadMillisOf = (size: number): number => 600 + 2 * size

const timeoutMillis = 30_000

export interface Times {
  /** The number of pieces of work. */
  readonly size: number
  /** How many are due each second; null if all are due at one instant. */
  readonly perSecond: number | null
}

/** The lateness of each call in milliseconds, sorted. As many calls before them warm the worker process up. */
export const lateness = (server: string, entry: Entry, { size, perSecond }: Times): Promise<ReadonlyArray<number>> =>
  withDatabase(server, async (database) => {
    const contender = contenders[entry.contender]
    await contender.prepare(database.url)
    return withWorkers(entry, database, { count: 1, expected: size * 2 }, async ([worker]) => {
      if (worker === undefined) return []
      const enqueue = async (gapMillis: number) => {
        // Not a round number, which a poll could meet by chance.
        const first = wallClockMillis() + leadMillisOf(size) + 1.234
        await contender.enqueue(
          database.pool,
          Array.from({ length: size }, (_, n) => first + n * gapMillis)
        )
        return first
      }
      await enqueue(0)
      await untilDone(entry, database, timeoutMillis)
      const first = await enqueue(perSecond === null ? 0 : 1000 / perSecond)
      await worker.reached
      await untilDone(entry, database, timeoutMillis)
      const calls = allCalls([await worker.report()])
      checkOnce(entry, calls, size * 2)
      // Due times come back rounded to microseconds.
      return latenessOf(
        entry,
        calls.filter(({ dueMillis }) => dueMillis > first - 1)
      )
    })
  })
