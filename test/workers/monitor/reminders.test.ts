import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Logger } from "effect"
import { mockInstruments } from "../../../src/broker/mock/mockInstruments.ts"
import { TradingHours } from "../../../src/config/TradingHours.ts"
import { forEachVenue } from "../../../src/domain/market/Venue.ts"
import { InstrumentStore } from "../../../src/stores/account/InstrumentStore.ts"
import { makeRemind } from "../../../src/workers/monitor/reminders.ts"
import { scriptedBroker } from "../../support/scriptedBroker.ts"
import { serviceLayer, setClock } from "../../support/service.ts"

const calendarUntil = (until: string) =>
  TradingHours.fixed({
    from: "1970-01-01",
    markets: forEachVenue(() => ({ until, sessions: [], whyClosed: new Map(), regular: [] }))
  })

const service = (hours: TradingHours["Service"], brokerType: "mock" | "zerodha") =>
  Layer.mergeAll(
    serviceLayer({ broker: scriptedBroker, environment: { BROKER_TYPE: brokerType, ZERODHA_API_KEY: "k" } }),
    Layer.succeed(TradingHours, hours)
  )

/** The warnings of one daemon that checks at these hours. */
const warningsAt = (...hours: ReadonlyArray<number>) => {
  const lines: Array<string> = []
  const capture = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  return Effect.gen(function* () {
    const remind = yield* makeRemind
    for (const hour of hours) {
      yield* setClock(Duration.hours(hour))
      yield* remind
    }
    return lines
  }).pipe(Effect.provide(capture))
}

const syncAt = (hour: number) =>
  Effect.gen(function* () {
    yield* setClock(Duration.hours(hour))
    yield* (yield* InstrumentStore).replaceAll("zerodha", mockInstruments, yield* DateTime.now)
  })

describe("reminders for a person", () => {
  it.effect("warn of the end of the trading calendar from 30 days ahead, at the start and then once a day", () =>
    Effect.gen(function* () {
      // 1970-01-02 begins in India at 18:30 of the day before.
      assert.deepStrictEqual(yield* warningsAt(18.4), [])
      const warnings = yield* warningsAt(18.5, 19, 42.4, 42.5)
      assert.lengthOf(warnings, 2)
      assert.include(warnings[0], "known until 1970-02-01 only")
      assert.include(warnings[0], "calendar import FILE")
    }).pipe(Effect.provide(service(calendarUntil("1970-02-01"), "mock")))
  )

  it.effect("warn of a calendar that has ended, and of nothing when no calendar is used", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* warningsAt(24 * 40), 1)
    }).pipe(
      Effect.provide(service(calendarUntil("1970-02-01"), "mock")),
      Effect.andThen(
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* warningsAt(24 * 40), [])
        }).pipe(Effect.provide(service(TradingHours.fixed(null), "mock")))
      )
    )
  )

  it.effect("warn of an instrument list that is older than two days", () =>
    Effect.gen(function* () {
      yield* syncAt(1)
      assert.deepStrictEqual(yield* warningsAt(49), [])
      const [warning] = yield* warningsAt(49.1)
      assert.include(warning, "1970-01-01T01:00:00.000Z")
      assert.include(warning, "instruments sync")
      yield* syncAt(49)
      assert.deepStrictEqual(yield* warningsAt(50), [])
    }).pipe(Effect.provide(service(TradingHours.fixed(null), "zerodha")))
  )

  it.effect("ignore the mock's instrument list, which never changes, and a missing one", () =>
    Effect.gen(function* () {
      yield* syncAt(1)
      assert.deepStrictEqual(yield* warningsAt(1000), [])
    }).pipe(
      Effect.provide(service(TradingHours.fixed(null), "mock")),
      Effect.andThen(
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* warningsAt(1000), [])
        }).pipe(Effect.provide(service(TradingHours.fixed(null), "zerodha")))
      )
    )
  )
})
