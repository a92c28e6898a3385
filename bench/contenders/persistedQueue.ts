import { PgClient } from "@effect/sql-pg"
import { Effect, Fiber, Layer, Redacted, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { chunksOf, type Contender, recorder } from "./Contender.ts"

const Job = Schema.Struct({ due: Schema.Finite })

const layerOf = (url: string, isTuned: boolean) =>
  PersistedQueue.layer.pipe(
    Layer.provide(PersistedQueue.layerStoreSql(isTuned ? { pollInterval: "100 millis" } : {})),
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), ...(isTuned ? { maxConnections: 20 } : {}) }))
  )

const openQueue = PersistedQueue.make({ name: "place", schema: Job })

/** Effect's PersistedQueue on SQL: one row for each element, taken one at a time. */
export const persistedQueue: Contender = {
  // It supports delays of whole seconds only.
  hasDueTimes: false,
  isMeasuredAtDefaults: true,
  prepare: (url) => Effect.runPromise(openQueue.pipe(Effect.asVoid, Effect.provide(layerOf(url, false)))),
  enqueue: async (pool, dueMillis) => {
    for (const chunk of chunksOf(dueMillis, 10_000)) {
      await pool.query(
        `INSERT INTO effect_queue (id, queue_name, element, state, attempts, visible_at, created_at, updated_at)
         SELECT gen_random_uuid()::text, 'place', json_build_object('due', due)::text, 'pending', 0, now(), now(), now()
         FROM unnest($1::float8[]) AS due`,
        [chunk]
      )
    }
    await pool.query("VACUUM ANALYZE")
  },
  isDone: async (pool) => {
    const { rows } = await pool.query(
      "SELECT NOT EXISTS (SELECT FROM effect_queue WHERE state IN ('pending', 'processing')) AS done"
    )
    return rows[0]?.done === true
  },
  work: async ({ url, isTuned, onCall }) => {
    const { record, calls } = recorder(onCall)
    const fiber = Effect.runFork(
      Effect.gen(function* () {
        const queue = yield* openQueue
        const take = Effect.forever(queue.take(({ due }) => Effect.sync(() => record(due))))
        yield* Effect.all(
          Array.from({ length: isTuned ? 64 : 1 }, () => take),
          { concurrency: "unbounded" }
        )
      }).pipe(Effect.provide(layerOf(url, isTuned)))
    )
    return { calls, stop: async () => void (await Effect.runPromise(Fiber.interrupt(fiber))) }
  }
}
