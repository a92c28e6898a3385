import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { getOrder, getSlice } from "../../src/cli/shared/lookUp.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, sliceRows } from "../support/service.ts"

const service = SliceCommands.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

const refusal = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

describe("orders and slices", () => {
  it.effect("are found by id, slices also by order and number, with suggestions for typing errors", () =>
    Effect.gen(function* () {
      yield* splitOrder("order-17")
      yield* insertOrder("another")
      const [, second = assert.fail("no slice")] = yield* sliceRows("order-17")
      assert.strictEqual((yield* getOrder("order-17")).orderId, "order-17")
      assert.strictEqual((yield* getSlice(second.id)).sequenceNumber, 2)
      assert.strictEqual((yield* getSlice("order-17/2")).id, second.id)
      assert.strictEqual(
        yield* refusal(getOrder("ordre-17")),
        'There is no order "ordre-17". Similar: order-17. "order list" shows the newest.'
      )
      assert.strictEqual(yield* refusal(getOrder("zzz")), 'There is no order "zzz". "order list" shows the newest.')
      assert.include(yield* refusal(getOrder(second.id)), "It is the slice of order order-17")
      assert.strictEqual(yield* refusal(getSlice("order-17/6")), "Order order-17 has no slice 6")
      assert.match(yield* refusal(getSlice("order-71/2")), /There is no order "order-71"\. Similar: order-17/)
      const mistyped = `${second.id.slice(0, 5)}${second.id.slice(6)}`
      assert.include(yield* refusal(getSlice(mistyped)), `Similar: ${second.id}.`)
    }).pipe(Effect.provide(service))
  )
})
