import { wallClockMillis } from "../contenders/Contender.ts"
import type { Entry } from "../contenders/labels.ts"
import { pulse } from "../contenders/pulse.ts"
import { insertFinished, insertWaiting, withoutIndexes } from "../contenders/pulseRows.ts"
import { type BenchDatabase, withDatabase } from "../harness/Bench.ts"
import { type BurnDown, burnDownIn } from "./burnDown.ts"
import { heldTransaction } from "./heldTransaction.ts"

export interface GrowthOptions {
  /** The number of future slices, and of finished ones. */
  readonly rows: number
  /** The number of slices that are burnt down each time. */
  readonly size: number
  readonly repeats: number
}

export interface Growth {
  readonly empty: ReadonlyArray<BurnDown>
  readonly grown: ReadonlyArray<BurnDown>
  /** The same while a transaction is held open, so that no row that dies meanwhile can be removed. */
  readonly held: ReadonlyArray<BurnDown>
}

const dayMillis = 86_400_000

/** Measures a burn-down with little else in the tables, and with `rows` future and `rows` finished slices in them, in turn. */
export const growth = (server: string, entry: Entry, { rows, size, repeats }: GrowthOptions): Promise<Growth> =>
  withDatabase(server, (empty) =>
    withDatabase(server, async (grown) => {
      await pulse.prepare(empty.url)
      await pulse.prepare(grown.url)
      await grow(grown, rows)
      await grown.pool.query("VACUUM ANALYZE")
      const measured: { -readonly [key in keyof Growth]: Array<BurnDown> } = { empty: [], grown: [], held: [] }
      for (let n = 0; n < repeats; n++) {
        measured.empty.push(await burnDownIn(empty, entry, { size }))
        measured.grown.push(await burnDownIn(grown, entry, { size }))
        measured.held.push(await burnDownIn(grown, entry, { size, around: heldTransaction }))
      }
      return measured
    })
  )

const grow = ({ pool }: BenchDatabase, rows: number) =>
  withoutIndexes(pool, ["slice_plan", "slice_queue", "slice_results"], async () => {
    await insertWaiting(pool, rows, wallClockMillis() + dayMillis)
    await insertFinished(pool, {
      count: rows,
      name: "finished",
      due: { firstMillis: wallClockMillis() - dayMillis, gapMillis: 1 },
      slicesPerOrder: 1000
    })
  })
