import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import {
  amendOrder,
  at,
  claimDue,
  conservation,
  lockSlice,
  manySlices,
  move,
  splitOrder,
  untilWaiting
} from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { serviceLayer, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

/** Which SCHEDULED slices end with the latest plan's window. */
const ending = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.ending",
    Schema.Struct({ sequenceNumber: Schema.Int, isWithPlan: Schema.Boolean }),
    sql`
      SELECT sequence_number, not_after = (SELECT closes_at FROM order_plans WHERE order_id = 'o1' ORDER BY revision DESC LIMIT 1)
        AS is_with_plan
      FROM order_slices WHERE order_id = 'o1' AND stage = 'SCHEDULED' ORDER BY sequence_number`
  )
)

describe("an amendment while", () => {
  for (const place of [0, 1]) {
    it.effect(`outcomes of its slices are written does not wait for them: one hangs at slice ${place + 1}`, () =>
      Effect.gen(function* () {
        yield* splitOrder("o1")
        yield* manySlices("IN_PROGRESS")
        yield* at(15)
        const claimed = (yield* claimDue()).toSorted((a, b) => a.sequenceNumber - b.sequenceNumber)
        const held = claimed[place] ?? assert.fail("no slice")
        const unlock = yield* lockSlice(held.id)
        const order = [...claimed.filter((slice) => slice !== held), held]
        const writing = yield* Effect.forkChild(
          move(order, ({ id }) => ({ _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }))
        )
        yield* untilWaiting(1)
        yield* amendOrder("o1", { remainingWindow: Duration.seconds(20) })
        yield* unlock
        assert.strictEqual((yield* Fiber.join(writing)).length, 2)
        const found = (yield* conservation).find(({ orderId }) => orderId === "o1")
        assert.deepInclude(found, { working: 40, scheduled: 60, unaccounted: 0 })
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("a slice is given back: it waits for the amendment, and ends with its window", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      const claimed = yield* claimDue()
      const [, , third = assert.fail("no slice")] = (yield* sliceRows()).toSorted(bySequence)
      const unlock = yield* lockSlice(third.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", { remainingWindow: Duration.seconds(20) }))
      yield* untilWaiting(1)
      const notBefore = DateTime.makeUnsafe(16_000)
      const writing = yield* Effect.forkChild(
        move(claimed, () => ({ _tag: "Rescheduled", code: "broker_try_later", reason: "later", notBefore }))
      )
      yield* untilWaiting(2)
      yield* unlock
      yield* Fiber.join(amending)
      assert.strictEqual((yield* Fiber.join(writing)).length, 2)
      assert.deepStrictEqual(
        yield* ending,
        [1, 2, 6, 7, 8].map((sequenceNumber) => ({ sequenceNumber, isWithPlan: true }))
      )
      assert.deepInclude((yield* conservation)[0], { scheduled: 100, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )
})

const bySequence = (a: { readonly sequenceNumber: number }, b: { readonly sequenceNumber: number }) =>
  a.sequenceNumber - b.sequenceNumber
