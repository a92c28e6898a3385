import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { clockOver } from "../../src/clock/overrideClock.ts"
import { BrokerTryLater } from "../../src/domain/model/BrokerError.ts"
import { memoryDaemon, startDaemon, Watch } from "../support/memoryDaemon.ts"
import { BrokerScript, completed, openOrder } from "../support/scriptedBroker.ts"

const hourMillis = 3_600_000

/** The database's clock, an hour ahead until it is set back. Its sleeps are those of TestClock, which only goes forward. */
class Ahead extends Context.Service<Ahead, { readonly clock: Clock.Clock; readonly setBack: Effect.Effect<void> }>()(
  "test/Ahead"
) {}

const aheadLayer = Layer.effect(
  Ahead,
  Effect.map(Clock.Clock, (test) => {
    let aheadMillis = hourMillis
    const currentTimeMillisUnsafe = () => test.currentTimeMillisUnsafe() + aheadMillis
    const currentTimeNanosUnsafe = () => test.currentTimeNanosUnsafe() + BigInt(aheadMillis) * 1_000_000n
    return {
      clock: clockOver(test, {
        currentTimeMillisUnsafe,
        currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
        currentTimeNanosUnsafe,
        currentTimeNanos: Effect.sync(currentTimeNanosUnsafe)
      }),
      setBack: Effect.sync(() => {
        aheadMillis = 0
      })
    }
  })
)

/** A daemon by that clock, and the clock. */
const daemonAhead = memoryDaemon().pipe(
  Layer.provide(
    Layer.effect(
      Clock.Clock,
      Effect.map(Ahead, ({ clock }) => clock)
    )
  ),
  Layer.provideMerge(aheadLayer)
)

const start = Effect.flatMap(Ahead, ({ clock }) => Effect.provideService(startDaemon, Clock.Clock, clock))
const setBack = Effect.flatMap(Ahead, (ahead) => ahead.setBack)

const placedOrders = Effect.map(BrokerScript, ({ placed }) =>
  placed.map(({ placement }) => placement.orderId as string)
)

describe("a daemon whose database's clock was an hour ahead", () => {
  it.effect("places what is due once the clock is set right, whatever the broker asked for before", () =>
    Effect.gen(function* () {
      const watch = yield* Watch
      const script = yield* BrokerScript
      const { onPlace } = script
      script.onPlace = () =>
        Effect.flatMap(DateTime.now, (now) =>
          Effect.fail(new BrokerTryLater({ code: "429", message: "", retryAt: DateTime.add(now, { seconds: 1 }) }))
        )
      watch.insertOrder("before", hourMillis + 10_000)
      yield* start
      yield* TestClock.adjust("10500 millis")
      assert.include(yield* placedOrders, "before")
      script.placed.length = 0
      script.onPlace = onPlace
      yield* setBack
      watch.insertOrder("new", 11_000)
      yield* TestClock.adjust("70 seconds")
      assert.include(yield* placedOrders, "new")
    }).pipe(Effect.scoped, Effect.provide(daemonAhead))
  )

  it.effect("asks as often as before", () =>
    Effect.gen(function* () {
      const watch = yield* Watch
      const script = yield* BrokerScript
      script.onPlace = ({ tag, quantity }) =>
        Effect.sync(() => {
          const order = openOrder(tag, script.orderList.length + 1)
          script.orderList.push(completed(order, quantity))
          return { brokerOrderId: order.brokerOrderId }
        })
      watch.insertOrder("before", hourMillis + 1000)
      yield* start
      yield* TestClock.adjust("5 minutes")
      const asked = Effect.gen(function* () {
        watch.sent.clear()
        yield* TestClock.adjust("5 minutes")
        return new Map(watch.sent)
      })
      const before = yield* asked
      assert.isAtMost(before.get("SliceStore.claimDue") ?? 0, 10)
      yield* setBack
      const after = yield* asked
      for (const [operation, count] of before) {
        assert.isAtLeast(after.get(operation) ?? 0, Math.floor(count / 2), operation)
      }
    }).pipe(Effect.scoped, Effect.provide(daemonAhead))
  )
})
