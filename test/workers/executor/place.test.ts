import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DatabaseClock } from "../../../src/clock/DatabaseClock.ts"
import type { ClaimedSlice } from "../../../src/domain/model/OrderSlice.ts"
import { makePlace } from "../../../src/workers/executor/place.ts"
import { databaseIsDown, memoryService, sliceDueAt } from "../../support/memoryStores.ts"
import { BrokerScript } from "../../support/scriptedBroker.ts"
import { exactClock } from "../../support/service.ts"

const service = memoryService()

const claimed = (dueMillis: number): ClaimedSlice => ({ ...sliceDueAt(dueMillis), leaseExpiresMillis: 120_000 })

/** Places a slice; returns what it becomes and how often the broker was called. */
const place = (slice: ClaimedSlice) =>
  Effect.gen(function* () {
    const { transition, event } = yield* Effect.flatMap(makePlace, (place) => place(slice))
    return [transition.next._tag, transition.attempts, event === null, (yield* BrokerScript).placed.length] as const
  })

describe("right before the call", () => {
  it.effect("sends nothing and counts no attempt when the clock is in doubt and cannot be measured", () =>
    Effect.gen(function* () {
      const clock = DatabaseClock.of({ ...exactClock, waitForOffset: Effect.fail(databaseIsDown) })
      const placed = place(claimed(0)).pipe(Effect.provideService(DatabaseClock, clock))
      assert.deepStrictEqual(yield* placed, ["Rescheduled", 0, true, 0])
    }).pipe(Effect.provide(service))
  )

  it.effect("waits for a slice that a timer fired slightly early", () =>
    Effect.gen(function* () {
      const placing = yield* Effect.forkChild(place(claimed(400)), { startImmediately: true })
      yield* TestClock.adjust("399 millis")
      assert.lengthOf((yield* BrokerScript).placed, 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(placing), ["Processed", 1, false, 1])
    }).pipe(Effect.provide(service))
  )

  it.effect("gives a slice back that is earlier than that because the clock was set back", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* place(claimed(60_000)), ["Rescheduled", 0, true, 0])
    }).pipe(Effect.provide(service))
  )
})
