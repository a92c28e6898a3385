import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Layer, Logger, Option } from "effect"
import { TestClock } from "effect/testing"
import { Db } from "../../src/db/Db.ts"
import { BrokerRefused, BrokerTryLater } from "../../src/domain/model/BrokerError.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { WorkerStatus } from "../../src/workers/supervision/WorkerStatus.ts"
import { acceptAndLoseAnswer, BrokerScript, completed, openOrder, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = SliceCommands.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

const claim = (limit: number) =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    return yield* (yield* SliceStore).claimDue({
      now,
      horizon: now,
      leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
      owner: "owner",
      limit
    })
  })

/** One order, split and its due slices placed at the start; returns the first of them. */
const placeOne = (changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* setClock()
    yield* insertOrder("o1", { num_splits: 1, ...changed })
    yield* Effect.flatten(makeSplitPending)
    const claimed = yield* claim(1000)
    const place = yield* makePlace
    for (const slice of claimed) {
      const { transition, event } = yield* place(slice)
      yield* (yield* SliceStore).transition([transition], event === null ? [] : [event])
    }
    return claimed[0] ?? assert.fail("nothing was claimed")
  })

const theSlice = Effect.map(sliceRows(), ([row]) => row ?? assert.fail("there is no slice"))

/** Runs an effect with the lines that are logged while it runs. */
const logged = <A, E, R>(effect: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const capture = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
  return Effect.provide(effect(lines), capture)
}
const about = (lines: ReadonlyArray<string>, text: string) => lines.filter((line) => line.includes(text)).length

const orderListIsDown = () =>
  Effect.fail(new BrokerTryLater({ code: "503", message: "down", retryAt: DateTime.makeUnsafe(0) }))

describe("an open slice that is missing from the new day's order list", () => {
  const nextDay = Effect.gen(function* () {
    const script = yield* BrokerScript
    script.orderList.length = 0
    script.orderListSince = DateTime.makeUnsafe(86_400_000)
    yield* setClock(Duration.days(1.2))
  })

  it.effect("causes no cancels and no look-ups, and is logged once", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        yield* placeOne({ cancel_unfilled_after_seconds: 60 })
        yield* nextDay
        script.onCancel = () => Effect.fail(new BrokerRefused({ code: "OrderException", message: "no such order" }))
        const lookUps = yield* countLookUps
        const follow = yield* makeFollowBroker
        for (let pass = 0; pass < 5; pass++) {
          yield* follow
          yield* TestClock.adjust("16 seconds")
        }
        yield* Effect.flatten(makeFollowBroker)
        assert.deepStrictEqual(script.cancelled, [])
        assert.strictEqual(lookUps(), 1)
        assert.strictEqual(about(lines, "slice placed"), 1)
        assert.strictEqual(about(lines, "b1 --filled QUANTITY --price PRICE"), 1)
        assert.deepInclude(yield* theSlice, { stage: "PROCESSED", brokerStatus: null })
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("is resolved by a person, who must name its broker order and the filled quantity", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const commands = yield* SliceCommands
      const { id } = yield* placeOne()
      script.orderList[0] = { ...openOrder(yield* placeTag, 1), status: "PARTIALLY_FILLED", filledQuantity: 30 }
      const follow = yield* makeFollowBroker
      yield* follow
      const fill = (quantity: number) => ({ quantity, price: BigDecimal.fromStringUnsafe("10.5") })
      const place = (brokerOrderId: string, filled: ReturnType<typeof fill> | null) =>
        Effect.flatMap(DateTime.now, (now) =>
          commands.placed(id, { brokerOrderId: BrokerOrderId.make(brokerOrderId), fill: filled }, asked, now)
        )
      // While the order list shows it, a person's statement is refused.
      assert.isFalse(yield* place("b1", fill(40)))
      yield* nextDay
      yield* follow
      assert.strictEqual(Option.getOrThrow(yield* commands.find(id, yield* DateTime.now)).lostOrderId, "b1")
      assert.isFalse(yield* place("b2", fill(40)))
      assert.isFalse(yield* place("b1", null))
      assert.isFalse(yield* place("b1", fill(29)))
      assert.isTrue(yield* place("b1", fill(40)))
      assert.deepInclude(yield* theSlice, { stage: "PROCESSED", brokerStatus: "CANCELLED", filledQuantity: 40 })
      assert.isFalse(yield* place("b1", fill(50)))
    }).pipe(Effect.provide(service))
  )
})

