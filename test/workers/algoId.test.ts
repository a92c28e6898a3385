import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Result, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { validateOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import type { ClaimedSlice } from "../../src/domain/model/OrderSlice.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { anOrder } from "../support/orders.ts"
import { at, claimDue, move, splitOrder } from "../support/replanning.ts"
import { BrokerScript, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, serviceLayer, sliceRows } from "../support/service.ts"

const service = (environment: Readonly<Record<string, string>> = {}) =>
  SliceCommands.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker, environment })))

const place = (slice: ClaimedSlice) =>
  Effect.gen(function* () {
    const { transition, event } = yield* Effect.flatMap(makePlace, (place) => place(slice))
    yield* (yield* SliceStore).transition([transition], event === null ? [] : [event])
  })

const requests = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const Row = Schema.Struct({ algo: Schema.NullOr(Schema.String), product: Schema.NullOr(Schema.String) })
  return yield* query(
    "test.requests",
    Row,
    sql`SELECT request->>'algo_id' AS algo, request->>'product_type' AS product FROM broker_events
      WHERE call = 'place' ORDER BY called_at, slice_id`
  )
})

const placedIds = Effect.map(BrokerScript, ({ placed }) => placed.map(({ placement }) => placement.algoId))

describe("the algorithm id of an order", () => {
  it.effect("reaches the broker and the audit", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { algo_id: "NSE 4711/a" })
      for (const slice of yield* claimDue(1)) yield* place(slice)
      assert.deepStrictEqual(yield* placedIds, ["NSE 4711/a"])
      assert.deepStrictEqual(yield* requests, [{ algo: "NSE 4711/a", product: "CNC" }])
    }).pipe(Effect.provide(service({ ZERODHA_ALGO_ID: "configured" })))
  )

  it.effect("is the configured one without its own, with the product MTF too", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { product_type: "MTF" })
      for (const slice of yield* claimDue(1)) yield* place(slice)
      assert.deepStrictEqual(yield* placedIds, ["configured"])
      assert.deepStrictEqual(yield* requests, [{ algo: "configured", product: "MTF" }])
    }).pipe(Effect.provide(service({ ZERODHA_ALGO_ID: "configured" })))
  )

  it.effect("is left out where neither the order nor the setting has one", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      for (const slice of yield* claimDue(1)) yield* place(slice)
      assert.deepStrictEqual(yield* placedIds, [null])
      assert.deepStrictEqual(yield* requests, [{ algo: null, product: "CNC" }])
    }).pipe(Effect.provide(service()))
  )

  it.effect("is kept by a retry", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { algo_id: "NSE 4711/a" })
      yield* move(yield* claimDue(1), () => ({ _tag: "Failed", code: "broker_refused", reason: "margin: too little" }))
      yield* at(5)
      const [slice = assert.fail("no slice")] = yield* sliceRows("o1")
      const { orderListSince } = yield* BrokerScript
      const options = { now: yield* DateTime.now, at: null, windowGrace: Duration.minutes(10), orderListSince }
      yield* (yield* SliceCommands).retry(slice.id, options, asked)
      for (const again of yield* claimDue(1)) yield* place(again)
      assert.deepStrictEqual(yield* placedIds, ["NSE 4711/a"])
    }).pipe(Effect.provide(service()))
  )

  it("is refused with control characters, letters beyond ASCII, spaces around it, nothing in it or too much", () => {
    const problemOf = (algoId: string) =>
      Result.match(validateOrder({ ...anOrder(), limitPrice: null, algoId }), {
        onFailure: (problem) => problem,
        onSuccess: () => null
      })
    assert.isNull(problemOf("x".repeat(64)))
    for (const id of ["a\u0007b", "ä", " a", "a ", "", "x".repeat(65)]) {
      assert.include(problemOf(id), "algo_id: must be 1 to 64 printable ASCII characters")
    }
  })
})
