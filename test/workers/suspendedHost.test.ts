import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Effect } from "effect"
import { TestClock } from "effect/testing"
import { LatestTime } from "../../src/clock/DatabaseClock.ts"
import { BrokerOutcomeUnknown } from "../../src/domain/model/BrokerError.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { memoryService, sliceDueAt } from "../support/memoryStores.ts"
import { BrokerScript } from "../support/scriptedBroker.ts"

const sleptMillis = 10_000

/** Runs an effect on a host that was suspended on the way to the broker: its clock is behind, and only LatestTime shows it. */
const afterSleep = Effect.provideService(
  LatestTime,
  Effect.map(Clock.currentTimeMillis, (now) => now + sleptMillis)
)

describe("a host that was suspended during a placement", () => {
  it.effect("starts the quarantine of an unknown outcome no earlier than the request may have left", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = () => Effect.fail(new BrokerOutcomeUnknown({ code: "reset", message: "no answer" }))
      yield* TestClock.setTime(1000)
      const place = yield* makePlace

      const { transition } = yield* place({ ...sliceDueAt(1000), leaseExpiresMillis: 120_000 }).pipe(afterSleep)

      assert.strictEqual(transition.next._tag, "Unknown")
      assert.strictEqual(DateTime.toEpochMillis(transition.at), 1000 + sleptMillis)
    }).pipe(Effect.provide(memoryService()))
  )
})
