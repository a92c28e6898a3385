import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DatabaseClock } from "../../../src/clock/DatabaseClock.ts"
import { TradingHours } from "../../../src/config/TradingHours.ts"
import type { CalendarSource } from "../../../src/domain/market/calendarSources.ts"
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

describe("a slice whose day has become a holiday since its plan was made", () => {
  const polls: CalendarSource = {
    source: "import 1",
    days: [{ day: "2026-12-24", markets: "all", sessions: [], name: "Polls" }]
  }
  const at = (time: string) => Date.parse(`${time}:00+05:30`)
  const slice = (notAfterMillis: number): ClaimedSlice => ({
    ...claimed(at("2026-12-24T10:00")),
    market: "EQUITY",
    notAfterMillis,
    leaseExpiresMillis: at("2026-12-24T10:05")
  })

  it.effect("is not sent: it waits for the next open within its window, and is given up without one", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at("2026-12-24T10:00"))
      const place = yield* makePlace
      const { placed } = yield* BrokerScript
      assert.strictEqual((yield* place(slice(at("2026-12-24T15:00")))).transition.next._tag, "Processed")
      const hours = yield* TradingHours
      hours.take([polls])
      const [sameDay, longer] = [
        yield* place(slice(at("2026-12-24T15:00"))),
        yield* place(slice(at("2026-12-28T15:00")))
      ]
      assert.lengthOf(placed, 1)
      assert.deepStrictEqual(sameDay.transition.next, {
        _tag: "Skipped",
        code: "market_closed",
        reason: "the market is closed until after the order's window: the exchange is closed: Polls"
      })
      assert.deepStrictEqual(longer.transition.next, {
        _tag: "Rescheduled",
        code: "market_closed",
        reason: "the market is closed: the exchange is closed: Polls",
        // Friday is Christmas.
        notBefore: DateTime.makeUnsafe(at("2026-12-28T09:15") + 5000)
      })
      hours.take([])
      assert.strictEqual((yield* place(slice(at("2026-12-24T15:00")))).transition.next._tag, "Processed")
    }).pipe(Effect.provide(memoryService({ TRADING_CALENDAR: "on" })))
  )
})
