import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { withWaits } from "../../../src/broker/layers/withWaits.ts"
import { afterPlacement, backoffAfter, isAttempt } from "../../../src/domain/lifecycle/placement.ts"
import { BrokerTryLater, notNowCode } from "../../../src/domain/model/BrokerError.ts"
import { OrderId } from "../../../src/domain/model/Ids.ts"
import { BrokerScript, scriptedBroker } from "../../support/scriptedBroker.ts"
import { placementOf } from "../BrokerConformance.ts"

const service = Layer.effect(Broker, Broker).pipe(
  Layer.provideMerge(withWaits.pipe(Layer.provideMerge(scriptedBroker)))
)

const shut = Effect.fail(
  new BrokerTryLater({
    code: notNowCode,
    message: "Market orders are currently not allowed.",
    retryAt: DateTime.makeUnsafe(0)
  })
)

/** Places a slice of an order; returns what becomes of it, and the seconds until it is tried again. */
const place = (tag: string, order = "order") =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const answer = yield* Effect.exit(broker.place(placementOf(tag, { orderId: OrderId.make(order) })))
    const now = yield* DateTime.now
    const next = afterPlacement(answer, now)
    assert.strictEqual(isAttempt(answer), Exit.isSuccess(answer))
    assert.strictEqual(backoffAfter(answer, next), 0)
    if (next._tag !== "Rescheduled" || next.notBefore === null) return next._tag
    return `${next.code} ${(DateTime.toEpochMillis(next.notBefore) - DateTime.toEpochMillis(now)) / 1000}`
  })

describe("an order that the broker does not take for now", () => {
  it.effect("waits with all its slices and is placed later; no attempt is counted, and others go on", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const answer = script.onPlace
      script.onPlace = (placement) => (placement.orderId === "order" ? shut : answer(placement))
      assert.strictEqual(yield* place("A"), "broker_try_later 5")
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* place("B"), "broker_try_later 1")
      assert.strictEqual(yield* place("C", "other"), "Processed")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* place("A"), "broker_try_later 10")
      assert.deepStrictEqual(
        script.placed.map(({ placement }) => placement.tag),
        ["A", "C", "A"]
      )
      script.onPlace = answer
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* place("A"), "Processed")
      assert.strictEqual(yield* place("B"), "Processed")
    }).pipe(Effect.provide(service))
  )
})
