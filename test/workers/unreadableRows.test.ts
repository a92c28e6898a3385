import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import type { BrokerOrder, UnreadableOrder } from "../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import {
  acceptAndLoseAnswer,
  BrokerScript,
  completed,
  openOrder,
  scriptedBroker,
  type Script
} from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const placeDue = Effect.gen(function* () {
  const now = yield* DateTime.now
  const slices = yield* SliceStore
  const place = yield* makePlace
  const claimed = yield* slices.claimDue({
    now,
    horizon: now,
    leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
    owner: "owner",
    limit: 1000
  })
  for (const slice of claimed) {
    const { transition, event } = yield* place(slice)
    yield* slices.transition([transition], event === null ? [] : [event])
  }
  return claimed
})

/** One order of `count` slices of 10, split and placed at the start. */
const placeSlices = (count: number) =>
  Effect.gen(function* () {
    yield* setClock()
    yield* insertOrder("o1", { num_splits: count, total_quantity: count * 10, duration_minutes: 0 })
    yield* Effect.flatten(makeSplitPending)
    return yield* placeDue
  })

/** Lists the order with this number as Kite's reader reports a row that it cannot read. */
const makeOdd = (script: Script, number: number, changed: Partial<UnreadableOrder> = {}) => {
  script.onFind = (tags) =>
    Effect.sync(() => {
      const asked = script.orderList.filter(({ tag }) => tags.has(tag))
      const isOdd = ({ brokerOrderId }: BrokerOrder) => brokerOrderId === `b${number}`
      return {
        orders: asked.filter((order) => !isOdd(order)),
        unreadable: asked.filter(isOdd).map(({ tag, brokerOrderId }) => ({
          tag,
          brokerOrderId,
          isCertain: true,
          problem: "filled_quantity is 3000000000",
          ...changed
        }))
      }
    })
}

const logged = <A, E, R>(effect: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const capture = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
  return Effect.provide(effect(lines), capture)
}
const about = (lines: ReadonlyArray<string>, text: string) => lines.filter((line) => line.includes(text))

const statuses = Effect.map(sliceRows(), (rows) =>
  Object.fromEntries(rows.map(({ brokerOrderId, brokerStatus }) => [brokerOrderId, brokerStatus]))
)

