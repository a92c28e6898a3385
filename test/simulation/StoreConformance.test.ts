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
const storyOf = (seed: number, database: Database) =>
  Effect.promise(async () => {
    const trace: Array<string> = []
    await simulate(seed, database, { trace: (line) => trace.push(line), isHoleOpen: false })
    return { trace, rows: rowsOf(database) }
  })

/** A number as `12.5`, however many zeros follow. */
const shown = (column: string, value: unknown): string => {
  if (BigDecimal.isBigDecimal(value)) return BigDecimal.format(BigDecimal.normalize(value))
  if (column === "limitPrice" && typeof value === "string") return shown(column, BigDecimal.fromStringUnsafe(value))
  return typeof value === "number" ? `${Math.round(value * 1000) / 1000}` : String(value)
}

/** Every row as text, columns and rows in one order. */
const rowsOf = (database: Database): ReadonlyArray<string> => {
  const { orders, slices, events } = database.tables()
  const rows: ReadonlyArray<object> = [...orders.values(), ...slices.values(), ...events.values()]
  return rows
    .map((row) =>
      Object.entries(row)
        .filter(([column]) => compared.has(column))
        .map(([column, value]) => `${column}=${shown(column, value)}`)
        .toSorted()
        .join(" ")
    )
    .toSorted()
}

const compared: ReadonlySet<string> = new Set([
  ...["id", "orderQueueStatus", "statusReason", "totalQuantity", "claimVersion", "claimedBy", "claimedAt"],
  ...["splitAttempts", "splitAt", "cancelRequestedAt", "holdReason", "settledAt", "orderId", "sequenceNumber", "tag"],
  ...["quantity", "scheduledAt", "notBefore", "notAfter", "staleAt", "stage", "stageReason", "leaseExpiresAt"],
  ...["attempts", "outcomeUnknownAt", "placedAt", "acknowledgedAt", "brokerOrderId", "brokerStatus", "brokerIsFinal"],
  ...["filledQuantity", "averagePrice", "cancelSentAt", "isHeld", "replacedBy", "carriedQuantity", "call", "outcome"],
  ...["sliceId", "attempt", "worker", "limitPrice"]
])

describe("a database in memory", () => {
  for (const seed of [2, 4, 9, 14, 17, 19]) {
    it.live(
      `tells the same story as PostgreSQL, seed ${seed}`,
      () =>
        Effect.gen(function* () {
          const inMemory = yield* storyOf(seed, memoryDatabase())
          const onPostgres = yield* storyOf(seed, yield* postgresDatabase)
          assert.deepStrictEqual(onPostgres.trace, inMemory.trace)
          assert.deepStrictEqual(onPostgres.rows, inMemory.rows)
        }).pipe(Effect.provide(testDatabase)),
      120_000
    )
  }
})
