import { setTimeout } from "node:timers/promises"
import { wallClockMillis } from "../contenders/Contender.ts"
import type { Entry } from "../contenders/labels.ts"
import { pulse, untilFilled } from "../contenders/pulse.ts"
import { untilDone, withDatabase, withWorkers } from "../harness/Bench.ts"
import { type Cost, costBetween, spentBy } from "../harness/cost.ts"

const timeoutMillis = 300_000

/** Measures what it costs to write that the broker has filled an order, for each of `size` slices that are open there. */
export const lastWord = (server: string, entry: Entry, size: number): Promise<Cost> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    const overdue = wallClockMillis() - 60_000
    await pulse.put?.(
      database.pool,
      Array.from({ length: size }, (_, n) => overdue + n * 0.01),
      100
    )
    return withWorkers(entry, database, { count: 1, expected: size }, async (workers) => {
      await Promise.all(workers.map(({ reached }) => reached))
      await untilDone(entry, database, timeoutMillis)
      await database.pool.query("VACUUM ANALYZE")
      // What is left of the burn-down is over by then.
      await setTimeout(500)
      const before = await spentBy(database, workers)
      for (const worker of workers) worker.fill()
      await untilFilled(database.pool)
      return costBetween(before, await spentBy(database, workers), size)
    })
  })
