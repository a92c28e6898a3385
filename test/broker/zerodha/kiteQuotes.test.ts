import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { quotePath, readQuotes } from "../../../src/broker/zerodha/kiteQuotes.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { KiteSimulator } from "../../../src/kite-simulator/KiteSimulator.ts"
import { eventually } from "../../support/processes.ts"
import { failureOf } from "../mock/exchange.ts"
import { zerodhaOverSimulator } from "./zerodhaOverSimulator.ts"

const [infy, mm, nifty, idle, odd] = ["NSE:INFY", "NSE:M&M", "NSE:NIFTY50", "NSE:IDLE", "NSE:ODD"].map((name) =>
  Instrument.make(name)
)
if (!infy || !mm || !nifty || !idle || !odd) throw new Error("five instruments were expected")

describe("Kite's quotes", () => {
  it("are requested by names that are encoded correctly", () => {
    assert.strictEqual(quotePath([infy, mm]), "/quote?i=NSE%3AINFY&i=NSE%3AM%26M")
  })

  it("are read as exact prices, without missing or invalid ones, ignoring unknown fields", () => {
    const body = JSON.stringify({
      status: "success",
      data: {
        "NSE:INFY": { last_price: 1412.95, volume: 7360198, something_new: { a: 1 } },
        "NSE:NIFTY50": { last_price: 26000.1 },
        "NSE:IDLE": { last_price: 0, volume: 0 },
        "NSE:ODD": { last_price: "1" }
      }
    })
    const quotes = Result.getOrThrow(readQuotes(body, [infy, mm, nifty, idle, odd]))
    assert.deepStrictEqual(
      quotes.map(({ instrument, lastPrice, dayVolume }) => [instrument, BigDecimal.format(lastPrice), dayVolume]),
      [
        [infy, "1412.95", 7_360_198],
        [nifty, "26000.1", null]
      ]
    )
  })

  it("are left out if a price cannot be, and have no volume that cannot be", () => {
    const prices: ReadonlyArray<unknown> = [1e300, 1e11, 99_999_999_999.9999, -1, "NaN", null, 0.00004, {}, 5.25]
    const volumes: ReadonlyArray<unknown> = [1e300, 2 ** 53, -1, 0.5, "7", [], null, 2 ** 53 - 1, 7]
    const named = prices.map((_, index) => Instrument.make(`NSE:S${index}`))
    const data = Object.fromEntries(
      named.map((name, index) => [name, { last_price: prices[index], volume: volumes[index] }])
    )
    const quotes = Result.getOrThrow(readQuotes(JSON.stringify({ status: "success", data }), named))
    assert.deepStrictEqual(
      quotes.map(
        ({ instrument, lastPrice, dayVolume }) => `${instrument} ${BigDecimal.format(lastPrice)} ${dayVolume}`
      ),
      ["NSE:S2 99999999999.9999 null", "NSE:S8 5.25 7"]
    )
    const rows = volumes.map((volume) => ({ last_price: 1, volume }))
    const all = JSON.stringify({
      status: "success",
      data: Object.fromEntries(named.map((name, index) => [name, rows[index]]))
    })
    assert.deepStrictEqual(
      Result.getOrThrow(readQuotes(all, named)).map(({ dayVolume }) => dayVolume),
      [null, null, null, null, null, null, null, 2 ** 53 - 1, 7]
    )
  })

  it("that are not in Kite's format are a failure", () => {
    for (const body of ["<html>", "{}", JSON.stringify({ status: "error", data: null })]) {
      assert.isTrue(Result.isFailure(readQuotes(body, [infy])), body)
    }
  })

  it.effect("are requested in groups of 500, a second apart", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const simulator = yield* KiteSimulator
      const many = new Set(Array.from({ length: 501 }, (_, index) => Instrument.make(`NSE:S${index}`)))
      const asking = yield* Effect.forkChild(broker.quotes(many), { startImmediately: true })
      const asked = Effect.map(simulator.ledger, ({ requests }) => requests.filter(({ path }) => path === "/quote"))
      yield* eventually("the first piece is asked for", asked, ({ length }) => length === 1)
      // In small steps: an answer is given a hundred seconds, by the same clock.
      const later = Effect.andThen(TestClock.adjust("100 millis"), asked)
      yield* eventually("the other is asked for", later, ({ length }) => length === 2)
      assert.lengthOf(yield* Fiber.join(asking), 501)
      assert.deepStrictEqual(
        (yield* asked).map(({ outcome }) => outcome),
        ["answered", "answered"]
      )
    }).pipe(Effect.provide(Layer.fresh(zerodhaOverSimulator({}, { BROKER_TIMEOUT_SECONDS: "100" }))))
  )

  it.effect("that are refused to a free app are requested again in an hour, without closing the gate", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const failure = yield* failureOf(broker.quotes(new Set([infy])))
      assert.isTrue(failure?._tag === "BrokerTryLater" && /paid apps only/.test(failure.message))
      assert.strictEqual(failure?._tag === "BrokerTryLater" ? failure.retryAt.epochMilliseconds : 0, 3_600_000)
      assert.isNull(yield* (yield* PlacementGate).current)
    }).pipe(Effect.provide(Layer.fresh(zerodhaOverSimulator({ hasMarketData: false }))))
  )
})
