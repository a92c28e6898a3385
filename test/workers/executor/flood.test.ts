import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Db } from "../../../src/db/Db.ts"
import { SliceStore } from "../../../src/stores/slices/SliceStore.ts"
import { admitAll } from "../../../src/workers/executor/admitClaimed.ts"
import { makeClaimDue } from "../../../src/workers/executor/claimDue.ts"
import { makeClaimedSlices } from "../../../src/workers/executor/ClaimedSlices.ts"
import { SliceExecutor } from "../../../src/workers/SliceExecutor.ts"
import { memoryService, MemoryStore, sliceDueAt } from "../../support/memoryStores.ts"
import { BrokerScript, scriptedBroker } from "../../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock, start } from "../../support/service.ts"

const service = serviceLayer({
  broker: scriptedBroker,
  environment: {
    SLICE_EXECUTOR_CLAIM_LIMIT: "20",
    SLICE_EXECUTOR_POLL_INTERVAL_SECONDS: "1",
    SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS: "1"
  }
})

const floodRows = 10_000

/** Inserts slices that are due `seconds` after the start, all of one order. */
const insertSlices = (order: string, count: number, seconds: number) =>
  Effect.gen(function* () {
    yield* insertOrder(order, { order_queue_status: "DONE" })
    const { sql, execute } = yield* Db
    yield* execute(
      "test.slices",
      sql`
        INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type,
          validity, scheduled_at, not_before, not_after)
        SELECT ${order} || '-' || n, ${order}, n, ${order} || n, 'NSE:INFY', 'BUY', 1, 'MARKET', 'CNC', 'DAY', due, due,
          due + interval '1 hour'
        FROM generate_series(1, ${count}::int) AS n, (SELECT to_timestamp(${seconds}::float8) AS due) AS t`
    )
  })

describe("an order beside a flood", () => {
  it.effect("has its slices claimed beside the first pages of 10,000 that have waited longer", () =>
    Effect.gen(function* () {
      yield* setClock("10 seconds")
      yield* insertSlices("flood", floodRows, 0)
      yield* insertSlices("new", 1, 9)
      yield* insertSlices("running", 5, 11)
      yield* insertSlices("later", 5, 30)
      const claimed = yield* makeClaimedSlices
      const { claim } = yield* makeClaimDue(claimed, admitAll)
      assert.isTrue(yield* claim)
      const counts = () =>
        Object.fromEntries(
          [...Map.groupBy(claimed.queue.drain(), ({ orderId }) => orderId as string)].map(([order, all]) => [
            order,
            all.length
          ])
        )
      assert.deepStrictEqual(counts(), { flood: 20, running: 5 })

      // What is fired and not placed takes room, too.
      yield* insertSlices("next", 3, 12)
      claimed.fired.set(sliceDueAt(0).id, sliceDueAt(0))
      yield* TestClock.adjust("1 second")
      yield* claim
      assert.deepStrictEqual(counts(), { flood: 18, new: 1, next: 3 })
    }).pipe(Effect.provide(service))
  )

  it.effect("is claimed on behind slices that cannot be read", () =>
    Effect.gen(function* () {
      yield* setClock("10 minutes")
      yield* insertSlices("old", 70, 1)
      const { sql, execute } = yield* Db
      yield* execute("test.odd", sql`UPDATE slice_queue SET facts = '{}' WHERE slice & 1048575 IN (3, 33)`)
      const claimed = yield* makeClaimedSlices
      const { claim } = yield* makeClaimDue(claimed, admitAll)
      let read = 0
      for (let second = 0; second < 8; second++) {
        yield* claim
        read += claimed.queue.drain().length
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(read, 68)
    }).pipe(Effect.provide(service))
  )

  it.effect("does not keep the flood from being placed", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      const script = yield* BrokerScript
      const { onPlace } = script
      script.onPlace = (placement) => Effect.delay(onPlace(placement), Duration.millis(100))
      // The broker takes 10 a second, and as many become due each second for a minute.
      const flood = Array.from({ length: 100 }, (_, n) => sliceDueAt(0, `flood${n}`, "flood"))
      const normal = Array.from({ length: 600 }, (_, n) => sliceDueAt(100 * n, `normal${n}`, "normal"))
      memory.scheduled.push(...flood, ...normal)
      yield* Effect.forkChild(SliceExecutor, { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      const placed = script.placed.map(({ placement }) => placement.sliceId as string)
      assert.isAtLeast(placed.filter((id) => id.startsWith("flood")).length, 80)
      const onTime = script.placed.filter(
        ({ atMillis, placement }) =>
          placement.sliceId.startsWith("normal") && atMillis - 100 * Number(placement.sliceId.slice(6)) <= 1000
      )
      assert.isAtLeast(onTime.length, 400)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(script.placed, 700)
    }).pipe(Effect.provide(memoryService({ SLICE_EXECUTOR_CONCURRENCY: "1", SLICE_EXECUTOR_CLAIM_LIMIT: "10" })))
  )
})

describe("SliceStore.claimDue", () => {
  it.effect("claims from a moment on, and the latest first if it is asked to", () =>
    Effect.gen(function* () {
      yield* setClock("10 seconds")
      for (const seconds of [1, 3, 4, 5, 8]) yield* insertSlices(`at${seconds}`, 1, seconds)
      const slices = yield* SliceStore
      const now = yield* DateTime.now
      const ordersOf = (limit: number, isLatestFirst: boolean) =>
        Effect.map(
          slices.claimDue({
            now,
            from: DateTime.add(start, { seconds: 3 }),
            horizon: DateTime.add(start, { seconds: 5 }),
            isLatestFirst,
            leaseExpiresAt: now,
            owner: "owner",
            limit
          }),
          (claimed) => claimed.map(({ orderId }) => orderId as string).toSorted()
        )
      assert.deepStrictEqual(yield* ordersOf(1, true), ["at5"])
      assert.deepStrictEqual(yield* ordersOf(1, false), ["at3"])
      assert.deepStrictEqual(yield* ordersOf(10, true), ["at4"])
    }).pipe(Effect.provide(service))
  )
})
