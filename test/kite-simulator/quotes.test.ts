import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { Kite, simulator } from "./kite.ts"

describe("quotes", () => {
  it.effect("have last price and volume of the requested instruments, without unknown ones", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const { status, json } = yield* kite.call("GET", "/quote?i=NSE:INFY&i=NSE%3AM%26M&i=nonsense")
      assert.strictEqual(status, 200)
      const data = Object.entries(json?.["data"] ?? {})
      assert.deepStrictEqual(
        data.map(([name]) => name),
        ["NSE:INFY", "NSE:M&M"]
      )
      for (const [, quote] of data) {
        assert.isAbove(quote.last_price, 0)
        assert.isTrue(Number.isInteger(quote.volume))
      }
      const { requests } = yield* (yield* KiteSimulator).ledger
      assert.deepInclude(requests[0], { method: "GET", path: "/quote", outcome: "answered", counted: false })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("are allowed once in a calendar second, for at most 500 instruments", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const ask = (count: number) =>
        Effect.map(
          kite.call("GET", `/quote?${Array.from({ length: count }, (_, index) => `i=NSE:S${index}`).join("&")}`),
          ({ status }) => status
        )
      assert.deepStrictEqual([yield* ask(1), yield* ask(1)], [200, 429])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* ask(500), 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* ask(501), 400)
      assert.deepInclude(yield* (yield* KiteSimulator).summary, { overLimit: 1, maxInOneSecond: 0 })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("are refused to a free app, which may still place orders", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const refused = yield* kite.call("GET", "/quote?i=NSE:INFY")
      assert.deepInclude(refused.json, { error_type: "PermissionException" })
      assert.deepStrictEqual([refused.status, (yield* kite.place("FREE")).status], [403, 200])
    }).pipe(Effect.provide(simulator({ hasMarketData: false })))
  )
})