const placeTag = Effect.map(BrokerScript, ({ orderList }) => orderList[0]?.tag ?? assert.fail("nothing was placed"))

const countLookUps = Effect.map(BrokerScript, (script) => {
  let lookUps = 0
  const { onFind } = script
  script.onFind = (tags) => {
    lookUps++
    return onFind(tags)
  }
  return () => lookUps
})

describe("a late arrival in the order list", () => {
  it.effect("raises the alarm and puts the order on hold when the slice's first order was COMPLETE", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        script.onPlace = acceptAndLoseAnswer(script)
        const { tag, orderId } = yield* placeOne()
        const [order] = script.orderList
        script.orderList[0] = completed(order ?? assert.fail(), 100)
        const follow = yield* makeFollowBroker
        yield* follow
        assert.strictEqual((yield* theSlice).brokerStatus, "COMPLETE")
        script.orderList.push(openOrder(tag, 2))
        yield* TestClock.adjust("59 seconds")
        yield* follow
        assert.strictEqual(about(lines, "DOUBLE PLACEMENT"), 0)
        yield* TestClock.adjust("1 second")
        yield* follow
        yield* TestClock.adjust("1 minute")
        yield* follow
        assert.strictEqual(about(lines, "DOUBLE PLACEMENT"), 1)
        const progress = Option.getOrThrow(yield* (yield* OrderCommands).progress(orderId))
        assert.strictEqual(progress.holdReason, `the broker has 2 orders with tag ${tag}`)
      })
    ).pipe(Effect.provide(service))
  )

  for (const [stage, minutes] of [
    ["SCHEDULED", 1.1],
    ["SKIPPED", 12]
  ] as const) {
    it.effect(`is taken over when its slice is ${stage}, which is never placed again`, () =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        script.onPlace = acceptAndLoseAnswer(script)
        const { tag } = yield* placeOne()
        script.orderList.length = 0
        yield* setClock(Duration.minutes(minutes))
        const follow = yield* makeFollowBroker
        yield* follow
        assert.strictEqual((yield* theSlice).stage, stage)
        script.orderList.push(openOrder(tag, 7))
        yield* TestClock.adjust("1 minute")
        yield* follow
        assert.deepInclude(yield* theSlice, { stage: "PROCESSED", brokerOrderId: "b7" })
        assert.deepStrictEqual(yield* claim(9), [])
        assert.strictEqual(script.placed.length, 1)
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("raises the alarm and puts the order on hold when other slices have replaced its slice", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        const db = yield* Db
        script.onPlace = acceptAndLoseAnswer(script)
        const { tag, orderId } = yield* placeOne()
        script.orderList.length = 0
        yield* setClock(Duration.minutes(1.1))
        const follow = yield* makeFollowBroker
        yield* follow
        yield* db.execute("test.replace", db.sql`UPDATE order_slices SET stage = 'SKIPPED', replaced_by = 2`)
        script.orderList.push(openOrder(tag, 7))
        for (let pass = 0; pass < 3; pass++) {
          yield* TestClock.adjust("1 minute")
          yield* follow
        }
        assert.strictEqual((yield* theSlice).stage, "SKIPPED")
        assert.strictEqual(about(lines, "DOUBLE PLACEMENT: the broker has b7"), 1)
        const commands = yield* OrderCommands
        const holdReason = Effect.map(commands.progress(orderId), (order) => Option.getOrThrow(order).holdReason)
        assert.include((yield* holdReason) ?? "", "stand in for it")
        // Another replica, and this one restarted after a person resumed the order, repeat nothing.
        yield* Effect.flatten(makeFollowBroker)
        yield* commands.resume(orderId, asked, yield* DateTime.now)
        yield* Effect.flatten(makeFollowBroker)
        assert.strictEqual(about(lines, "DOUBLE PLACEMENT: the broker has b7"), 1)
        assert.isNull(yield* holdReason)
        // A second broker order for the slice raises the alarm again.
        script.orderList.push(openOrder(tag, 8))
        yield* Effect.flatten(makeFollowBroker)
        assert.strictEqual(about(lines, "DOUBLE PLACEMENT: the broker has 2 orders with tag"), 1)
        assert.include((yield* holdReason) ?? "", "2 orders with tag")
      })
    ).pipe(Effect.provide(service))
  )
})

