import { DateTime, Effect, Layer, Redacted } from "effect"
import { Db } from "../../src/db/Db.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { wallClockMillis } from "../contenders/Contender.ts"
import { configured, insertDue, insertFinished, insertWaiting, pulse } from "../contenders/pulse.ts"
import { type BenchDatabase, median, withDatabase } from "../harness/Bench.ts"

const claims = 20
const claimSize = 500
const dayMillis = 86_400_000

export interface Growth {
  /** The median time of one claim of 500 slices in milliseconds, on an empty table and on a grown one. */
  readonly emptyMillis: number
  readonly grownMillis: number
}

/** Measures the service's claim before and after adding `rows` future and `rows` finished slices. */
export const growth = (server: string, rows: number): Promise<Growth> =>
  withDatabase(server, async (database) => {
    await pulse.prepare(database.url)
    const emptyMillis = await claimMillis(database, "before")
    await insertWaiting(database.pool, rows, wallClockMillis() + dayMillis)
    await insertFinished(database.pool, rows, wallClockMillis() - dayMillis)
    const grownMillis = await claimMillis(database, "after")
    return { emptyMillis, grownMillis }
  })

const claimMillis = async ({ pool, url }: BenchDatabase, name: string): Promise<number> => {
  await insertDue(pool, claims * claimSize, wallClockMillis() - 1000, name)
  await pool.query("VACUUM ANALYZE")
  const stores = SliceStore.layer.pipe(
    Layer.provide(Db.layer({ url: Redacted.make(url) })),
    Layer.provide(configured(url, false))
  )
  const millis = await Effect.runPromise(
    Effect.gen(function* () {
      const slices = yield* SliceStore
      const all: Array<number> = []
      for (let n = 0; n < claims; n++) {
        const now = yield* DateTime.now
        const began = performance.now()
        const claimed = yield* slices.claimDue({
          now,
          horizon: now,
          leaseExpiresAt: DateTime.add(now, { minutes: 2 }),
          owner: "bench",
          limit: claimSize
        })
        all.push(performance.now() - began)
        if (claimed.length !== claimSize) throw new Error(`Only ${claimed.length} slices were claimed`)
      }
      return all
    }).pipe(Effect.provide(stores))
  )
  return median(millis)
}
