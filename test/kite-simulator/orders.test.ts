import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Kite, simulator, resting } from "./kite.ts"

describe("orders", () => {
  it.effect("goes its way to COMPLETE within the fill delay", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const placed = yield* kite.place("A1")
      assert.strictEqual(placed.status, 200)
      const seen = new Set<string | undefined>()
      for (let tick = 0; tick <= 11; tick++) {
        seen.add((yield* kite.row("A1"))?.status)
        yield* TestClock.adjust("50 millis")
      }
      assert.deepStrictEqual(
        [...seen],
        ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE"]
      )
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("cancels a resting order", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("R", resting)
      yield* TestClock.adjust("1 second")
      const open = yield* kite.row("R")
      assert.strictEqual(open?.status, "OPEN")
      assert.strictEqual((yield* kite.call("DELETE", `/orders/regular/${open?.order_id}`)).status, 200)
      assert.strictEqual((yield* kite.row("R"))?.status, "CANCEL PENDING")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* kite.row("R"))?.status, "CANCELLED")
    }).pipe(Effect.provide(simulator()))
  )
})
