import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { Db } from "../../../src/db/Db.ts"
import { BrokerTryLater } from "../../../src/domain/model/BrokerError.ts"
import { BrokerOrderId, OrderId, sliceIdOf, Tag, tagOf } from "../../../src/domain/model/Ids.ts"
import { HaltStore } from "../../../src/stores/operations/HaltStore.ts"
import { makeReportFenced } from "../../../src/workers/executor/reportFenced.ts"
import { makeSettleHistory } from "../../../src/workers/monitor/settleHistory.ts"
import { ServerHistory, ServerHistoryLayer } from "../../../src/workers/supervision/ServerHistory.ts"
import { failOver, position, waitForAll } from "../../support/history.ts"
import { at, claimDue, move, splitOrder } from "../../support/replanning.ts"
import { BrokerScript, completed, openOrder, scriptedBroker } from "../../support/scriptedBroker.ts"
import { serviceLayer, sliceRows } from "../../support/service.ts"

const serviceWith = (environment: Readonly<Record<string, string>> = {}) =>
  ServerHistoryLayer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker, environment })))
const service = serviceWith()

/** A look of this daemon at the server. */
const look = (isHistorySettled: boolean) =>
  Effect.gen(function* () {
    yield* (yield* ServerHistory).follow({ ...(yield* position), isHistorySettled })
    return (yield* (yield* PlacementGate).current)?.kind ?? null
  })

/** The standby has the slices, and nothing of their claims and outcomes. */
const forgetClaims = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute("test.forget", sql`UPDATE slice_queue SET claim = 0, version = 0, is_held = false`)
  yield* failOver
})

const settled = Effect.flatten(makeSettleHistory)
const halt = Effect.flatMap(HaltStore, ({ current }) => Effect.map(current, Option.getOrNull))
const stages = Effect.map(sliceRows("o1"), (rows) => rows.map(({ stage }) => stage))
const holdReason = Effect.gen(function* () {
  const { sql } = yield* Db
  const [row] = yield* sql<{
    readonly code: string | null
  }>`SELECT hold_reason_code AS code FROM orders WHERE id = 'o1'`
  return row?.code ?? null
})
const number = (sequence: number) => tagOf(sliceIdOf(OrderId.make("o1"), sequence))

/** A fail-over of a database that was last seen settled then, until all that was sent before it must have arrived. */
const failOverLastSeen = (seenAt: string) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    yield* execute("test.seen", sql`UPDATE server_history SET seen_at = ${seenAt}::timestamptz`)
    yield* failOver
    yield* look(false)
    yield* waitForAll
  })

