import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { DatabaseClock } from "../../../src/clock/DatabaseClock.ts"
import { makeClaimedSlices } from "../../../src/workers/executor/ClaimedSlices.ts"
import { warmUp } from "../../../src/workers/executor/warmUp.ts"
import { databaseIsDown, memoryService, MemoryStore } from "../../support/memoryStores.ts"
import { BrokerScript } from "../../support/scriptedBroker.ts"
import { exactClock } from "../../support/service.ts"

/** A Sunday, with limits that refuse whatever there is. */
const sunday = Date.UTC(2026, 0, 4, 6)
const service = memoryService({ TRADING_CALENDAR: "on", LIMIT_INSTRUMENTS: "NSE:INFY", LIMIT_SLICE_QUANTITY: "1" })

describe("warmUp", () => {
  it.effect(
    "fires through the guards whatever the clock, the calendar and the limits say, and touches nothing outside",
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(sunday)
        const gate = yield* PlacementGate
        yield* gate.close("halt", "halted")
        assert.strictEqual(yield* warmUp, 3000)
        assert.isEmpty((yield* BrokerScript).placed)
        assert.isEmpty((yield* MemoryStore).written)
        assert.isTrue(gate.isClosed())
        assert.strictEqual((yield* makeClaimedSlices).queue.size, 0)
      }).pipe(
        Effect.provideService(
          DatabaseClock,
          DatabaseClock.of({ ...exactClock, waitForOffset: Effect.fail(databaseIsDown) })
        ),
        Effect.provide(Layer.fresh(service))
      )
  )
})
