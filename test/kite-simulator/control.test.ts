import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { everyFault, KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { ask, Kite, resting, simulator } from "./kite.ts"

describe("ledger and summary", () => {
  it.effect("have every request and every order, also those whose answers were lost", () =>
    Effect.gen(function* () {
      const { ledger, summary, script } = yield* KiteSimulator
      const kite = yield* Kite
      yield* kite.place("TWICE")
      yield* script([{ kind: "drop_after", delayMillis: 60_000 }])
      yield* kite.place("TWICE")
      yield* kite.place("BAD", { quantity: "0" })
      yield* TestClock.adjust("1 second")
      yield* kite.rows
      const { requests, orders } = yield* ledger
      assert.deepStrictEqual(
        requests.map(({ at, method, path, outcome, tag, status, fault, counted }) =>
          [at, method, path, outcome, tag, status, fault, counted].join(" ")
        ),
        [
          "0 POST /orders/regular accepted TWICE 200  true",
          "0 POST /orders/regular lost_taken TWICE  drop_after true",
          "0 POST /orders/regular refused BAD 400  true",
          "1000 GET /orders answered  200  false"
        ]
      )
      assert.deepStrictEqual(
        orders.map(({ tag, receivedAt, visibleAt, status, told, filledQuantity }) =>
          [tag, receivedAt, visibleAt, status, told, filledQuantity].join(" ")
        ),
        ["TWICE 0 0 COMPLETE true 100", "TWICE 0 60000  false 0"]
      )
      assert.deepInclude(yield* summary, {
        orders: 2,
        tags: 1,
        tagsWithTwoOrders: ["TWICE"],
        requests: { accepted: 1, lost_taken: 1, refused: 1, answered: 1 },
        faults: { drop_after: 1 },
        maxInOneSecond: 3
      })
    }).pipe(Effect.provide(simulator()))
  )
})

describe("the paths below /simulator", () => {
  const post = (path: string, body: unknown) =>
    Effect.flatMap(KiteSimulator, ({ url }) =>
      ask(`${url}/simulator/${path}`, { method: "POST", body: JSON.stringify(body) })
    )
  const get = (path: string) => Effect.flatMap(KiteSimulator, ({ url }) => ask(`${url}/simulator/${path}`))

  it.effect("have the effects of the service's methods", () =>
    Effect.gen(function* () {
      const simulator = yield* KiteSimulator
      const kite = yield* Kite
      assert.strictEqual((yield* post("script", [{ kind: "unavailable_503", taken: false }])).status, 200)
      assert.strictEqual((yield* kite.place("A")).status, 503)
      assert.strictEqual((yield* post("faults", { server_error_500: 1 })).status, 200)
      assert.strictEqual((yield* kite.place("B")).status, 500)
      assert.strictEqual((yield* post("faults", {})).status, 200)
      assert.strictEqual((yield* post("address", { allowed: false })).status, 200)
      assert.strictEqual((yield* kite.place("C")).status, 403)
      yield* post("address", { allowed: true })
      assert.strictEqual((yield* kite.place("D", resting)).status, 200)
      assert.strictEqual((yield* post("clock", { advance_millis: 1500 })).status, 200)
      assert.strictEqual((yield* kite.row("D"))?.status, "OPEN")
      const cancel = kite.call("DELETE", `/orders/regular/${(yield* kite.row("D"))?.order_id}`)
      const refusal = { status: 400, error_type: "OrderException", message: "Try later." }
      assert.strictEqual((yield* post("cancels", { refusal })).status, 200)
      const { status, json } = yield* cancel
      assert.deepInclude({ ...json, status }, refusal)
      yield* post("cancels", { refusal: null })
      assert.strictEqual((yield* cancel).status, 200)
      assert.deepStrictEqual((yield* get("summary")).json, { ...(yield* simulator.summary) })
      assert.deepStrictEqual((yield* get("ledger")).json, { ...(yield* simulator.ledger) })
      assert.strictEqual((yield* post("token/expire", {})).status, 200)
      assert.strictEqual((yield* kite.place("E")).status, 403)
      assert.match(String((yield* post("token", {})).json?.["access_token"]), /^\w{32}$/)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("report errors in their input", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, unknown, RegExp]> = [
        ["script", [{ kind: "nothing" }], /rate_limited/],
        ["script", { kind: "silence" }, /array/],
        ["faults", { nothing: 1 }, /Unknown fault "nothing"/],
        ["faults", { silence: 2 }, /silence must be a number from 0 to 1/],
        ["clock", { advance_millis: -1 }, /advance_millis/],
        ["address", { allowed: "yes" }, /allowed/],
        ["cancels", { refusal: { status: 200, error_type: "X", message: "no" } }, /status/]
      ]
      for (const [path, body, message] of cases) {
        const answer = yield* post(path, body)
        assert.strictEqual(answer.status, 400)
        assert.match(String(answer.json?.["message"]), message)
      }
      assert.strictEqual((yield* get("nothing")).status, 404)
    }).pipe(Effect.provide(simulator()))
  )
})

describe("a simulator with the same seed and requests", () => {
  const story = (seed: string) =>
    Effect.gen(function* () {
      const { ledger } = yield* KiteSimulator
      const kite = yield* Kite
      const answers: Array<string> = []
      for (let index = 0; index < 60; index++) {
        const { status, text } = yield* kite.place(`S${index}`)
        answers.push(`${status} ${text}`)
        yield* TestClock.adjust("200 millis")
        if (index % 5 === 0) answers.push((yield* kite.call("GET", "/orders")).text)
      }
      return { answers, ledger: yield* ledger }
    }).pipe(
      Effect.provide(simulator({ seed, faults: { ...everyFault(0.5), ...quiet }, fillDelay: Duration.seconds(1) }))
    )

  /** The faults that wait for the clock. */
  const quiet = { silence: 0, silence_before: 0, slow: 0, book_slow: 0 }

  it.effect("gives the same answers, and others with another seed", () =>
    Effect.gen(function* () {
      const first = yield* story("one")
      yield* TestClock.setTime(0)
      assert.deepStrictEqual(yield* story("one"), first)
      yield* TestClock.setTime(0)
      assert.notDeepEqual((yield* story("two")).answers, first.answers)
    })
  )
})
