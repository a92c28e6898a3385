import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Exit, Layer } from "effect"
import { Broker } from "../../src/broker/Broker.ts"
import { withRateLimit } from "../../src/broker/layers/withRateLimit.ts"
import { withTelemetry } from "../../src/broker/layers/withTelemetry.ts"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { BrokerRefused } from "../../src/domain/model/BrokerError.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { OrderBudget } from "../../src/stores/account/OrderBudget.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { Telemetry } from "../../src/telemetry/Telemetry.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeSweep } from "../../src/workers/monitor/sweep.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { placementOf } from "../broker/BrokerConformance.ts"
import { recordedTelemetry, type RecordedCalls } from "../support/recordedTelemetry.ts"
import { acceptAndLoseAnswer, BrokerScript, openOrder, scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const claim = Effect.gen(function* () {
  const now = yield* DateTime.now
  const leaseExpiresAt = DateTime.addDuration(now, Duration.minutes(2))
  const [slice] = yield* (yield* SliceStore).claimDue({ now, horizon: now, leaseExpiresAt, owner: "owner", limit: 1 })
  return slice ?? assert.fail("nothing was claimed")
})

/** Places the slice that is due, writes the outcome, and returns the slice. */
const placeNext = Effect.gen(function* () {
  const place = yield* makePlace
  const slice = yield* claim
  const { transition, event } = yield* place(slice)
  yield* (yield* SliceStore).transition([transition], event === null ? [] : [event])
  return slice
})

const splitOne = Effect.gen(function* () {
  yield* setClock()
  yield* insertOrder("o1", { num_splits: 1 })
  yield* Effect.flatten(makeSplitPending)
})

/** Runs a test on its own service with recorded telemetry. */
const withRecording = <A, E>(body: (recorded: RecordedCalls) => Effect.Effect<A, E, Layer.Success<typeof service>>) => {
  const { telemetry, recorded } = recordedTelemetry()
  return body(recorded).pipe(Effect.provide(Layer.fresh(service)), Effect.provideService(Telemetry, telemetry))
}

describe("telemetry is called", () => {
  it.effect("for each split once, with the outcome and the number of slices", () =>
    withRecording((recorded) =>
      Effect.gen(function* () {
        yield* setClock()
        yield* insertOrder("good")
        yield* insertOrder("bad", { side: "HOLD" })
        yield* insertOrder("cancelled", { cancel_requested_at: new Date(0) })
        yield* Effect.flatten(makeSplitPending)
        assert.sameDeepMembers(
          recorded("split").map(([order, outcome, slices]) => [order.id, outcome, slices]),
          [
            ["good", "done", 5],
            ["bad", "failed", 0],
            ["cancelled", "skipped", 0]
          ]
        )
      })
    )
  )

  it.effect("for each placement once, from the moment of firing, and separately for slices that are not fired", () =>
    withRecording((recorded) =>
      Effect.gen(function* () {
        yield* splitOne
        yield* setClock(Duration.millis(7))
        const slice = yield* placeNext
        assert.deepStrictEqual(
          recorded("placed").map(([{ id }, next, span]) => [id, next._tag, span]),
          [[slice.id, "Processed", { beganMillis: 7, endedMillis: 7 }]]
        )
        const place = yield* makePlace
        yield* place({ ...slice, notAfterMillis: 6 })
        assert.deepStrictEqual(
          recorded("notFired").map(([next]) => next._tag),
          ["Skipped"]
        )
        assert.lengthOf(recorded("placed"), 1)
      })
    )
  )

  it.effect("once for each reconciliation, and for each slice that cannot be reconciled", () =>
    withRecording((recorded) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        script.onPlace = acceptAndLoseAnswer(script)
        yield* splitOne
        const { id, tag } = yield* placeNext
        const follow = yield* makeFollowBroker
        script.orderList.length = 0
        script.orderListSince = DateTime.makeUnsafe(1)
        yield* setClock(Duration.minutes(1.1))
        yield* follow
        yield* follow
        assert.deepStrictEqual(recorded("doubted"), [["unprovable"]])

        script.orderListSince = DateTime.makeUnsafe(0)
        yield* follow
        assert.deepStrictEqual(
          recorded("reconciled").map(([slice, next, { endedMillis }]) => [slice.id, next._tag, endedMillis]),
          [[id, "Rescheduled", 66_000]]
        )
        script.orderList.push(openOrder(tag, 7))
        yield* setClock(Duration.minutes(2.2))
        yield* follow
        assert.deepStrictEqual(recorded("doubted"), [["unprovable"], ["turned_up"]])
        assert.lengthOf(recorded("doublePlacement"), 0)
        script.orderList.push(openOrder(tag, 8))
        yield* follow
        yield* follow
        assert.lengthOf(recorded("doublePlacement"), 1)
      })
    )
  )

  it.effect("for slices that were not placed in time, with number and reason", () =>
    withRecording((recorded) =>
      Effect.gen(function* () {
        yield* setClock()
        yield* insertOrder("o1", { duration_minutes: 0 })
        yield* Effect.flatten(makeSplitPending)
        const sweep = yield* makeSweep
        yield* setClock(Duration.minutes(10.1))
        yield* sweep
        assert.deepInclude(recorded("skipped"), ["window_over", 5])
        assert.strictEqual(
          recorded("skipped").reduce((sum, [, count]) => sum + count, 0),
          5
        )
      })
    )
  )

  it.effect("for closures of the gate, broker calls and the wait for a turn", () =>
    Effect.gen(function* () {
      const { telemetry, recorded } = recordedTelemetry()
      const budget = Layer.mock(OrderBudget)({
        reserve: (_broker, _limits, from) =>
          Effect.succeed({ _tag: "Granted", atMillis: DateTime.toEpochMillis(from) } as const)
      })
      const limited = withRateLimit({
        perSecond: 10,
        perMinute: 100,
        perDay: 1000,
        margin: Duration.zero,
        dailyLimitPolicy: "wait",
        maxWait: Duration.seconds(1)
      })
      const layer = limited.pipe(
        Layer.provide([withTelemetry, budget]),
        Layer.provideMerge([scriptedBroker, PlacementGate.layer])
      )
      yield* Effect.gen(function* () {
        const broker = yield* Broker
        const script = yield* BrokerScript
        const gate = yield* PlacementGate
        yield* broker.place(placementOf("A"))
        script.onPlace = () => Effect.fail(new BrokerRefused({ code: "no", message: "no" }))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(broker.place(placementOf("B")))))
        yield* broker.cancel(BrokerOrderId.make("b1"))
        yield* broker.findByTag(new Set())
        yield* gate.close("circuit", "the broker gives no clear answers")
        yield* gate.open("circuit")
      }).pipe(Effect.provide(layer), Effect.provideService(Telemetry, telemetry))
      assert.deepStrictEqual(
        recorded("brokerCalled").map(([call, outcome]) => [call, outcome]),
        [
          ["place", "ok"],
          ["place", "refused"],
          ["cancel", "ok"],
          ["find_by_tag", "ok"]
        ]
      )
      assert.lengthOf(recorded("waitedForTurn"), 3)
      assert.deepStrictEqual(
        recorded("held").filter(([kind]) => kind === "circuit"),
        [
          ["circuit", false],
          ["circuit", true],
          ["circuit", false]
        ]
      )
    })
  )
})
