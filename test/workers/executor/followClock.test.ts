import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream, SubscriptionRef } from "effect"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { DatabaseClock } from "../../../src/clock/DatabaseClock.ts"
import { makeFollowClock } from "../../../src/workers/executor/followClock.ts"
import { exactClock } from "../../support/service.ts"

describe("followClock", () => {
  it.effect("holds placements while the database's clock is not believed", () =>
    Effect.gen(function* () {
      const gate = yield* PlacementGate
      const doubt = yield* SubscriptionRef.make<string | null>("it jumped")
      const clock = DatabaseClock.of({ ...exactClock, doubts: SubscriptionRef.changes(doubt) })
      const follow = yield* makeFollowClock.pipe(Effect.provideService(DatabaseClock, clock))
      yield* Effect.forkChild(follow)
      yield* gate.until(true)
      assert.deepStrictEqual(yield* gate.current, { kind: "clock", reason: "it jumped" })
      yield* SubscriptionRef.set(doubt, null)
      yield* gate.until(false)
      assert.isNull(yield* gate.current)
    }).pipe(Effect.provide(PlacementGate.layer))
  )

  it.effect("does not end while nothing changes, because the executor ends with it", () =>
    Effect.gen(function* () {
      const clock = DatabaseClock.of({ ...exactClock, doubts: Stream.succeed(null) })
      const follow = yield* makeFollowClock.pipe(Effect.provideService(DatabaseClock, clock))
      const fiber = yield* Effect.forkChild(follow, { startImmediately: true })
      yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      assert.isUndefined(fiber.pollUnsafe())
    }).pipe(Effect.provide(PlacementGate.layer))
  )
})
