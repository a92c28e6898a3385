import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { withFaults } from "../../../src/broker/mock/withFaults.ts"
import { findOrders, outOfReach, placementOf } from "../BrokerConformance.ts"
import { exchange, failureOf } from "./exchange.ts"

/** Four fifths of the exchange's quarantine. */
const latestArrival = "4 seconds"

/** A broker with faults around `below`, by default its own exchange. */
const faulty = (rate: number, seed = "seed", below = exchange()) =>
  withFaults({ rate, seed }).pipe(Layer.provide(below))

/** Places one order after the other; returns the answer to each and whether the exchange below has the order. */
const placements = (count: number, rate: number, seed?: string) =>
  Effect.gen(function* () {
    const exchangeBelow = yield* Broker
    const broker = yield* Effect.provide(Broker, faulty(rate, seed, Layer.succeed(Broker, exchangeBelow)))
    const isInOrderList = (tag: string) => Effect.map(findOrders(exchangeBelow, tag), (orders) => orders.length > 0)
    return yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
      Effect.gen(function* () {
        const tag = `F${index}`
        const failure = yield* failureOf(broker.place(placementOf(tag)))
        const isThereAtOnce = yield* isInOrderList(tag)
        yield* TestClock.adjust(latestArrival)
        const isThereInTime = yield* isInOrderList(tag)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* isInOrderList(tag), isThereInTime, "an order appeared after the quarantine")
        const place = isThereAtOnce ? "placed" : isThereInTime ? "placed late" : "not placed"
        return `${failure === undefined ? "ok" : `${failure._tag} ${"code" in failure ? failure.code : ""}`}, ${place}`
      })
    )
  }).pipe(Effect.provide(exchange()))

describe("faults", () => {
  it.effect("of every kind happen to placements, and no others", () =>
    Effect.gen(function* () {
      const outcomes = yield* placements(200, 0.9)
      assert.sameMembers(
        [...new Set(outcomes)],
        [
          "ok, placed",
          "BrokerOutcomeUnknown connection_reset, not placed",
          "BrokerOutcomeUnknown connection_reset, placed",
          "BrokerOutcomeUnknown connection_reset, placed late",
          "BrokerTryLater connection_refused, not placed",
          "BrokerTryLater 429, not placed"
        ]
      )
    })
  )

  it.effect("have the same sequence for the same seed, and another for another seed", () =>
    Effect.gen(function* () {
      const first = yield* placements(60, 0.5)
      assert.deepStrictEqual(yield* placements(60, 0.5), first)
      assert.notDeepEqual(yield* placements(60, 0.5, "other"), first)
    })
  )

  it.effect("are as frequent as configured", () =>
    Effect.gen(function* () {
      const outcomes = yield* placements(1000, 0.1)
      const faults = outcomes.filter((outcome) => outcome !== "ok, placed").length
      assert.isTrue(faults > 70 && faults < 130, `${faults} of 1000`)
    })
  )

  it.effect("do not happen at a rate of 0, and to every call at 1", () =>
    Effect.gen(function* () {
      const never = yield* placements(50, 0)
      assert.deepStrictEqual([...new Set(never)], ["ok, placed"])
      const always = yield* Effect.gen(function* () {
        const broker = yield* Broker
        return yield* Effect.forEach(Array.from({ length: 50 }), () => failureOf(findOrders(broker, "ANY")))
      }).pipe(Effect.provide(faulty(1)))
      assert.isTrue(always.every((failure) => failure?._tag === "BrokerTryLater"))
    })
  )

  it.effect("lose cancels before or after they took effect", () =>
    Effect.gen(function* () {
      const exchangeBelow = yield* Broker
      const outcomes = yield* Effect.gen(function* () {
        const broker = yield* Broker
        return yield* Effect.forEach(Array.from({ length: 100 }), (_, index) =>
          Effect.gen(function* () {
            const tag = `C${index}`
            const { brokerOrderId } = yield* exchangeBelow.place(placementOf(tag, outOfReach))
            const failure = yield* failureOf(broker.cancel(brokerOrderId))
            const [order] = yield* findOrders(exchangeBelow, tag)
            return `${failure?._tag ?? "ok"} ${order?.status === "CANCELLED" ? "cancelled" : "not cancelled"}`
          })
        )
      }).pipe(Effect.provide(faulty(0.9, "seed", Layer.succeed(Broker, exchangeBelow))))
      assert.sameMembers(
        [...new Set(outcomes)],
        [
          "ok cancelled",
          "BrokerOutcomeUnknown not cancelled",
          "BrokerOutcomeUnknown cancelled",
          "BrokerTryLater not cancelled"
        ]
      )
    }).pipe(Effect.provide(exchange()))
  )

  it.effect("of the kind try later name a retry time in the next second", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* TestClock.setTime(12_345)
      const now = yield* Clock.currentTimeMillis
      const failures = yield* Effect.forEach(Array.from({ length: 40 }), (_, index) =>
        index % 2 === 0 ? failureOf(findOrders(broker, "ANY")) : failureOf(broker.quotes(new Set()))
      )
      for (const failure of failures) {
        if (failure?._tag !== "BrokerTryLater") throw new Error(`not a BrokerTryLater: ${failure?._tag}`)
        const retryMillis = DateTime.toEpochMillis(failure.retryAt)
        assert.isTrue(retryMillis > now && retryMillis <= now + Duration.toMillis("1 second"))
      }
    }).pipe(Effect.provide(faulty(1)))
  )
})
