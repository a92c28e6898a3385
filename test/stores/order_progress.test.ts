import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, BigDecimal, Effect, Layer, Random, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { testDatabase } from "../support/database.ts"
import { contractRow } from "../support/service.ts"

interface Slice {
  readonly stage: "SCHEDULED" | "IN_PROGRESS" | "PROCESSED" | "FAILED" | "SKIPPED"
  readonly quantity: number
  readonly isUnknown?: boolean
  readonly isFinal?: boolean
  readonly filled?: number
  /** In units of 0.0001, to be exact. */
  readonly price?: bigint | null
}

interface Order {
  readonly status: "PENDING" | "IN_PROGRESS" | "DONE" | "FAILED" | "SKIPPED"
  readonly isCancelled?: boolean
  readonly slices: ReadonlyArray<Slice>
}

const priceText = (price: bigint) => BigDecimal.format(BigDecimal.make(price, 4))
const sum = (slices: ReadonlyArray<Slice>, of: (slice: Slice) => number) =>
  slices.reduce((all, one) => all + of(one), 0)

const insertOrders = (orders: ReadonlyArray<Order>) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    const rows = orders.map(({ status, isCancelled, slices }, index) =>
      contractRow(`o${index}`, {
        order_queue_status: status,
        total_quantity: Math.max(
          1,
          sum(slices, ({ quantity }) => quantity)
        ),
        cancel_requested_at: isCancelled === true ? new Date(0) : null
      })
    )
    const slices = orders.flatMap(({ slices }, index) =>
      slices.map((slice, place) => {
        const isClaimed = slice.stage === "IN_PROGRESS"
        const isPlaced = slice.stage === "PROCESSED"
        return {
          id: `o${index}s${place}`,
          order_id: `o${index}`,
          sequence_number: place + 1,
          tag: `T${index}S${place}`,
          instrument: "NSE:RELIANCE",
          side: "BUY",
          quantity: slice.quantity,
          order_type: "MARKET",
          product_type: "CNC",
          validity: "DAY",
          scheduled_at: new Date(place * 1000),
          not_before: new Date(place * 1000),
          not_after: new Date(3_600_000),
          stage: slice.stage,
          claimed_by: isClaimed ? "me" : null,
          lease_expires_at: isClaimed ? new Date(0) : null,
          outcome_unknown_at: slice.isUnknown === true ? new Date(0) : null,
          placed_at: isPlaced ? new Date(place * 1000 + slice.quantity) : null,
          broker_order_id: isPlaced ? `b${place}` : null,
          broker_is_final: slice.isFinal === true,
          filled_quantity: slice.filled ?? 0,
          average_price: typeof slice.price === "bigint" ? priceText(slice.price) : null
        }
      })
    )
    // A statement takes 65,535 parameters at most.
    for (const some of Arr.chunksOf(rows, 1000)) {
      yield* execute("test.orders", sql`INSERT INTO orders ${sql.insert(some)}`)
    }
    for (const some of Arr.chunksOf(slices, 1000)) {
      yield* execute("test.slices", sql`INSERT INTO order_slices ${sql.insert(some)}`)
    }
  })

const Progress = Schema.Struct({
  slices: Schema.Int,
  scheduled: Schema.Int,
  inProgress: Schema.Int,
  unknown: Schema.Int,
  processed: Schema.Int,
  failed: Schema.Int,
  skipped: Schema.Int,
  open: Schema.Int,
  placedQuantity: Schema.Int,
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.String),
  maxLatenessMillis: Schema.NullOr(Schema.Number),
  state: Schema.String
})

const progress = Effect.gen(function* () {
  const { sql, query } = yield* Db
  return yield* query(
    "test.progress",
    Progress,
    sql`
      SELECT slices, scheduled, in_progress, unknown, processed, failed, skipped, open,
        placed_quantity::int AS placed_quantity, filled_quantity::int AS filled_quantity,
        average_price::text AS average_price, max_lateness_millis, state
      FROM order_progress ORDER BY substr(order_id, 2)::int`
  )
})

