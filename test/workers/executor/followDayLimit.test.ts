import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { mockInstruments } from "../../../src/broker/mock/mockInstruments.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { Db } from "../../../src/db/Db.ts"
import { DayTotalStore } from "../../../src/stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../../../src/stores/account/InstrumentStore.ts"
import { QuoteStore } from "../../../src/stores/account/QuoteStore.ts"
import { makeSplitPending } from "../../../src/workers/OrderSplitter.ts"
import { SliceExecutor } from "../../../src/workers/SliceExecutor.ts"
import { memoryService, MemoryStore, sliceDueAt } from "../../support/memoryStores.ts"
import { BrokerScript, scriptedBroker } from "../../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, setClock, sliceRows, start } from "../../support/service.ts"

const limited = (environment: Readonly<Record<string, string>>) => serviceLayer({ broker: scriptedBroker, environment })

const many = (count: number) => Array.from({ length: count }, (_, index) => `o${index}`)
const limitAt = (price: string) => ({ order_type: "LIMIT", limit_price: price })

const ordersNow = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.orders",
    Schema.Struct({
      id: Schema.String,
      status: Schema.String,
      reason: Schema.NullOr(Schema.String),
      price: Schema.NullOr(Schema.String)
    }),
    sql`
      SELECT id, order_queue_status AS status, status_reason AS reason, reference_price::text AS price
      FROM orders ORDER BY created_at, id`
  )
)