describe("cancels", () => {
  const many = SliceCommands.layer.pipe(
    Layer.provideMerge(
      serviceLayer({
        broker: scriptedBroker,
        environment: {
          BROKER_TYPE: "zerodha",
          ZERODHA_API_KEY: "k",
          ZERODHA_ORDERS_PER_SECOND: "2",
          TRADING_CALENDAR: "off"
        }
      })
    )
  )
  const cancelAll = Effect.gen(function* () {
    yield* placeOne({ num_splits: 25, duration_minutes: 0 })
    yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
  })

  it.effect("are sent a few at a time, with a look-up in between, and never for a finished order", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* cancelAll
      const follow = yield* makeFollowBroker
      yield* follow
      assert.strictEqual(script.cancelled.length, 10)
      const open = script.orderList.filter(({ brokerOrderId }) => !script.cancelled.includes(brokerOrderId))
      const [finished, ...others] = open
      for (const order of [finished ?? assert.fail(), ...script.orderList.filter((each) => !open.includes(each))])
        script.orderList[script.orderList.indexOf(order)] = { ...order, status: "CANCELLED" }
      yield* follow
      assert.strictEqual(script.cancelled.length, 20)
      yield* follow
      assert.sameMembers(
        script.cancelled.slice(10),
        others.map(({ brokerOrderId }) => brokerOrderId)
      )
    }).pipe(Effect.provide(many))
  )

  it.effect("are sent once while the order list cannot be read", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* placeOne()
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      script.onFind = orderListIsDown
      const follow = yield* makeFollowBroker
      for (let pass = 0; pass < 3; pass++) {
        yield* follow
        yield* TestClock.adjust("16 seconds")
      }
      assert.deepStrictEqual(script.cancelled, ["b1"])
    }).pipe(Effect.provide(service))
  )

  it.effect("are in the audit trail as soon as they are answered", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const { sql } = yield* Db
      yield* cancelAll
      let seen = 0
      script.onCancel = (id) =>
        id === script.cancelled[9]
          ? Effect.gen(function* () {
              // By the last cancel of this pass the others must be written.
              yield* Effect.repeat(
                Effect.tap(sql`SELECT 1 FROM broker_events WHERE call = 'cancel'`, (rows) =>
                  Effect.sync(() => {
                    seen = rows.length
                  })
                ),
                { until: (rows) => rows.length === 9 }
              ).pipe(Effect.orDie)
            })
          : Effect.void
      yield* Effect.flatten(makeFollowBroker)
      assert.strictEqual(seen, 9)
    }).pipe(Effect.provide(many))
  )
})

describe("an order list that cannot be read", () => {
  it.effect("is logged once as an error after two minutes, and blocks the worker until it can be read again", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        const reported: Array<string | null> = []
        const status = WorkerStatus.of({
          ...(yield* WorkerStatus),
          blocked: (worker, reason) =>
            Effect.sync(() => void reported.push(reason === null ? null : `${worker}: ${reason}`))
        })
        const follow = yield* Effect.provideService(makeFollowBroker, WorkerStatus, status)
        yield* placeOne()
        const { onFind } = script
        script.onFind = orderListIsDown
        for (let pass = 0; pass < 8; pass++) {
          yield* follow
          yield* TestClock.adjust("20 seconds")
        }
        assert.strictEqual(about(lines, '"level":"ERROR"'), 1)
        assert.deepStrictEqual(reported, [
          "monitor: the broker's order list cannot be read since 1970-01-01T00:00:00.000Z (try_later)"
        ])
        script.onFind = onFind
        yield* follow
        assert.isNull(reported.at(-1))
      })
    ).pipe(Effect.provide(service))
  )
})
