import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Latch, Layer, Option, Schema } from "effect"
import { mockInstruments } from "../../src/broker/mock/mockInstruments.ts"
import { Db } from "../../src/db/Db.ts"
import { DbError } from "../../src/db/DbError.ts"
import { instant } from "../../src/db/parameters.ts"
import { Wakeups } from "../../src/db/Wakeups.ts"
import { OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { because } from "../../src/domain/model/reason.ts"
import type { OrderPlan } from "../../src/domain/planning/planOrder.ts"
import { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { makeSweep } from "../../src/workers/monitor/sweep.ts"
import { makeSplitPending, OrderSplitter } from "../../src/workers/OrderSplitter.ts"
import { WorkerStatus } from "../../src/workers/supervision/WorkerStatus.ts"
import { databaseIsDown } from "../support/memoryStores.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, orderRow, serviceLayer, setClock, sliceRows, start } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker, environment: { ORDER_SPLITTER_BATCH_SIZE: "50" } })
const windowGrace = Duration.minutes(10)

const onlyPlan: OrderPlan = {
  orderId: OrderId.make("o1"),
  revision: 1,
  firstSequence: 1,
  input: {
    seed: "s",
    totalQuantity: 100,
    lotSize: 1,
    numSlices: 1,
    windowMillis: 60_000,
    randomize: false,
    curve: { _tag: "Even" },
    leastGapMillis: 0,
    hiding: "tight",
    largestSlice: null
  },
  startsAt: start,
  endMillis: 60_000,
  completeMillis: null,
  market: null,
  sessions: null,
  orderType: "MARKET",
  limitPrice: null,
  cause: "SPLIT",
  note: null,
  slices: [
    { id: SliceId.make("s1"), tag: Tag.make("T1"), sequenceNumber: 1, quantity: 100, offsetMillis: 0, dueMillis: 0 }
  ]
}
const unsplit = {
  plan: onlyPlan,
  instrument: Instrument.make("NSE:RELIANCE"),
  side: "BUY",
  referencePrice: null,
  value: null
} as const

const splitPending = Effect.flatten(makeSplitPending)

const isOutdated = new DbError({ operation: "test", message: "no table", isTransient: false, sqlState: "42P01" })

const claimAs = (owner: string) =>
  Effect.gen(function* () {
    const orders = yield* OrderStore
    return yield* orders.claimPending({ now: yield* DateTime.now, owner, limit: 10, windowGrace, knownUntil: null })
  })

describe("OrderSplitter", () => {
  it.effect("makes a PENDING order DONE, with slices due from the start to the end of its window", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { total_quantity: 103, num_splits: 5, duration_minutes: 1 })
      assert.strictEqual(yield* splitPending, 1)

      assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, "DONE")
      const slices = yield* sliceRows("o1")
      assert.deepStrictEqual(
        slices.map((slice) => [slice.sequenceNumber, slice.quantity, slice.dueMillis, slice.stage]),
        [
          [1, 20, 0, "SCHEDULED"],
          [2, 21, 15_000, "SCHEDULED"],
          [3, 20, 30_000, "SCHEDULED"],
          [4, 21, 45_000, "SCHEDULED"],
          [5, 21, 60_000, "SCHEDULED"]
        ]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("with Zerodha, refuses slices above the freeze limit, and says how many slices would fit", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("big", { total_quantity: 250_000, num_splits: 2 })
      yield* insertOrder("fits", { total_quantity: 200_000, num_splits: 2 })
      yield* splitPending
      const { orderQueueStatus, statusReason } = yield* orderRow("big")
      assert.strictEqual(orderQueueStatus, "FAILED")
      assert.include(
        statusReason,
        "2 slices of at most 100000 do not hold 250000; 3 slices or more would fit (100000 is the exchange's freeze limit"
      )
      assert.strictEqual((yield* orderRow("fits")).orderQueueStatus, "DONE")
    }).pipe(
      Effect.provide(
        serviceLayer({
          broker: scriptedBroker,
          environment: { BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key", TRADING_CALENDAR: "off" }
        })
      )
    )
  )

  it.effect("applies lots and ticks once instruments are synced, and refuses unlisted instruments", () =>
    Effect.gen(function* () {
      yield* setClock()
      const instruments = yield* InstrumentStore
      yield* instruments.replaceAll("mock", mockInstruments, yield* DateTime.now)
      const limit = { order_type: "LIMIT", limit_price: "100.07" }
      yield* insertOrder("future", { instrument: "NFO:NIFTY99DECFUT", total_quantity: 650, num_splits: 3, ...limit })
      yield* insertOrder("odd", { instrument: "NFO:NIFTY99DECFUT", total_quantity: 100, num_splits: 1 })
      yield* insertOrder("unknown", { instrument: "NSE:RELIANC" })
      yield* splitPending
      const { sql, query } = yield* Db
      assert.deepStrictEqual(
        yield* query(
          "test.prices",
          Schema.Struct({ quantity: Schema.Int, price: Schema.String }),
          sql`SELECT quantity, limit_price::text AS price FROM order_slices ORDER BY sequence_number`
        ),
        [
          { quantity: 195, price: "100.0500" },
          { quantity: 195, price: "100.0500" },
          { quantity: 260, price: "100.0500" }
        ]
      )
      assert.include((yield* orderRow("odd")).statusReason, "not a multiple of the lot of 65; 65 or 130 would fit")
      assert.include(
        (yield* orderRow("unknown")).statusReason,
        "the broker's list has no NSE:RELIANC; similar: NSE:RELIANCE"
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("fails an order that breaks a pre-trade limit, with every reason", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { total_quantity: 100, num_splits: 2, side: "SELL" })
      yield* insertOrder("o2", { total_quantity: 40, num_splits: 1 })
      yield* splitPending
      assert.deepInclude(yield* orderRow("o1"), {
        orderQueueStatus: "FAILED",
        statusReason:
          "num_splits: 2 slices of at most 40 do not hold 100; 3 slices or more would fit (40 is LIMIT_SLICE_QUANTITY; " +
          "ORDER_MAX_SLICE_QUANTITY lets the service make more slices); " +
          "SELL is not allowed by LIMIT_SIDES; the order's quantity of 100 is above LIMIT_ORDER_QUANTITY (99)"
      })
      assert.deepInclude(yield* orderRow("o2"), { orderQueueStatus: "DONE" })
    }).pipe(
      Effect.provide(
        serviceLayer({
          broker: scriptedBroker,
          environment: { LIMIT_ORDER_QUANTITY: "99", LIMIT_SLICE_QUANTITY: "40", LIMIT_SIDES: "BUY" }
        })
      )
    )
  )

  it.effect("adds slices as ORDER_MAX_SLICE_QUANTITY requires", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { total_quantity: 100, num_splits: 2 })
      yield* splitPending
      assert.deepStrictEqual(
        (yield* sliceRows("o1")).map(({ quantity, dueMillis }) => [quantity, dueMillis]),
        [
          [33, 0],
          [33, 30_000],
          [34, 60_000]
        ]
      )
    }).pipe(Effect.provide(serviceLayer({ broker: scriptedBroker, environment: { ORDER_MAX_SLICE_QUANTITY: "40" } })))
  )

  it.effect("keeps due times exact when created_at has microseconds", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      const db = yield* Db
      yield* db.execute("test", db.sql`UPDATE orders SET created_at = created_at + interval '123 microseconds'`)
      yield* splitPending
      assert.deepStrictEqual(
        (yield* sliceRows("o1")).map((slice) => slice.dueMillis),
        [0.123, 15_000.123, 30_000.123, 45_000.123, 60_000.123]
      )
    }).pipe(Effect.provide(service))
  )

  const invalid: ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>, string]> = [
    ["an instrument without exchange", { instrument: "RELIANCE" }, "instrument: must look like EXCHANGE:SYMBOL"],
    ["no instrument", { instrument: null }, "instrument: Expected string, not null"],
    ["a side that is none", { side: "HOLD" }, 'side: Expected "BUY" | "SELL", not "HOLD"'],
    ["no quantity", { total_quantity: null }, "total_quantity: "],
    ["quantity 0", { total_quantity: 0 }, "total_quantity: must be a whole number from 1"],
    ["fewer units than slices", { total_quantity: 4 }, "total_quantity: is 4, less than one for each of the 5 slices"],
    ["no slices", { num_splits: 0 }, "num_splits: must be a whole number from 1 to 1000, not 0"],
    ["1001 slices", { num_splits: 1001, total_quantity: 5000 }, "num_splits: must be a whole number from 1 to 1000"],
    ["a window before its start", { duration_minutes: -1 }, "duration_minutes: must be a whole number from 0 to 1440"],
    ["a window of more than a day", { duration_minutes: 1441 }, "duration_minutes: must be a whole number from 0 to"],
    ["no word on randomizing", { randomize: null }, "randomize: "],
    ["an unknown order type", { order_type: "ICEBERG" }, "order_type: "],
    ["LIMIT without a price", { order_type: "LIMIT" }, "limit_price: is needed for a LIMIT order"],
    ["LIMIT at no price", { order_type: "LIMIT", limit_price: "0" }, "limit_price: must be greater than 0"],
    ["MARKET with a price", { limit_price: "10" }, "limit_price: must be empty for a MARKET order"],
    ["an unknown product", { product_type: "BO" }, "product_type: "],
    ["an unknown validity", { validity: "GTC" }, "validity: "],
    ["a price that is none", { order_type: "LIMIT", limit_price: "NaN" }, "limit_price: must be a price such as"],
    ["a fraction of a quantity", { total_quantity: "10.5" }, "total_quantity: must be a whole number from 1"],
    ["a quantity that is no number", { total_quantity: "NaN" }, "total_quantity: must be a whole number from 1"],
    ["a quantity beyond all doubles", { total_quantity: "1e400" }, "2147483647, not Infinity"],
    ["a debt beyond all doubles", { total_quantity: "-1e400" }, "2147483647, not -Infinity"],
    ["a quantity too small for any double", { total_quantity: "1e-16383" }, "2147483647, not 0.000001"],
    ["a debt too small for any double", { total_quantity: "-1e-400" }, "2147483647, not -0.000001"],
    ["a quantity that is nearly whole", { total_quantity: "9.99999999999999999999" }, "2147483647, not 9.999999"],
    ["slices that are a trace more than whole", { num_splits: "5.00000000000000000001" }, "1000, not 5.000001"],
    ["minutes too few for any double", { duration_minutes: "1e-16383" }, "from 0 to 1440, not 0.000001"],
    [
      "lateness too small for any double",
      { max_lateness_seconds: "1e-16383" },
      "max_lateness_seconds: must be a whole"
    ],
    [
      "a price too small for any double",
      { order_type: "LIMIT", limit_price: "1e-16383" },
      "limit_price: must be a price"
    ],
    ["a fraction that no double holds", { total_quantity: `10.${"0".repeat(30)}1` }, "total_quantity: must be a whole"],
    ["a fraction below zero", { total_quantity: `-10.${"0".repeat(30)}1` }, "total_quantity: must be a whole number"],
    ["hardly a slice", { num_splits: `0.${"9".repeat(30)}` }, "num_splits: must be a whole number from 1 to 1000"],
    ["hardly a minute", { duration_minutes: `0.${"9".repeat(30)}` }, "duration_minutes: must be a whole number"],
    ["a fraction of lateness", { max_lateness_seconds: `60.${"0".repeat(30)}1` }, "max_lateness_seconds: must be"],
    ["half a slice", { num_splits: "2.5" }, "num_splits: must be a whole number from 1 to 1000, not 2.5"],
    ["half a minute", { duration_minutes: "0.5" }, "duration_minutes: must be a whole number from 0 to 1440, not 0.5"],
    ["endless minutes", { duration_minutes: "1e400" }, "duration_minutes: must be a whole number from 0 to 1440"],
    ["no minutes at all", { duration_minutes: "NaN" }, "duration_minutes: must be a whole number from 0 to 1440"],
    ["half a second of lateness", { max_lateness_seconds: "0.5" }, "max_lateness_seconds: must be a whole number"],
    [
      "half a second of patience",
      { cancel_unfilled_after_seconds: "1e400" },
      "cancel_unfilled_after_seconds: must be a whole number"
    ],
    [
      "a fifth decimal",
      { order_type: "LIMIT", limit_price: "2500.00005" },
      "limit_price: must have at most 4 decimals"
    ],
    ["a price of thousands of digits", { order_type: "LIMIT", limit_price: "1e5000" }, "limit_price: must be a price"],
    [
      "an id with shell text",
      { id: "x;touch y;#" },
      "id: must consist of the letters A to Z and a to z, digits, and _ . : -"
    ],
    ["an id like a flag", { id: "--help" }, 'and not begin with -, not "--help"'],
    ["an id of another alphabet", { id: "заказ" }, "id: must consist of the letters A to Z and a to z"],
    [
      "a trace id of two lines",
      { origin_trace_id: "t\n1" },
      "origin_trace_id: must be without spaces, control characters"
    ],
    ["a long trace id", { origin_trace_id: "t".repeat(129) }, "origin_trace_id: is longer than 128 characters"],
    ["a long request id", { request_id: "r".repeat(1_000_000) }, "request_id: is longer than 128 characters"],
    [
      "an instrument of a megabyte",
      { instrument: "x".repeat(1_000_000) },
      "instrument: must look like EXCHANGE:SYMBOL"
    ],
    ["a plan seed of a megabyte", { plan_seed: "x".repeat(1_000_000) }, "plan_seed: must have 1 to 200 characters"],
    ["a side of a megabyte", { side: "x".repeat(1_000_000) }, 'side: Expected "BUY" | "SELL"'],
    ["a start that never comes", { created_at: "infinity" }, "created_at: is more than a year away"],
    ["a start at the end of time", { created_at: "294276-12-31 23:59:59+00" }, "created_at: is more than a year away"]
  ]

  it.effect("fails each invalid order with its own reason, and splits the others", () =>
    Effect.gen(function* () {
      yield* setClock()
      for (const [index, [, changed]] of invalid.entries()) yield* insertOrder(`bad${index}`, changed)
      yield* insertOrder("good")
      // There are more of them than one batch holds.
      yield* Effect.repeat(splitPending, { while: (claimed) => claimed > 0 })

      for (const [index, [name, changed, reason]] of invalid.entries()) {
        const order = yield* orderRow(String(changed["id"] ?? `bad${index}`))
        assert.strictEqual(order.orderQueueStatus, "FAILED", name)
        assert.include(order.statusReason ?? "", reason, name)
        assert.isBelow(order.statusReason?.length ?? 0, 500, name)
      }
      assert.strictEqual((yield* orderRow("good")).orderQueueStatus, "DONE")
      assert.strictEqual((yield* sliceRows()).length, 5)
    }).pipe(Effect.provide(service))
  )

  it.effect("reads only the beginning of what is longer than it can be", () =>
    Effect.gen(function* () {
      yield* setClock()
      const { sql, execute } = yield* Db
      const columns = ["instrument", "side", "strategy", "plan_seed", "order_type", "product_type", "validity"]
      const others = ["lateness_policy", "completion", "session_policy", "request_id", "origin_trace_id"]
      const text = "x".repeat(1_000_000)
      yield* insertOrder("o1", Object.fromEntries([...columns, ...others].map((column) => [column, text])))
      yield* execute("test.weights", sql`UPDATE orders SET weights = array_fill(1.5::float8, ARRAY[1000000])`)
      const [order] = yield* claimAs("owner")
      assert.isBelow(JSON.stringify(order).length, 5000)
      assert.strictEqual(order?.weights, "a longer list")
    }).pipe(Effect.provide(service))
  )

  it.effect("fails only the order with malformed weights and the one with an unreadable volume profile", () =>
    Effect.gen(function* () {
      yield* setClock()
      const { sql, execute } = yield* Db
      yield* insertOrder("weights", { strategy: "WEIGHTS" })
      yield* execute("test.weights", sql`UPDATE orders SET weights = '{{1,2},{3,4}}' WHERE id = 'weights'`)
      yield* insertOrder("profile", { instrument: "NSE:INFY" })
      yield* execute("test.loosen", sql`ALTER TABLE volume_profiles DROP CONSTRAINT volume_profiles_volumes_check`)
      yield* execute("test.profile", sql`INSERT INTO volume_profiles VALUES ('NSE:INFY', '{0.0001,1}', 'test', now())`)
      yield* insertOrder("good")
      yield* splitPending

      assert.strictEqual((yield* orderRow("good")).orderQueueStatus, "DONE")
      const weights = yield* orderRow("weights")
      assert.strictEqual(weights.orderQueueStatus, "FAILED")
      assert.include(
        weights.statusReason ?? "",
        "weights: must be 1 to 1000 numbers from 0.001 to 10^12, not [[1,2],[3,4]]"
      )
      const profile = yield* orderRow("profile")
      assert.strictEqual(profile.orderQueueStatus, "FAILED")
      assert.include(profile.statusReason ?? "", "instrument NSE:INFY")
    }).pipe(Effect.provide(service))
  )

  it.effect("fails orders of many megabytes one by one, and splits the others", () =>
    Effect.gen(function* () {
      yield* setClock()
      const { sql, execute } = yield* Db
      const texts = ["instrument", "side", "plan_seed", "completion", "request_id", "origin_trace_id"]
      for (const column of texts) {
        yield* insertOrder(column)
        yield* execute("test.long", sql`UPDATE orders SET ${sql(column)} = repeat('x', 17000000) WHERE id = ${column}`)
      }
      yield* insertOrder("weights", { strategy: "WEIGHTS" })
      yield* execute(
        "test.weights",
        sql`UPDATE orders SET weights = array_fill(NULL::float8, ARRAY[3000000]) WHERE id = 'weights'`
      )
      yield* insertOrder("good")
      yield* splitPending

      for (const column of [...texts, "weights"]) {
        const { orderQueueStatus, statusReason } = yield* orderRow(column)
        assert.strictEqual(orderQueueStatus, "FAILED", column)
        assert.include(statusReason ?? "", `${column}: `, column)
        assert.isBelow(statusReason?.length ?? 0, 500, column)
      }
      assert.strictEqual((yield* orderRow("good")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves no order behind whose counters or claim another program has written", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("claims", { claim_version: 2_147_483_647 })
      yield* insertOrder("attempts", { split_attempts: 2_147_483_647 })
      yield* insertOrder("debts", { claim_version: -2_147_483_648 })
      yield* insertOrder("endless", { split_attempts: -1 })
      yield* insertOrder("never", { order_queue_status: "IN_PROGRESS", claimed_at: "infinity" })
      yield* insertOrder("far", { order_queue_status: "IN_PROGRESS", claimed_at: "2099-01-01T00:00:00Z" })
      yield* insertOrder("both", { order_queue_status: "IN_PROGRESS", claim_version: 2_147_483_647 })
      yield* insertOrder("good")
      yield* Effect.flatten(makeSweep)
      yield* splitPending
      for (const id of ["claims", "attempts", "debts", "endless"]) {
        const { orderQueueStatus, statusReason } = yield* orderRow(id)
        assert.strictEqual(orderQueueStatus, "FAILED", id)
        assert.include(statusReason ?? "", "claim_version or split_attempts: must be left to this service", id)
      }
      for (const id of ["never", "far", "both"]) {
        const { orderQueueStatus, statusReason } = yield* orderRow(id)
        assert.strictEqual(orderQueueStatus, "FAILED", id)
        assert.include(
          statusReason ?? "",
          "order_queue_status: must be PENDING when the order is inserted, not IN_PROGRESS"
        )
      }
      assert.strictEqual((yield* orderRow("good")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )

  it.effect("ignores an order that arrives as DONE, and says so once; one from a backup comes with its plan", () =>
    Effect.gen(function* () {
      yield* setClock()
      const { sql, execute } = yield* Db
      yield* insertOrder("split")
      yield* splitPending
      yield* insertOrder("restored", { order_queue_status: "DONE", claim_version: 1 })
      yield* execute(
        "test.restorePlan",
        sql`
          INSERT INTO order_plans
          SELECT (jsonb_populate_record(p, '{"order_id": "restored"}')).* FROM order_plans p WHERE order_id = 'split'`
      )
      yield* insertOrder("foreign", {
        order_queue_status: "DONE",
        reason_code: "not_pending",
        total_quantity: "NaN",
        split_at: instant(start)
      })
      const orders = yield* OrderStore
      const release = orders.releaseStuck({ now: start, claimedBefore: start, maxAttempts: 1 })
      assert.deepStrictEqual(
        (yield* release).map(({ id, reasonCode }) => [id, reasonCode]),
        [["foreign", "not_pending"]]
      )
      assert.deepStrictEqual(yield* release, [])
      assert.deepInclude(yield* orderRow("foreign"), {
        orderQueueStatus: "DONE",
        statusReason: "order_queue_status: must be PENDING when the order is inserted, not DONE; the order is ignored"
      })
      assert.deepInclude(yield* orderRow("restored"), { orderQueueStatus: "DONE", statusReason: null, claimVersion: 1 })
    }).pipe(Effect.provide(service))
  )

  it.effect("counts no attempt while the database fails or is not up to date", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      for (const error of [databaseIsDown, isOutdated]) {
        const instruments = InstrumentStore.of({ ...(yield* InstrumentStore), markets: () => Effect.fail(error) })
        yield* Effect.flip(Effect.provideService(splitPending, InstrumentStore, instruments))
        assert.deepInclude(yield* orderRow("o1"), { orderQueueStatus: "PENDING", splitAttempts: 0 })
      }
      yield* splitPending
      assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )

  it.effect("fails only the order that the database refuses", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("good1")
      yield* splitPending
      yield* insertOrder("clash")
      // Its plan exists already, although only a splitter writes plans.
      const db = yield* Db
      yield* db.execute(
        "test",
        db.sql`
          INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, order_type,
            cause, created_at)
          SELECT 'clash', 1, 1, algorithm_version, input, starts_at, ends_at, order_type, cause, created_at FROM order_plans`
      )
      yield* insertOrder("good2")
      yield* splitPending

      const clash = yield* orderRow("clash")
      assert.strictEqual(clash.orderQueueStatus, "FAILED")
      assert.include(clash.statusReason ?? "", "duplicate key")
      assert.strictEqual((yield* orderRow("good2")).orderQueueStatus, "DONE")
      assert.strictEqual((yield* sliceRows()).length, 10)
    }).pipe(Effect.provide(service))
  )

  it.effect("does not split an order again that was set back to PENDING, and continues it", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      yield* splitPending
      const { sql, execute } = yield* Db
      yield* execute("test.again", sql`UPDATE orders SET order_queue_status = 'PENDING'`)
      yield* splitPending
      assert.deepInclude(yield* orderRow("o1"), {
        orderQueueStatus: "DONE",
        statusReason: "it was split before, and is not split again"
      })
      assert.strictEqual((yield* sliceRows("o1")).length, 5)
      for (const status of ["FAILED", "SKIPPED"]) {
        yield* execute("test.change", sql`UPDATE orders SET order_queue_status = ${status}`)
        const progress = Option.getOrThrow(yield* (yield* OrderCommands).progress("o1"))
        assert.strictEqual(progress.state, "working", "what goes on can be paused and cancelled")
      }
    }).pipe(Effect.provide(service))
  )

  it.effect("fails only the order whose counters are exhausted", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("end", { claim_version: 2_147_483_647 })
      yield* insertOrder("o1")
      assert.strictEqual(yield* splitPending, 1)
      assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )

  it.effect("skips an order whose window and grace were over before the split", () =>
    Effect.gen(function* () {
      yield* insertOrder("late", { duration_minutes: 1 })
      yield* insertOrder("just", { duration_minutes: 2 })
      yield* setClock(Duration.minutes(11.001))
      yield* splitPending
      const late = yield* orderRow("late")
      assert.strictEqual(late.orderQueueStatus, "SKIPPED")
      assert.include(late.statusReason ?? "", "window and its grace were over")
      assert.strictEqual((yield* orderRow("just")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )

  it.effect("writes a batch order by order when the whole batch exceeds the statement timeout", () =>
    Effect.gen(function* () {
      yield* setClock()
      const db = yield* Db
      // An INSERT of more than one order fails like one that exceeds the statement timeout.
      yield* db.execute(
        "test",
        db.sql`
          CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN
            IF (SELECT count(DISTINCT order_number) FROM fresh) > 1 THEN
              RAISE query_canceled USING MESSAGE = 'canceling statement due to statement timeout';
            END IF;
            RETURN NULL;
          END $$`
      )
      yield* db.execute(
        "test",
        db.sql`
          CREATE TRIGGER slow AFTER INSERT ON slice_plan REFERENCING NEW TABLE AS fresh
          FOR EACH STATEMENT EXECUTE FUNCTION slow()`
      )
      for (const id of ["o1", "o2", "o3"]) yield* insertOrder(id)
      yield* splitPending
      assert.strictEqual((yield* sliceRows()).length, 15)
    }).pipe(Effect.provide(service))
  )

  it.effect("skips an order that was cancelled before the split", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      const commands = yield* OrderCommands
      yield* commands.requestCancel("o1", asked, yield* DateTime.now)
      assert.strictEqual(yield* splitPending, 0)
      const order = yield* orderRow("o1")
      assert.deepStrictEqual([order.orderQueueStatus, order.statusReason], ["SKIPPED", "cancelled before the split"])
      assert.deepStrictEqual(yield* sliceRows(), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves no slice to place when an order is cancelled between claim and split", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      const [claimed] = yield* claimAs("first")
      const commands = yield* OrderCommands
      yield* commands.requestCancel("o1", asked, yield* DateTime.now)
      const orders = yield* OrderStore
      yield* orders.completeSplits([{ claimVersion: claimed?.claimVersion ?? 0, ...unsplit }], {
        now: yield* DateTime.now,
        windowGrace
      })
      assert.deepStrictEqual(
        (yield* sliceRows("o1")).map(({ stage, stageReason }) => [stage, stageReason]),
        [["SKIPPED", "order cancelled"]]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("lets exactly one of several splitters claim each order", () =>
    Effect.gen(function* () {
      yield* setClock()
      for (let n = 0; n < 30; n += 1) yield* insertOrder(`o${n}`)
      const claims = yield* Effect.forEach(["a", "b", "c", "d", "e"], claimAs, { concurrency: "unbounded" })
      const ids = claims.flat().map((order) => order.id)
      assert.strictEqual(new Set(ids).size, ids.length)
      assert.strictEqual(ids.length, 30)
    }).pipe(Effect.provide(service))
  )

  it.effect("gives back an order whose claim is in flight when the splitter stops", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      const orders = yield* OrderStore
      const [isClaimed, isStopped] = [yield* Latch.make(), yield* Latch.make()]
      const inFlight = OrderStore.of({
        ...orders,
        claimPending: (options) =>
          Effect.tap(orders.claimPending(options), () => Effect.andThen(isClaimed.open, isStopped.await))
      })
      const splitter = yield* Effect.forkChild(Effect.provideService(splitPending, OrderStore, inFlight))
      yield* isClaimed.await
      const stopping = yield* Effect.forkChild(Fiber.interrupt(splitter), { startImmediately: true })
      yield* isStopped.open
      yield* Fiber.join(stopping)
      assert.deepInclude(yield* orderRow("o1"), { orderQueueStatus: "PENDING", splitAttempts: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("does not interrupt a batch when another one fails beside it", () =>
    Effect.gen(function* () {
      yield* setClock()
      const ids = ["o1", "o2", "o3", "o4", "o5", "o6"]
      for (const [n, id] of ids.entries()) {
        yield* insertOrder(id, { created_at: DateTime.toDateUtc(DateTime.add(start, { milliseconds: n })) })
      }
      const orders = yield* OrderStore
      const [isGivenBack, hasEnded] = [yield* Latch.make(), yield* Latch.make()]
      let hasFailed = false
      const failingOnce = OrderStore.of({
        ...orders,
        completeSplits: (splits, options) => {
          const has = (id: string) => splits.some(({ plan }) => plan.orderId === id)
          if (has("o3") && !hasFailed) {
            hasFailed = true
            return Effect.fail(isOutdated)
          }
          const written = orders.completeSplits(splits, options)
          return has("o5") ? Effect.andThen(isGivenBack.await, written) : written
        },
        release: (claimed, now) => Effect.tap(orders.release(claimed, now), () => isGivenBack.open)
      })
      const ended = () => Effect.asVoid(hasEnded.open)
      const status = { ...(yield* WorkerStatus), succeeded: ended, failed: ended }
      // TestClock stands still, so there is no retry after a pause.
      yield* OrderSplitter.pipe(
        Effect.provideService(OrderStore, failingOnce),
        Effect.provideService(WorkerStatus, status),
        Effect.forkChild
      )
      yield* hasEnded.await
      for (const id of ids) assert.strictEqual((yield* orderRow(id)).orderQueueStatus, "DONE", id)
    }).pipe(
      Effect.provide(
        Wakeups.layer.pipe(
          Layer.provideMerge(serviceLayer({ broker: scriptedBroker, environment: { ORDER_SPLITTER_BATCH_SIZE: "2" } }))
        )
      )
    )
  )

  it.effect("changes nothing when the splitter was too slow and lost its claim", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1")
      const [stale] = yield* claimAs("slow")
      yield* setClock(Duration.minutes(5.001))
      yield* Effect.flatten(makeSweep)
      assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, "PENDING")
      yield* claimAs("fast")

      const orders = yield* OrderStore
      const now = yield* DateTime.now
      const claimVersion = stale?.claimVersion ?? 0
      const mine = { id: "o1", claimVersion }
      assert.deepStrictEqual(
        yield* orders.completeSplits([{ claimVersion, ...unsplit }], {
          now,
          windowGrace
        }),
        []
      )
      yield* orders.failSplits([{ ...mine, status: "FAILED", reason: because("invalid_order", "stale") }], now)
      yield* orders.release([mine], now)
      const order = yield* orderRow("o1")
      assert.deepStrictEqual([order.orderQueueStatus, order.claimVersion], ["IN_PROGRESS", 2])
    }).pipe(Effect.provide(service))
  )

  it.effect("retries a stuck split, and fails it after the last attempt", () =>
    Effect.gen(function* () {
      yield* insertOrder("o1", { duration_minutes: 60 })
      const sweep = yield* makeSweep
      for (const attempt of [1, 2, 3]) {
        yield* setClock(Duration.minutes(attempt * 6))
        yield* claimAs("dies")
        yield* sweep
        assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, "IN_PROGRESS", "not stuck yet")
        yield* setClock(Duration.minutes(attempt * 6 + 5.1))
        yield* sweep
        assert.strictEqual((yield* orderRow("o1")).orderQueueStatus, attempt < 3 ? "PENDING" : "FAILED")
      }
      assert.strictEqual(
        (yield* orderRow("o1")).statusReason,
        "attempt 3 of 3 to split it, by dies, did not end within ORDER_SPLIT_TIMEOUT_MINUTES: see that daemon's log, " +
          "then split it again with order retry"
      )
    }).pipe(Effect.provide(service))
  )
})