describe("the limits of the day", () => {
  it.effect("are kept by splitters that add orders at the same moment", () =>
    Effect.gen(function* () {
      yield* setClock()
      for (const id of many(24)) yield* insertOrder(id)
      // Given: each of eight replicas gets three orders, so that all are written at the same time.
      const splitters = yield* Effect.forEach(many(8), () => makeSplitPending)
      yield* Effect.all(splitters, { concurrency: "unbounded" })
      const all = yield* ordersNow
      assert.lengthOf(
        all.filter(({ status }) => status === "DONE"),
        7
      )
      const failed = all.filter(({ status }) => status === "FAILED")
      assert.lengthOf(failed, 17)
      for (const { reason } of failed) {
        assert.strictEqual(reason, "it would be order 8 of the day, and LIMIT_ORDERS_PER_DAY is 7")
      }
      assert.lengthOf(yield* sliceRows(), 7 * 5)
    }).pipe(
      Effect.provide(limited({ LIMIT_ORDERS_PER_DAY: "7", ORDER_SPLITTER_BATCH_SIZE: "3", DATABASE_POOL_SIZE: "20" }))
    )
  )

  it.effect("on value admit what still fits, count earlier orders, and start again at midnight in India", () =>
    Effect.gen(function* () {
      const split = Effect.flatten(makeSplitPending)
      yield* setClock("18 hours")
      yield* insertOrder("a", { ...limitAt("100.05"), created_at: new Date(18 * 3_600_000) })
      yield* split
      yield* insertOrder("b", { ...limitAt("99.96"), created_at: new Date(18 * 3_600_000 + 1) })
      yield* insertOrder("c", { ...limitAt("99.95"), created_at: new Date(18 * 3_600_000 + 2) })
      yield* split
      assert.deepStrictEqual(
        (yield* ordersNow).map(({ status }) => status),
        ["DONE", "FAILED", "DONE"]
      )
      assert.strictEqual(
        (yield* orderRow("b")).statusReason,
        "the day's orders would come to 20001, above LIMIT_VALUE_PER_DAY (20000)"
      )
      yield* setClock("1110 minutes")
      yield* insertOrder("d", { ...limitAt("200"), created_at: new Date(18.5 * 3_600_000) })
      yield* split
      assert.strictEqual((yield* orderRow("d")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(limited({ LIMIT_VALUE_PER_DAY: "20000" })))
  )

  it.effect("value a MARKET order by the price known at its split, and refuse one without", () =>
    Effect.gen(function* () {
      yield* setClock("10 minutes")
      const quotes = yield* QuoteStore
      const instruments = yield* InstrumentStore
      const listed = mockInstruments.map((details) =>
        details.instrument === "NSE:INFY" ? { ...details, lastPrice: BigDecimal.fromStringUnsafe("50.5") } : details
      )
      yield* instruments.replaceAll("mock", listed, yield* DateTime.now)
      const saved = (instrument: (typeof listed)[number]["instrument"], price: string, secondsAgo: number) =>
        Effect.flatMap(DateTime.now, (now) =>
          quotes.save(
            "test",
            [{ instrument, lastPrice: BigDecimal.fromStringUnsafe(price), dayVolume: null }],
            DateTime.subtract(now, { seconds: secondsAgo })
          )
        )
      for (const { instrument } of listed) {
        if (instrument === "NSE:RELIANCE") yield* saved(instrument, "100.123456", 60)
        if (instrument === "NSE:INFY" || instrument === "NSE:TCS") yield* saved(instrument, "1", 61)
      }
      yield* insertOrder("fresh")
      yield* insertOrder("listed", { instrument: "NSE:INFY" })
      yield* insertOrder("unknown", { instrument: "NSE:TCS" })
      yield* Effect.flatten(makeSplitPending)
      assert.deepStrictEqual(
        (yield* ordersNow).map(({ id, status, price }) => [id, status, price]),
        [
          ["fresh", "DONE", "100.1235"],
          ["listed", "DONE", "50.5000"],
          ["unknown", "FAILED", null]
        ]
      )
      assert.match((yield* orderRow("unknown")).statusReason ?? "", /^no price of its instrument is known/)
      yield* insertOrder("more", { instrument: "NSE:INFY", total_quantity: 99 })
      yield* Effect.flatten(makeSplitPending)
      assert.match((yield* orderRow("more")).statusReason ?? "", /would come to 20061.85, above/)
    }).pipe(Effect.provide(limited({ LIMIT_VALUE_PER_DAY: "20000" })))
  )

  it.effect("do not count FAILED and SKIPPED orders", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("bad", { side: "HOLD" })
      yield* insertOrder("gone", { cancel_requested_at: DateTime.toDateUtc(start) })
      yield* insertOrder("good")
      yield* Effect.flatten(makeSplitPending)
      assert.deepStrictEqual(
        (yield* ordersNow).map(({ id, status }) => [id, status]),
        [
          ["bad", "FAILED"],
          ["gone", "SKIPPED"],
          ["good", "DONE"]
        ]
      )
    }).pipe(Effect.provide(limited({ LIMIT_ORDERS_PER_DAY: "1" })))
  )

  it.effect("do not count orders that another program has inserted as DONE, whatever their columns hold", () =>
    Effect.gen(function* () {
      yield* setClock()
      const done = { order_queue_status: "DONE", split_at: DateTime.toDateUtc(start), order_type: "LIMIT" }
      yield* insertOrder("nan", { ...done, limit_price: "NaN" })
      yield* insertOrder("negative", { ...done, limit_price: "1", total_quantity: -2_147_483_648 })
      yield* insertOrder("good", { order_type: "LIMIT", limit_price: "5" })
      yield* insertOrder("too much", { order_type: "LIMIT", limit_price: "6" })
      yield* Effect.flatten(makeSplitPending)
      assert.deepStrictEqual(
        (yield* ordersNow).map(({ id, status }) => [id, status]),
        [
          ["good", "DONE"],
          ["nan", "DONE"],
          ["negative", "DONE"],
          ["too much", "FAILED"]
        ]
      )
      const { orders, value } = yield* (yield* DayTotalStore).totals(start)
      assert.deepStrictEqual([orders, BigDecimal.format(value)], [1, "500"])
    }).pipe(Effect.provide(limited({ LIMIT_VALUE_PER_DAY: "1000" })))
  )
})

describe("a day above its limit", () => {
  it.effect("closes the placement gate with the reason, until the day is within it again", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      const gate = yield* PlacementGate
      const { placed } = yield* BrokerScript
      memory.day = { ...memory.day, orders: 2 }
      memory.scheduled.push(sliceDueAt(500), sliceDueAt(2500))
      yield* Effect.forkChild(SliceExecutor, { startImmediately: true })
      yield* TestClock.adjust("1100 millis")
      assert.lengthOf(placed, 1)
      memory.day = { ...memory.day, orders: 3 }
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* gate.current, {
        kind: "day",
        reason:
          "the 3 orders of the day are more than LIMIT_ORDERS_PER_DAY (2); raise it, or wait for tomorrow in India"
      })
      assert.lengthOf(placed, 1)
      assert.deepInclude(memory.written[1]?.next, { _tag: "Rescheduled" })
      memory.day = { ...memory.day, orders: 0 }
      memory.scheduled.push(sliceDueAt(2500))
      yield* TestClock.adjust("2 seconds")
      assert.isNull(yield* gate.current)
      assert.lengthOf(placed, 2)
    }).pipe(Effect.provide(memoryService({ LIMIT_ORDERS_PER_DAY: "2" })))
  )

  it.effect("cannot exist without a limit", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore
      memory.day = { ...memory.day, orders: 1_000_000 }
      memory.scheduled.push(sliceDueAt(500))
      yield* Effect.forkChild(SliceExecutor, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.lengthOf((yield* BrokerScript).placed, 1)
    }).pipe(Effect.provide(memoryService()))
  )
})
