import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerRefused } from "../../src/domain/model/BrokerError.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeOutcomeWriter } from "../../src/workers/executor/OutcomeWriter.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { acceptAndLoseAnswer, BrokerScript, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

/** Claims what is due `after` seconds after the start, places it and writes the outcomes. */
const placeDue = (after: number) =>
  Effect.gen(function* () {
    yield* setClock(Duration.seconds(after))
    const now = yield* DateTime.now
    const claimed = yield* (yield* SliceStore).claimDue({
      now,
      horizon: now,
      leaseExpiresAt: DateTime.addDuration(now, Duration.minutes(2)),
      owner: "owner",
      limit: 1
    })
    const place = yield* makePlace
    // The end of the writer's scope waits for its writes.
    yield* Effect.scoped(
      Effect.flatMap(makeOutcomeWriter, (writer) =>
        Effect.forEach(claimed, (slice) => Effect.map(place(slice), writer.write), { discard: true })
      )
    )
    yield* Effect.flatten(makeFollowBroker)
  })

/** Twenty slices, one each three seconds, of which the broker refuses each with the given words. */
const refuseAll = (words: (number: number) => string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* setClock()
    yield* insertOrder("o1", { num_splits: 20, duration_minutes: 1, ...changed })
    yield* insertOrder("other", { num_splits: 20, duration_minutes: 1, instrument: "NSE:INFY" })
    yield* Effect.flatten(makeSplitPending)
    const script = yield* BrokerScript
    const accept = script.onPlace
    let refused = 0
    script.onPlace = (placement) => {
      if (placement.instrument === "NSE:INFY") return accept(placement)
      refused += 1
      return Effect.fail(new BrokerRefused({ code: "MarginException", message: words(refused) }))
    }
    return {
      placedOf: (instrument: string) =>
        script.placed.filter(({ placement }) => placement.instrument === instrument).length
    }
  })

const holdOf = (id: string) =>
  Effect.gen(function* () {
    const { sql, queryOne } = yield* Db
    const Row = Schema.Struct({
      holdReason: Schema.NullOr(Schema.String),
      holdReasonCode: Schema.NullOr(Schema.String)
    })
    return yield* queryOne("test.hold", Row, sql`SELECT hold_reason, hold_reason_code FROM orders WHERE id = ${id}`)
  })

/** Two slices are due each three seconds, one of each order. */
const seconds = Array.from({ length: 40 }, (_, index) => Math.ceil(index / 2) * 3 + 3)

describe("an order that the broker keeps refusing", () => {
  it.effect("is on hold after three refusals with the same words, and the other order goes on", () =>
    Effect.gen(function* () {
      const { placedOf } = yield* refuseAll((number) => `Insufficient funds. Required margin is ${number}.`)
      for (const second of seconds) yield* placeDue(second)
      assert.strictEqual(placedOf("NSE:RELIANCE"), 3)
      assert.strictEqual(placedOf("NSE:INFY"), 20)
      assert.deepStrictEqual(yield* holdOf("o1"), {
        holdReason: "the broker refused 3 slices in a row: MarginException: Insufficient funds. Required margin is 3.",
        holdReasonCode: "refused_repeatedly"
      })
      assert.deepStrictEqual(yield* holdOf("other"), { holdReason: null, holdReasonCode: null })
    }).pipe(Effect.provide(service))
  )

  it.effect("is on hold again only after three more when a person has taken it off hold", () =>
    Effect.gen(function* () {
      const { placedOf } = yield* refuseAll(() => "Insufficient funds")
      for (const second of seconds.slice(0, 11)) yield* placeDue(second)
      assert.strictEqual(placedOf("NSE:RELIANCE"), 3)
      assert.isTrue(yield* (yield* OrderCommands).resume("o1", asked, yield* DateTime.now))
      for (const second of seconds.slice(11)) yield* placeDue(second)
      assert.strictEqual(placedOf("NSE:RELIANCE"), 6)
    }).pipe(Effect.provide(service))
  )

  it.effect("is on hold after ten refusals that differ", () =>
    Effect.gen(function* () {
      const { placedOf } = yield* refuseAll((number) => (number % 3 === 0 ? "price out of range" : "no funds"))
      for (const second of seconds) yield* placeDue(second)
      assert.strictEqual(placedOf("NSE:RELIANCE"), 10)
    }).pipe(Effect.provide(service))
  )

  for (const [list, shown] of [
    ["at once", 0],
    ["one order later", -1]
  ] as const) {
    it.effect(`is on hold, too, when the broker's order list shows the refusals ${list}`, () =>
      Effect.gen(function* () {
        yield* setClock()
        yield* insertOrder("o1", { num_splits: 20, duration_minutes: 1 })
        yield* Effect.flatten(makeSplitPending)
        const script = yield* BrokerScript
        script.onFind = (tags) =>
          Effect.sync(() => ({
            orders: script.orderList
              .slice(0, script.orderList.length + shown)
              .filter(({ tag }) => tags.has(tag))
              .map((order) => ({ ...order, status: "REJECTED", statusText: "REJECTED: RMS: margin exceeds 5" })),
            unreadable: []
          }))
        for (const second of seconds) yield* placeDue(second)
        assert.strictEqual(script.placed.length, 3 - shown)
        assert.include((yield* holdOf("o1")).holdReason ?? "", "REJECTED: RMS: margin exceeds 5")
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("is on hold, too, when each answer is lost and the broker's order list shows the refusal", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("o1", { num_splits: 20, duration_minutes: 1 })
      yield* Effect.flatten(makeSplitPending)
      const script = yield* BrokerScript
      script.onPlace = acceptAndLoseAnswer(script)
      script.onFind = (tags) =>
        Effect.sync(() => ({
          orders: script.orderList
            .filter(({ tag }) => tags.has(tag))
            .map((order) => ({ ...order, status: "REJECTED", statusText: "REJECTED: no margin" })),
          unreadable: []
        }))
      for (const second of seconds) yield* placeDue(second)
      assert.strictEqual(script.placed.length, 3)
    }).pipe(Effect.provide(service))
  )

  it.effect("is on hold whatever another program has written about its last hold", () =>
    Effect.gen(function* () {
      const { placedOf } = yield* refuseAll(() => "Insufficient funds", { resumed_at: "infinity" })
      for (const second of seconds) yield* placeDue(second)
      assert.strictEqual(placedOf("NSE:RELIANCE"), 3)
    }).pipe(Effect.provide(service))
  )
})