describe("a row of the order list that cannot be read", () => {
  it.effect(
    "costs its own slice only: nine of ten get their states, all cancels are sent, and one warning is given",
    () =>
      logged((lines) =>
        Effect.gen(function* () {
          const script = yield* BrokerScript
          yield* placeSlices(10)
          yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
          for (const [index, order] of script.orderList.entries()) {
            if (index > 4) script.orderList[index] = completed(order, 10)
          }
          makeOdd(script, 3)
          const follow = yield* makeFollowBroker
          for (let pass = 0; pass < 3; pass++) {
            yield* follow
            yield* TestClock.adjust("5 seconds")
          }
          const expected = Array.from({ length: 10 }, (_, index) => [
            `b${index + 1}`,
            index === 2 ? null : index > 4 ? "COMPLETE" : "OPEN"
          ])
          assert.deepStrictEqual(yield* statuses, Object.fromEntries(expected))
          assert.sameMembers(
            script.cancelled,
            ["b1", "b2", "b3", "b4", "b5"].map((id) => BrokerOrderId.make(id))
          )

          const [warning = "", ...more] = about(lines, "cannot be read")
          assert.deepStrictEqual(more, [])
          const odd = (yield* sliceRows()).find(({ brokerOrderId }) => brokerOrderId === "b3")
          for (const told of ["WARN", odd?.id ?? "no slice", "o1", "b3", "filled_quantity is 3000000000"]) {
            assert.include(warning, told)
          }

          // It is told of again only if it was readable in between, and the slice gets its state then.
          script.onFind = (tags) =>
            Effect.sync(() => ({ orders: script.orderList.filter(({ tag }) => tags.has(tag)), unreadable: [] }))
          yield* follow
          assert.strictEqual((yield* statuses).b3, "OPEN")
          makeOdd(script, 3)
          yield* follow
          assert.lengthOf(about(lines, "that cannot be read"), 2)
        })
      ).pipe(Effect.provide(service))
  )

  it.effect("has its cancel sent once, because its effect is not known", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* placeSlices(2)
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      makeOdd(script, 1)
      const follow = yield* makeFollowBroker
      for (let pass = 0; pass < 3; pass++) {
        yield* follow
        yield* TestClock.adjust("31 seconds")
      }
      assert.deepStrictEqual(
        script.cancelled.toSorted((a, b) => a.localeCompare(b)),
        ["b1", "b2", "b2", "b2"].map((id) => BrokerOrderId.make(id))
      )
    }).pipe(Effect.provide(service))
  )

  for (const changed of [{}, { isCertain: false, brokerOrderId: null }]) {
    it.effect(`keeps its slice in doubt, while others are reconciled: ${JSON.stringify(changed)}`, () =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        script.onPlace = acceptAndLoseAnswer(script)
        const placed = yield* placeSlices(3)
        script.orderList.length = 2
        makeOdd(script, 1, changed)
        const follow = yield* makeFollowBroker
        yield* setClock(Duration.minutes(5))
        yield* follow
        const stages = Effect.map(sliceRows(), (rows) =>
          placed.map(({ id }) => rows.find((row) => row.id === id)?.stage)
        )
        assert.deepStrictEqual(yield* stages, ["IN_PROGRESS", "PROCESSED", "SCHEDULED"])
        // Later than its window and its attempts allow, it still is not known whether it was placed.
        yield* setClock(Duration.hours(5))
        yield* follow
        assert.strictEqual((yield* stages)[0], "IN_PROGRESS")
        makeOdd(script, 99)
        yield* follow
        assert.strictEqual((yield* stages)[0], "PROCESSED")
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("is no order that has left the order list", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        yield* placeSlices(2)
        script.orderListSince = DateTime.makeUnsafe(86_400_000)
        script.orderList.length = 1
        makeOdd(script, 1)
        yield* setClock(Duration.days(1.2))
        yield* Effect.flatten(makeFollowBroker)
        const left = about(lines, "cannot show what became of")
        assert.lengthOf(left, 1)
        assert.include(left[0], "what became of b2")
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("is taken over by a slice that would be placed a second time", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onPlace = acceptAndLoseAnswer(script)
      yield* placeSlices(2)
      const list = [...script.orderList]
      script.orderList.length = 0
      yield* setClock(Duration.minutes(1.1))
      const follow = yield* makeFollowBroker
      yield* follow
      script.orderList.push(...list)
      // The tag of the first only occurs somewhere in a row, which proves nothing.
      script.onFind = () =>
        Effect.succeed({
          orders: [],
          unreadable: list.map(({ tag, brokerOrderId }, index) => ({
            tag,
            brokerOrderId,
            isCertain: index === 1,
            problem: "it is odd"
          }))
        })
      yield* TestClock.adjust("1 minute")
      yield* follow
      const rows = yield* sliceRows()
      assert.sameMembers(
        rows.map(({ stage, brokerOrderId, brokerStatus }) => `${stage} ${brokerOrderId} ${brokerStatus}`),
        ["SCHEDULED null null", "PROCESSED b2 UNRECOGNISED"]
      )
    }).pipe(Effect.provide(service))
  )

  for (const [what, brokerOrderId] of [
    ["tells another order", "b9"],
    ["does not tell its order", null]
  ] as const) {
    it.effect(`raises the alarm for a double placement if it ${what} beside a readable one`, () =>
      logged((lines) =>
        Effect.gen(function* () {
          const script = yield* BrokerScript
          const [slice] = yield* placeSlices(1)
          const { tag } = slice ?? assert.fail("nothing was placed")
          const isOwn = brokerOrderId !== null
          const odd = {
            tag,
            brokerOrderId: isOwn ? BrokerOrderId.make(brokerOrderId) : null,
            isCertain: true,
            problem: "it is odd"
          }
          // Without an id in the odd row, the readable one is another order than the one that was acknowledged.
          script.onFind = () => Effect.succeed({ orders: [openOrder(tag, isOwn ? 1 : 2)], unreadable: [odd] })
          yield* Effect.flatten(makeFollowBroker)
          assert.lengthOf(about(lines, "DOUBLE PLACEMENT: the broker has 2 orders"), 1)
          script.onFind = () =>
            Effect.succeed({
              orders: [openOrder(tag, 1)],
              unreadable: [{ ...odd, brokerOrderId: BrokerOrderId.make("b1") }]
            })
          yield* Effect.flatten(makeFollowBroker)
          assert.lengthOf(about(lines, "DOUBLE PLACEMENT"), 1)
        })
      ).pipe(Effect.provide(service))
    )
  }

  it.effect("is told of as an error that blocks the worker, if for two minutes no row of ours can be read", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        yield* placeSlices(1)
        makeOdd(script, 1)
        const follow = yield* makeFollowBroker
        for (let pass = 0; pass < 8; pass++) {
          yield* follow
          yield* TestClock.adjust("20 seconds")
        }
        assert.lengthOf(about(lines, '"level":"ERROR"'), 1)
        assert.lengthOf(about(lines, "cannot be read since 1970-01-01T00:00:00.000Z (every row of ours)"), 1)
      })
    ).pipe(Effect.provide(service))
  )
})

describe("a state that the database does not take", () => {
  const absurd = [
    { filledQuantity: 3_000_000_000 },
    { averagePrice: BigDecimal.fromStringUnsafe("1e300"), filledQuantity: 10 }
  ]
  for (const changed of absurd) {
    it.effect(`keeps no other slice from getting its state: ${JSON.stringify(changed)}`, () =>
      logged((lines) =>
        Effect.gen(function* () {
          const script = yield* BrokerScript
          const lose = acceptAndLoseAnswer(script)
          const { onPlace } = script
          script.onPlace = (placement) => (script.orderList.length === 7 ? lose(placement) : onPlace(placement))
          const placed = yield* placeSlices(10)
          yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
          // The fifth was acknowledged, the eighth lost its answer.
          for (const index of [4, 7]) {
            const order = script.orderList[index] ?? assert.fail()
            script.orderList[index] = { ...order, ...changed }
          }
          const follow = yield* makeFollowBroker
          yield* follow
          yield* follow
          const rows = yield* sliceRows()
          assert.deepStrictEqual(
            placed.map(({ id }) => {
              const row = rows.find((each) => each.id === id)
              return `${row?.stage} ${row?.brokerStatus}`
            }),
            placed.map((_, index) =>
              index === 4 ? "PROCESSED null" : index === 7 ? "IN_PROGRESS null" : "PROCESSED OPEN"
            )
          )
          assert.lengthOf(script.cancelled, 9)
          for (const index of [4, 7]) {
            const told = about(lines, "The database does not take")
            assert.isTrue(
              told.some((line) => line.includes(placed[index]?.id ?? "no slice")),
              told.join("\n")
            )
          }
        })
      ).pipe(Effect.provide(service))
    )
  }
})
