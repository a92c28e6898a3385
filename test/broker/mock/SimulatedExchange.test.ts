import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Clock, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { simulatedPrice } from "../../../src/broker/mock/simulatedPrice.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { findOrders, outOfReach, placementOf } from "../BrokerConformance.ts"
import { exchange, orderOf } from "./exchange.ts"

const minPrice = BigDecimal.fromStringUnsafe("95")
const maxPrice = BigDecimal.fromStringUnsafe("3100")

describe("the simulated exchange", () => {
  const lives = (seed: string) =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("SAME"))
      yield* broker.place(placementOf("SAME"))
      yield* TestClock.adjust("1 second")
      return yield* findOrders(broker, "SAME")
    }).pipe(Effect.provide(exchange({ seed })))

  it.effect("gives ids like Kite's: nineteen digits as text, unique", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const ids = yield* Effect.forEach(Array.from({ length: 500 }), (_, index) =>
        Effect.map(broker.place(placementOf(`ID${index % 250}`)), (ack) => ack.brokerOrderId)
      )
      assert.strictEqual(new Set(ids).size, 500)
      assert.isTrue(ids.every((id) => /^[1-9][0-9]{18}$/.test(id)))
    }).pipe(Effect.provide(exchange()))
  )

  it.effect("behaves the same for the same seed, and differently for another", () =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      const first = yield* lives("one")
      yield* TestClock.setTime(start)
      assert.deepStrictEqual(yield* lives("one"), first)
      yield* TestClock.setTime(start)
      assert.notDeepEqual(yield* lives("two"), first)
    })
  )

  it.effect("changes from pending to open to complete at the configured milliseconds", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("STEPS"))
      const seen: Array<string | undefined> = []
      for (const millis of [124, 1, 374, 1]) {
        yield* TestClock.adjust(millis)
        seen.push((yield* orderOf("STEPS"))?.status)
      }
      assert.deepStrictEqual(seen, ["PENDING", "OPEN", "OPEN", "COMPLETE"])
    }).pipe(Effect.provide(exchange()))
  )

  it.effect("fills nothing of an order that was cancelled before its fill", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const { brokerOrderId } = yield* broker.place(placementOf("EARLY"))
      yield* TestClock.adjust("499 millis")
      yield* broker.cancel(brokerOrderId)
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* orderOf("EARLY"), { status: "CANCELLED", filledQuantity: 0, averagePrice: null })
    }).pipe(Effect.provide(exchange()))
  )

  it.effect("keeps a DAY order open for a day", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("DAY", outOfReach))
      yield* TestClock.adjust(Duration.subtract(Duration.days(1), Duration.millis(1)))
      assert.strictEqual((yield* orderOf("DAY"))?.status, "OPEN")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* orderOf("DAY"))?.status, "CANCELLED")
    }).pipe(Effect.provide(exchange()))
  )

  it.effect("fills a limit order that the price reaches, at the price and never worse than the limit", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const limitPrice = BigDecimal.fromStringUnsafe("99999")
      yield* broker.place(placementOf("BUY", { orderType: "LIMIT", limitPrice }))
      yield* broker.place(placementOf("SELL", { orderType: "LIMIT", limitPrice, side: "SELL" }))
      yield* TestClock.adjust("1 second")
      const bought = yield* orderOf("BUY")
      const price = bought?.averagePrice ?? limitPrice
      assert.strictEqual(bought?.status, "COMPLETE")
      assert.isTrue(BigDecimal.isLessThan(price, limitPrice))
      assert.strictEqual((yield* orderOf("SELL"))?.status, "OPEN")
    }).pipe(Effect.provide(exchange()))
  )

  it("quotes prices on the tick that differ by instrument and move little within a minute", () => {
    const price = (name: string, millis: number, side: "BUY" | "SELL" = "BUY") =>
      simulatedPrice("seed", Instrument.make(name), side, millis)
    const start = 1_800_000_000_000
    assert.notDeepEqual(price("NSE:INFY", start), price("NSE:TCS", start))
    assert.isTrue(BigDecimal.isGreaterThan(price("NSE:INFY", start), price("NSE:INFY", start, "SELL")))
    for (let minute = 0; minute < 1000; minute++) {
      const now = price("NSE:INFY", start + minute * 60_000)
      const next = price("NSE:INFY", start + (minute + 1) * 60_000)
      const change = BigDecimal.abs(BigDecimal.subtract(next, now))
      assert.isTrue(BigDecimal.isZero(BigDecimal.remainderUnsafe(now, BigDecimal.fromStringUnsafe("0.05"))))
      assert.isTrue(BigDecimal.between(now, { minimum: minPrice, maximum: maxPrice }))
      assert.isTrue(BigDecimal.isLessThan(BigDecimal.multiply(change, minPrice), now))
    }
  })
})