const scheduled: Slice = { stage: "SCHEDULED", quantity: 10 }
const claimed: Slice = { stage: "IN_PROGRESS", quantity: 10 }
const unknown: Slice = { ...claimed, isUnknown: true }
const open: Slice = { stage: "PROCESSED", quantity: 10, filled: 4, price: 1_000_000n }
const filled: Slice = { ...open, filled: 10, isFinal: true }
const partly: Slice = { ...open, isFinal: true }
const rejected: Slice = { stage: "PROCESSED", quantity: 10, isFinal: true }
const failed: Slice = { stage: "FAILED", quantity: 10 }
const skipped: Slice = { stage: "SKIPPED", quantity: 10 }

const states: ReadonlyArray<readonly [string, Order]> = [
  ["pending", { status: "PENDING", slices: [] }],
  ["pending", { status: "PENDING", isCancelled: true, slices: [] }],
  ["splitting", { status: "IN_PROGRESS", slices: [] }],
  ["failed", { status: "FAILED", slices: [] }],
  ["failed", { status: "FAILED", isCancelled: true, slices: [] }],
  ["skipped", { status: "SKIPPED", slices: [] }],
  ["cancelled", { status: "SKIPPED", isCancelled: true, slices: [] }],
  ["working", { status: "DONE", slices: [scheduled, scheduled] }],
  ["working", { status: "DONE", slices: [filled, scheduled] }],
  ["working", { status: "DONE", slices: [filled, claimed] }],
  ["working", { status: "DONE", slices: [filled, unknown] }],
  ["working", { status: "DONE", slices: [failed, open] }],
  ["cancelling", { status: "DONE", isCancelled: true, slices: [skipped, unknown] }],
  ["cancelling", { status: "DONE", isCancelled: true, slices: [skipped, open] }],
  ["filled", { status: "DONE", slices: [filled, filled] }],
  ["filled", { status: "DONE", isCancelled: true, slices: [filled, filled] }],
  ["cancelled", { status: "DONE", isCancelled: true, slices: [filled, skipped] }],
  ["cancelled", { status: "DONE", isCancelled: true, slices: [skipped, skipped] }],
  ["partial", { status: "DONE", slices: [filled, failed] }],
  ["partial", { status: "DONE", slices: [partly, rejected] }],
  ["unfilled", { status: "DONE", slices: [rejected, failed, skipped] }],
  ["unfilled", { status: "DONE", slices: [skipped] }]
]

