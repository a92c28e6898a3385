import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { withCircuit } from "../../../src/broker/layers/withCircuit.ts"
import { withDryRun } from "../../../src/broker/layers/withDryRun.ts"
import { withGate } from "../../../src/broker/layers/withGate.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import {
  BrokerCredentialsInvalid,
  BrokerOutcomeUnknown,
  BrokerTryLater
} from "../../../src/domain/model/BrokerError.ts"
import { BrokerOrderId, OrderId, SliceId } from "../../../src/domain/model/Ids.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { BrokerScript, scriptedBroker } from "../../support/scriptedBroker.ts"
import { findOrders, placementOf } from "../BrokerConformance.ts"
import { failureOf } from "../mock/exchange.ts"

/** A circuit that opens after so many failures for 10 seconds, inside the placement gate as in the service. */
const service = (failures: number) =>
  withGate.pipe(
    Layer.provide(withCircuit({ failures, pause: Duration.seconds(10) })),
    Layer.provideMerge(Layer.mergeAll(PlacementGate.layer, scriptedBroker))
  )

/** Provides the wrapped broker: the scripted one below has the same service key. */
const wrappedWith = (failures: number) => Layer.effect(Broker, Broker).pipe(Layer.provideMerge(service(failures)))
const wrapped = wrappedWith(2)

const unknown = Effect.fail(new BrokerOutcomeUnknown({ code: "500", message: "Internal error" }))
const place = (tag: string) =>
  Effect.flatMap(Broker, (broker) =>
    Effect.map(failureOf(broker.place(placementOf(tag))), (error) => error?._tag ?? "ok")
  )
const placed = Effect.map(BrokerScript, ({ placed }) => placed.length)
const closure = Effect.flatMap(PlacementGate, ({ current }) => current)

describe("the circuit breaker around a broker", () => {
  it.effect("sends nothing to a broker without clear answers, and closes the gate with the reason", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const answer = script.onPlace
      script.onPlace = () => unknown
      assert.deepStrictEqual([yield* place("A"), yield* closure], ["BrokerOutcomeUnknown", null])
      assert.strictEqual(yield* place("B"), "BrokerOutcomeUnknown")
      assert.deepInclude(yield* closure, {
        kind: "circuit",
        reason: "the broker gives no clear answers, the last: Internal error; the next one is tried in 10s"
      })
      assert.strictEqual(yield* place("C"), "BrokerNotSent")
      assert.strictEqual(yield* placed, 2)

      yield* TestClock.adjust("9999 millis")
      assert.isNotNull(yield* closure)
      yield* TestClock.adjust("1 millis")
      assert.isNull(yield* closure)
      script.onPlace = answer
      assert.strictEqual(yield* place("D"), "ok")
      assert.deepStrictEqual([yield* place("E"), yield* closure, yield* placed], ["ok", null, 4])
    }).pipe(Effect.provide(wrapped))
  )

  it.effect(
    "closes the gate when a cancel finds out that the address is refused, and for nothing else about cancels",
    () =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        const cancel = Effect.flatMap(Broker, (broker) => failureOf(broker.cancel(BrokerOrderId.make("b1"))))
        for (const error of [
          new BrokerOutcomeUnknown({ code: "500", message: "Internal error" }),
          new BrokerCredentialsInvalid({ kind: "token", message: "Incorrect token" })
        ]) {
          script.onCancel = () => Effect.fail(error)
          for (let n = 0; n < 3; n++) yield* cancel
          assert.isNull(yield* closure)
        }
        script.onCancel = () => Effect.fail(new BrokerCredentialsInvalid({ kind: "address", message: "No IPs" }))
        yield* cancel
        assert.deepInclude(yield* closure, {
          kind: "circuit",
          reason: "the broker takes no orders from this address: No IPs; the next one is tried in 10s"
        })
        yield* cancel
        assert.lengthOf(script.cancelled, 8)
      }).pipe(Effect.provide(wrapped))
  )

  it.effect("sends one probe at a time, and waits longer when it fails", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = () => unknown
      yield* place("A")
      yield* place("B")
      yield* TestClock.adjust("10 seconds")
      script.onPlace = () => Effect.andThen(Effect.sleep("3 seconds"), unknown)
      const probe = yield* Effect.forkChild(place("C"), { startImmediately: true })
      assert.include((yield* closure)?.reason, "one placement finds out")
      assert.strictEqual(yield* place("D"), "BrokerNotSent")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(probe), "BrokerOutcomeUnknown")
      assert.include((yield* closure)?.reason, "tried in 20s")
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(yield* place("E"), "BrokerNotSent")
      assert.strictEqual(yield* placed, 3)
    }).pipe(Effect.provide(wrapped))
  )

  it.effect("starts a new pause when it opens again", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const answer = script.onPlace
      script.onPlace = () => unknown
      const straggler = yield* Effect.suspend(() => {
        script.onPlace = (placement) => Effect.delay(answer(placement), "4 seconds")
        return Effect.forkChild(place("S"), { startImmediately: true })
      })
      script.onPlace = () => unknown
      yield* Effect.forEach(["A", "B"], place)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual([yield* Fiber.join(straggler), yield* closure], ["ok", null])
      yield* Effect.forEach(["C", "D"], place)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* closure)?.kind, "circuit")
      yield* TestClock.adjust("1 second")
      assert.isNull(yield* closure)
    }).pipe(Effect.provide(wrapped))
  )

  it.effect("opens at once when the broker refuses this address, not for a bad token or a busy broker", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = () => Effect.fail(new BrokerCredentialsInvalid({ kind: "token", message: "expired" }))
      yield* Effect.forEach(["A", "B", "C"], place)
      assert.isNull(yield* closure)
      const busy = new BrokerTryLater({ code: "429", message: "slow down", retryAt: DateTime.makeUnsafe(0) })
      script.onPlace = () => Effect.fail(busy)
      yield* Effect.forEach(["D", "E", "F"], place)
      assert.isNull(yield* closure)
      script.onPlace = () => Effect.fail(new BrokerCredentialsInvalid({ kind: "address", message: "IP not allowed" }))
      yield* place("G")
      assert.include((yield* closure)?.reason, "the broker takes no orders from this address: IP not allowed")
    }).pipe(Effect.provide(wrapped))
  )

  it.effect("makes the next placement the probe when a halt stopped the first one", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const gate = yield* PlacementGate
      const answer = script.onPlace
      script.onPlace = () => unknown
      yield* place("A")
      yield* place("B")
      yield* gate.close("halt", "by me")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* place("C"), "BrokerNotSent")
      assert.strictEqual((yield* closure)?.kind, "halt")
      yield* gate.open("halt")
      script.onPlace = answer
      assert.strictEqual(yield* place("D"), "ok")
      assert.isNull(yield* closure)
    }).pipe(Effect.provide(wrapped))
  )

  it.effect("makes look-ups while the gate is closed", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const broker = yield* Broker
      yield* (yield* PlacementGate).close("halt", "by me")
      script.onPlace = () => unknown
      assert.strictEqual(yield* place("A"), "BrokerNotSent")
      assert.deepStrictEqual(yield* findOrders(broker, "A"), [])
      const { brokerOrderId } = { brokerOrderId: script.cancelled[0] }
      assert.isUndefined(brokerOrderId)
    }).pipe(Effect.provide(wrapped))
  )
})

