import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
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
import { serviceLayer } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

describe("an amendment while", () => {
  for (const place of [0, 1]) {
    it.effect(`outcomes of its slices are written: there is no deadlock at slice ${place + 1}`, () =>
      Effect.gen(function* () {
        yield* splitOrder("o1")
        yield* manySlices("IN_PROGRESS")
        yield* at(15)
        const claimed = (yield* claimDue()).toSorted((a, b) => a.sequenceNumber - b.sequenceNumber)
        const held = claimed[place] ?? assert.fail("no slice")
        const unlock = yield* lockSlice(held.id)
        const amending = yield* Effect.forkChild(amendOrder("o1", { remainingWindow: Duration.seconds(20) }))
        yield* untilWaiting(1)
        const order = [...claimed.filter((slice) => slice !== held), held]
        const writing = yield* Effect.forkChild(
          move(order, ({ id }) => ({ _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }))
        )
        yield* untilWaiting(2)
        yield* unlock
        yield* Fiber.join(amending)
        assert.strictEqual((yield* Fiber.join(writing)).length, 2)
        const found = (yield* conservation).find(({ orderId }) => orderId === "o1")
        assert.deepInclude(found, { working: 40, scheduled: 60, unaccounted: 0 })
      }).pipe(Effect.provide(service))
    )
  }
})