describe("settling the history", () => {
  it.effect("waits, takes over what the broker has, and goes on by itself", () =>
    Effect.gen(function* () {
      const { orderList } = yield* BrokerScript
      yield* splitOrder("o1")
      yield* at(15)
      assert.isNull(yield* look(true))
      assert.lengthOf(yield* claimDue(), 2)
      orderList.push(completed(openOrder(number(1), 1), 20), openOrder(number(2), 2), openOrder(Tag.make("FOREIGN"), 3))
      yield* forgetClaims
      assert.strictEqual(yield* look(false), "history")
      yield* settled
      assert.isEmpty(yield* claimDue(), "it waits")
      yield* waitForAll
      yield* settled
      assert.deepStrictEqual(
        (yield* sliceRows("o1")).map(({ brokerOrderId, brokerStatus }) => [brokerOrderId, brokerStatus]),
        [
          // The next look at the list says what they are, and who has made them that.
          ["b1", "UNRECOGNISED"],
          ["b2", "UNRECOGNISED"],
          [null, null],
          [null, null],
          [null, null]
        ]
      )
      assert.isNull(yield* halt)
      assert.isNull(yield* look(true))
      yield* at(30)
      assert.lengthOf(yield* claimDue(), 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("stays unsettled while the order list cannot be read", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* splitOrder("o1")
      yield* failOver
      yield* look(false)
      yield* waitForAll
      const { onFind } = script
      script.onFind = () =>
        Effect.flatMap(DateTime.now, (retryAt) =>
          Effect.fail(new BrokerTryLater({ code: "503", message: "away", retryAt }))
        )
      yield* settled
      assert.isEmpty(yield* claimDue())
      script.onFind = onFind
      yield* settled
      assert.lengthOf(yield* claimDue(), 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("halts for what a person has to look at: doubles, and orders without a slice", () =>
    Effect.gen(function* () {
      const { orderList } = yield* BrokerScript
      yield* splitOrder("o1")
      orderList.push(openOrder(number(1), 1), openOrder(number(1), 2), openOrder(number(9), 3))
      yield* failOver
      yield* look(false)
      yield* waitForAll
      yield* settled
      const { isHalted = false, reason = "" } = (yield* halt) ?? {}
      assert.isTrue(isHalted)
      assert.include(reason, "1 slice placed twice; 1 broker order of ours without any slice")
      assert.strictEqual(yield* holdReason, "double_placement")
    }).pipe(Effect.provide(service))
  )

  it.effect("halts if slices may have been placed before the order list of today began", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* splitOrder("o1")
      yield* at(15)
      yield* failOverLastSeen("1970-01-01T00:00:20Z")
      // Two slices were due by then, and no list shows what became of them.
      script.orderListSince = DateTime.makeUnsafe(29_000)
      yield* settled
      assert.include((yield* halt)?.reason ?? "", "2 slices due before the broker's order list begins")
    }).pipe(Effect.provide(service))
  )

  it.effect("goes on over a night in which nothing was due", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* at(15)
      yield* failOverLastSeen("epoch")
      script.orderListSince = DateTime.makeUnsafe(10_000)
      yield* settled
      assert.isNull(yield* halt)
      assert.isNull(yield* look(true))
    }).pipe(Effect.provide(service))
  )

  it.effect("halts in any case if it is told to", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* failOver
      yield* look(false)
      yield* waitForAll
      yield* settled
      assert.include((yield* halt)?.reason ?? "", "AFTER_DATABASE_LOSS")
    }).pipe(Effect.provide(serviceWith({ AFTER_DATABASE_LOSS: "halt" })))
  )

  it.effect("begins again for a server that has less than this daemon has seen, whatever its row says", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const now = yield* position
      const history = yield* ServerHistory
      yield* history.follow({ ...now, logPosition: now.logPosition + 1e9, isHistorySettled: true })
      assert.strictEqual(yield* look(true), "history")
      assert.isEmpty(yield* claimDue(), "no daemon claims")
      yield* waitForAll
      yield* settled
      assert.isNull(yield* look(true))
      assert.lengthOf(yield* claimDue(), 1)
    }).pipe(Effect.provide(service))
  )
})

describe("an acknowledgement that the fence kept out", () => {
  const acknowledged = BrokerOrderId.make("b7")

  it.effect("is taken over by a slice without a broker order, also from somebody who has claimed it", () =>
    Effect.gen(function* () {
      const reportFenced = yield* makeReportFenced
      yield* splitOrder("o1")
      yield* at(15)
      const [first = assert.fail(), second = assert.fail()] = yield* claimDue()
      yield* forgetClaims
      yield* reportFenced(first, acknowledged)
      const { sql, execute } = yield* Db
      yield* execute(
        "test.settle",
        sql`UPDATE server_history SET timeline = (SELECT timeline FROM server_history_now())`
      )
      assert.lengthOf(yield* claimDue(), 1)
      yield* reportFenced(second, BrokerOrderId.make("b8"))
      assert.deepStrictEqual((yield* stages).slice(0, 2), ["PROCESSED", "PROCESSED"])
      assert.isNull(yield* holdReason)
    }).pipe(Effect.provide(service))
  )

  it.effect("is a double placement if the slice has another one, and nothing if it has this one", () =>
    Effect.gen(function* () {
      const reportFenced = yield* makeReportFenced
      yield* splitOrder("o1")
      const [slice = assert.fail()] = yield* claimDue()
      yield* move([slice], () => ({ _tag: "Processed", brokerOrderId: acknowledged, found: null }))
      yield* reportFenced(slice, acknowledged)
      assert.isNull(yield* holdReason)
      yield* reportFenced(slice, BrokerOrderId.make("b8"))
      assert.strictEqual(yield* holdReason, "double_placement")
    }).pipe(Effect.provide(service))
  )

  it.effect("is remembered for a slice that the database does not have any more", () =>
    Effect.gen(function* () {
      const reportFenced = yield* makeReportFenced
      yield* splitOrder("o1")
      const [slice = assert.fail()] = yield* claimDue()
      const { sql, execute } = yield* Db
      for (const table of ["slice_queue", "slice_plan", "order_plans", "orders"]) {
        yield* execute("test.forget", sql`DELETE FROM ${sql(table)}`)
      }
      yield* reportFenced(slice, acknowledged)
      yield* splitOrder("o1")
      assert.deepStrictEqual((yield* stages).slice(0, 2), ["PROCESSED", "SCHEDULED"])
      assert.strictEqual(yield* holdReason, "orphaned_orders")
    }).pipe(Effect.provide(service))
  )
})