const choose = <A>(choices: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(Random.nextIntBetween(0, choices.length - 1), (index) => choices[index] ?? choices[0])

const randomSlice = Effect.gen(function* () {
  const stage = yield* choose(["SCHEDULED", "IN_PROGRESS", "PROCESSED", "FAILED", "SKIPPED"] as const)
  const quantity = yield* Random.nextIntBetween(1, 5000)
  const filled = stage === "PROCESSED" ? yield* Random.nextIntBetween(0, quantity) : 0
  return {
    stage,
    quantity,
    filled,
    isUnknown: stage === "IN_PROGRESS" && (yield* Random.nextBoolean),
    isFinal: stage === "PROCESSED" && (yield* Random.nextBoolean),
    price:
      filled > 0 && (yield* Random.nextIntBetween(0, 9)) > 0
        ? BigInt(yield* Random.nextIntBetween(1, 90_000_000))
        : null
  } satisfies Slice
})

const randomOrder = Effect.gen(function* () {
  const count = yield* Random.nextIntBetween(1, 20)
  return {
    status: "DONE",
    isCancelled: yield* Random.nextBoolean,
    slices: yield* Effect.forEach(Array.from({ length: count }), () => randomSlice)
  } satisfies Order
})

const averageOf = (slices: ReadonlyArray<Slice>): string | null => {
  const priced = slices.flatMap(({ filled, price }) =>
    typeof price === "bigint" && filled !== undefined ? [{ quantity: BigInt(filled), price }] : []
  )
  const quantity = priced.reduce((all, one) => all + one.quantity, 0n)
  const value = priced.reduce((all, one) => all + one.quantity * one.price, 0n)
  return quantity === 0n ? null : priceText((2n * value + quantity) / (2n * quantity))
}

describe("order_progress", () => {
  it.live("names the state of an order", () =>
    Effect.gen(function* () {
      yield* insertOrders(states.map(([, order]) => order))
      const found = (yield* progress).map(({ state }) => state)
      states.forEach(([state, order], index) =>
        assert.strictEqual(found[index], state, `case ${index}, ${order.status}`)
      )
      assert.lengthOf(found, states.length)
    }).pipe(Effect.provide(testDatabase))
  )

  it.live("sums quantities for slices in generated states", () =>
    Effect.gen(function* () {
      const orders = yield* Effect.forEach(Array.from({ length: 200 }), () => randomOrder).pipe(
        Random.withSeed("order_progress")
      )
      yield* insertOrders(orders)
      const rows = yield* progress
      assert.lengthOf(rows, orders.length)
      rows.forEach((row, index) => {
        const { slices } = orders[index] ?? assert.fail("no order")
        const count = (isCounted: (slice: Slice) => boolean) => slices.filter(isCounted).length
        const placed = slices.filter(({ stage }) => stage === "PROCESSED")
        const { state, averagePrice, ...counts } = row
        assert.deepStrictEqual(counts, {
          slices: slices.length,
          scheduled: count(({ stage }) => stage === "SCHEDULED"),
          inProgress: count(({ stage }) => stage === "IN_PROGRESS"),
          unknown: count(({ isUnknown }) => isUnknown === true),
          processed: placed.length,
          failed: count(({ stage }) => stage === "FAILED"),
          skipped: count(({ stage }) => stage === "SKIPPED"),
          open: placed.filter(({ isFinal }) => isFinal !== true).length,
          placedQuantity: sum(placed, ({ quantity }) => quantity),
          filledQuantity: sum(slices, ({ filled }) => filled ?? 0),
          maxLatenessMillis: placed.length === 0 ? null : Math.max(...placed.map(({ quantity }) => quantity))
        })
        assert.strictEqual(
          averagePrice === null
            ? null
            : BigDecimal.format(BigDecimal.normalize(BigDecimal.fromStringUnsafe(averagePrice))),
          averageOf(slices)
        )
        assert.strictEqual(row.scheduled + row.inProgress + row.processed + row.failed + row.skipped, row.slices)
        assert.strictEqual(state.endsWith("ing"), row.scheduled + row.inProgress + row.open > 0, state)
      })
    }).pipe(Effect.provide(testDatabase))
  )
})

describe("the list of orders", () => {
  it.effect("reads only the slices of the orders that it shows", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const order = (slices: ReadonlyArray<Slice>): Order => ({ status: "DONE", slices })
      yield* insertOrders([order([filled]), ...Array.from({ length: 999 }, () => order([filled, filled]))])
      yield* execute(
        "test.age",
        sql`UPDATE orders SET created_at = timestamptz '2026-01-01Z' + substr(id, 2)::int * interval '1 minute'`
      )
      // Summing up the oldest order would fail: infinity minus infinity is an error.
      yield* execute(
        "test.spoil",
        sql`UPDATE order_slices SET placed_at = 'infinity', not_before = 'infinity', scheduled_at = 'infinity' WHERE order_id = 'o0'`
      )
      yield* execute("test.analyze", sql`ANALYZE orders, slice_plan, slice_queue, slice_working, slice_results`)
      const shown = yield* (yield* OrderCommands).list(20)
      assert.deepStrictEqual(
        shown.map(({ orderId }) => orderId),
        Array.from({ length: 20 }, (_, index) => `o${999 - index}`)
      )
    }).pipe(Effect.provide(OrderCommands.layer.pipe(Layer.provideMerge(testDatabase))))
  )
})
