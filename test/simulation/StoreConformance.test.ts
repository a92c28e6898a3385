import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect } from "effect"
import { simulate } from "../../simulation/simulate.ts"
import type { Database } from "../../simulation/store/Database.ts"
import { memoryDatabase } from "../../simulation/store/memoryDatabase.ts"
import { postgresDatabase } from "../../simulation/store/postgresDatabase.ts"
import { testDatabase } from "../support/database.ts"

/*
 * The stores in memory and the real ones on PostgreSQL, held to the same behaviour: the same seed asks both the same
 * questions, so both must give the same answers, down to the last line of the trace and the last row of the tables.
 */
const traceOn = (database: Database, seed: number) =>
  Effect.promise(async () => {
    const trace: Array<string> = []
    await simulate(seed, database, { trace: (line) => trace.push(line), isHoleOpen: false })
    return trace
  })

/** A number as `12.5`, however many zeros follow; a time to the microsecond. */
const shown = (column: string, value: unknown): string => {
  if (BigDecimal.isBigDecimal(value)) return BigDecimal.format(BigDecimal.normalize(value))
  if (column === "limitPrice" && typeof value === "string") return shown(column, BigDecimal.fromStringUnsafe(value))
  return typeof value === "number" ? `${Math.round(value * 1000) / 1000}` : String(value)
}

type Rows = ReadonlyMap<string, object>

/** Rows as text, with the columns that the database has. */
const inWords = (rows: Rows, database: Rows): ReadonlyArray<string> => {
  const [first = {}] = database.values()
  const columns = Object.keys(first).toSorted()
  return [...rows.values()]
    .map((row) => {
      const values = new Map<string, unknown>(Object.entries(row))
      return columns.map((column) => `${column}=${shown(column, values.get(column))}`).join(" ")
    })
    .toSorted()
}

describe("a database in memory", () => {
  for (const seed of [2, 4, 9, 14, 17, 19]) {
    it.live(
      `tells the same story as PostgreSQL, seed ${seed}`,
      () =>
        Effect.gen(function* () {
          const memory = memoryDatabase()
          const postgres = yield* postgresDatabase
          assert.deepStrictEqual(yield* traceOn(memory, seed), yield* traceOn(postgres, seed))
          const [ours, theirs] = [memory.tables(), postgres.tables()]
          assert.deepStrictEqual(inWords(ours.orders, theirs.orders), inWords(theirs.orders, theirs.orders))
          assert.deepStrictEqual(inWords(ours.slices, theirs.slices), inWords(theirs.slices, theirs.slices))
          assert.deepStrictEqual(inWords(ours.events, theirs.events), inWords(theirs.events, theirs.events))
        }).pipe(Effect.provide(testDatabase)),
      120_000
    )
  }
})