describe("the placement gate", () => {
  it.effect("is idle after it was closed only when every admitted call has ended", () =>
    Effect.gen(function* () {
      const gate = yield* PlacementGate
      const call = yield* Effect.forkChild(gate.unlessClosed(SliceId.make("s1"), Effect.sleep("5 seconds")), {
        startImmediately: true
      })
      yield* gate.close("halt", "by me")
      const idle = yield* Effect.forkChild(gate.untilIdle, { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(idle.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(call)
      yield* Fiber.join(idle)
    }).pipe(Effect.provide(PlacementGate.layer))
  )

  it.effect("refuses the call for a slice whose order was cancelled, and makes the others", () =>
    Effect.gen(function* () {
      const gate = yield* PlacementGate
      const [cancelled, wanted] = [SliceId.make("cancelled"), SliceId.make("wanted")]
      yield* gate.withdraw(new Set([cancelled]))
      const failed = yield* Effect.flip(gate.unlessClosed(cancelled, Effect.die("was sent")))
      assert.include(failed.message, "its order was cancelled or is on hold")
      assert.strictEqual(yield* gate.unlessClosed(wanted, Effect.succeed("sent")), "sent")
      yield* gate.withdraw(new Set())
      assert.strictEqual(yield* gate.unlessClosed(cancelled, Effect.succeed("sent")), "sent")
    }).pipe(Effect.provide(PlacementGate.layer))
  )

  it.effect("counts an interrupted call as ended", () =>
    Effect.gen(function* () {
      const gate = yield* PlacementGate
      const call = yield* Effect.forkChild(gate.unlessClosed(SliceId.make("s1"), Effect.never), {
        startImmediately: true
      })
      yield* Fiber.interrupt(call)
      yield* gate.untilIdle
    }).pipe(Effect.provide(PlacementGate.layer))
  )
})

describe("a dry run", () => {
  it.effect("sends no order request but says what it would send, and makes look-ups", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const failed = yield* failureOf(broker.place(placementOf("DRY")))
      assert.deepInclude(failed, {
        _tag: "BrokerNotSent",
        code: "dry_run",
        message: "dry run: would have sent BUY 100 NSE:INFY MARKET CNC DAY tag DRY",
        retryAt: null
      })
      assert.deepStrictEqual(yield* findOrders(broker, "DRY"), [])
      assert.deepStrictEqual(yield* placed, 0)
    }).pipe(Effect.provide(withDryRun.pipe(Layer.provideMerge(scriptedBroker))))
  )

  it.effect("lets an order without clear answers wait by itself while another gets some", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const answer = script.onPlace
      script.onPlace = (placement) => (placement.instrument === "NSE:POISON" ? unknown : answer(placement))
      const broker = yield* Broker
      const poisoned = (tag: string) =>
        Effect.map(
          failureOf(
            broker.place(
              placementOf(tag, { orderId: OrderId.make("poisoned"), instrument: Instrument.make("NSE:POISON") })
            )
          ),
          (error) => error?._tag ?? "ok"
        )
      assert.strictEqual(yield* place("A"), "ok")
      const answers = yield* Effect.forEach(["P1", "P2", "P3", "P4", "P5", "P6"], poisoned)
      const unclear = "BrokerOutcomeUnknown"
      assert.deepStrictEqual(answers, [unclear, unclear, unclear, "BrokerNotSent", "BrokerNotSent", "BrokerNotSent"])
      assert.deepStrictEqual([yield* closure, yield* place("B")], [null, "ok"])
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual([yield* poisoned("P7"), yield* poisoned("P8")], [unclear, "BrokerNotSent"])
      assert.deepStrictEqual([yield* closure, yield* place("C")], [null, "ok"])
    }).pipe(Effect.provide(wrappedWith(5)))
  )
})
