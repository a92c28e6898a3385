import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { dbAt, freshDatabase } from "./database.ts"
import { eventually, urlOf } from "./processes.ts"
import { contractRow, sliceRows } from "./service.ts"

/** Quick polls. Calls and claims keep their production timeouts, so that none is given up on a busy machine. */
export const quick = {
  ORDER_SPLITTER_POLL_INTERVAL_SECONDS: "0.2",
  SLICE_EXECUTOR_POLL_INTERVAL_SECONDS: "0.2",
  SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS: "0.5",
  TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: "0.5",
  BROKER_POLL_INTERVAL_SECONDS: "0.2",
  MOCK_BROKER_FILL_DELAY_MILLIS: "50"
}

/** For tests that lose answers or daemons: a call timeout of 1 s, a lease of 3 s, a quarantine of 1.5 s. */
export const quickToReconcile = {
  ...quick,
  SLICE_EXECUTION_TIMEOUT_MINUTES: "0.05",
  BROKER_TIMEOUT_SECONDS: "1",
  RECONCILE_QUARANTINE_SECONDS: "1.5"
}

/** A fresh database, its URL for child processes, and Db on it for the test itself. */
export const withDatabase = <A, E>(
  body: (url: string) => Effect.Effect<A, E, Db>,
  from: "migrated" | "empty" = "migrated"
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const name = yield* freshDatabase(from)
      return yield* Effect.provide(body(urlOf(name)), dbAt(name))
    })
  )

/** INSERTs orders exactly as pulse-api does, with windows that began `secondsAgo` seconds ago. */
export const insertOrders = (count: number, changed: Readonly<Record<string, unknown>>, secondsAgo: number) =>
  Effect.gen(function* () {
    const { sql, execute, transaction } = yield* Db
    yield* transaction(
      "test.insertOrders",
      Effect.gen(function* () {
        for (let n = 0; n < count; n += 1) {
          yield* execute("test.insert", sql`INSERT INTO orders ${sql.insert(contractRow(`o${n}`, changed))}`)
        }
        yield* execute("test.age", sql`UPDATE orders SET created_at = now() - ${secondsAgo} * interval '1 second'`)
      })
    )
  })

/** The number of slices in each stage. */
export const stages = Effect.map(sliceRows(), (slices) => {
  const counts: Record<string, number> = {}
  for (const { stage } of slices) counts[stage] = (counts[stage] ?? 0) + 1
  return counts
})

export const allProcessed = (count: number) =>
  eventually(`${count} slices are PROCESSED`, stages, (counts) => counts["PROCESSED"] === count)
