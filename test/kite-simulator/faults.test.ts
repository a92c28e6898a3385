import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { everyFault, type FaultKind, KiteSimulator, type ScriptStep } from "../../src/kite-simulator/KiteSimulator.ts"
import { eventually } from "../support/processes.ts"
import { Kite, resting, rowsOf, simulator } from "./kite.ts"

/** Places an order that is subject to the fault. */
const meeting = (tag: string, step: ScriptStep) =>
  Effect.gen(function* () {
    yield* (yield* KiteSimulator).script([step])
    return yield* (yield* Kite).place(tag)
  })

const recordOf = (tag: string) =>
  Effect.map(
    Effect.flatMap(KiteSimulator, ({ ledger }) => ledger),
    ({ orders, requests }) => ({
      order: orders.find((order) => order.tag === tag),
      request: requests.find((request) => request.tag === tag)
    })
  )

interface Expected {
  readonly kind: FaultKind
  readonly status: ReadonlyArray<number | null>
  readonly errorType?: ReadonlyArray<string>
  readonly taken: "always" | "never" | "as scripted"
}

const lostAnswers: ReadonlyArray<Expected> = [
  { kind: "drop_before", status: [null], taken: "never" },
  { kind: "drop_after", status: [null], taken: "always" },
  { kind: "server_error_500", status: [500], errorType: ["GeneralException"], taken: "as scripted" },
  { kind: "bad_gateway_502", status: [502], errorType: ["DataException"], taken: "as scripted" },
  { kind: "unavailable_503", status: [503], errorType: ["NetworkException"], taken: "as scripted" },
  { kind: "gateway_timeout_504", status: [504], errorType: ["DataException"], taken: "as scripted" },
  { kind: "timed_out_400", status: [400], errorType: ["InputException", "OrderException"], taken: "always" },
  { kind: "html", status: [200, 502], taken: "as scripted" },
  { kind: "redirect", status: [302], taken: "as scripted" },
  { kind: "truncated", status: [200, null], taken: "always" },
  { kind: "no_order_id", status: [200], taken: "always" }
]

describe("a fault with an unknown outcome", () => {
  for (const { kind, status, errorType, taken } of lostAnswers) {
    for (const isTaken of taken === "as scripted" ? [true, false] : [taken === "always"]) {
      it.effect(
        `${kind}: ${isTaken ? "takes the order, which is in the order list later" : "does not take the order"}`,
        () =>
          Effect.gen(function* () {
            const kite = yield* Kite
            const answer = yield* meeting("LOST", { kind, taken: isTaken, delayMillis: 8000 })
            assert.include(status, answer.status)
            if (errorType !== undefined) assert.include(errorType, answer.json?.["error_type"])
            assert.isFalse(/"order_id":"\d{15,19}"/.test(answer.text))
            const { order, request } = yield* recordOf("LOST")
            assert.strictEqual(request?.outcome, isTaken ? "lost_taken" : "lost_not_taken")
            assert.strictEqual(request?.fault, kind)
            assert.isTrue(request?.counted)
            assert.strictEqual(order !== undefined, isTaken)
            yield* TestClock.adjust("7999 millis")
            assert.isUndefined(yield* kite.row("LOST"))
            yield* TestClock.adjust("1 millis")
            assert.strictEqual((yield* kite.row("LOST"))?.status, isTaken ? "PUT ORDER REQ RECEIVED" : undefined)
          }).pipe(Effect.provide(simulator()))
      )
    }
  }

  for (const kind of ["silence", "silence_before"] as const) {
    it.effect(`${kind}: never answers`, () =>
      Effect.gen(function* () {
        const kite = yield* Kite
        const waiting = yield* Effect.forkChild(meeting("QUIET", { kind, delayMillis: 0 }))
        yield* eventually("it was asked", recordOf("QUIET"), ({ request }) => request !== undefined)
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual((yield* kite.row("QUIET"))?.status, kind === "silence" ? "COMPLETE" : undefined)
        assert.isUndefined(waiting.pollUnsafe())
        yield* Fiber.interrupt(waiting)
      }).pipe(Effect.provide(simulator()))
    )
  }

  it.effect("delays an order by at most the maximum when the script names no delay", () =>
    Effect.gen(function* () {
      const simulator = yield* KiteSimulator
      const kite = yield* Kite
      const tags = Array.from({ length: 9 }, (_, index) => `D${index}`)
      yield* simulator.script(tags.map(() => ({ kind: "drop_after" })))
      yield* Effect.forEach(tags, (tag) => kite.place(tag))
      const late = (yield* simulator.ledger).orders.map(
        ({ receivedAt, visibleAt }) => (visibleAt ?? Number.NaN) - receivedAt
      )
      assert.isTrue(late.every((millis) => millis >= 0 && millis <= 60_000))
      assert.isAbove(new Set(late).size, 3)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* kite.rows).length, 9)
    }).pipe(Effect.provide(simulator({ maxDelay: Duration.seconds(60) })))
  )
})

describe("a fault with a known outcome", () => {
  it.effect("rate_limited: answers 429 although below the limit", () =>
    Effect.gen(function* () {
      const answer = yield* meeting("R", { kind: "rate_limited" })
      assert.strictEqual(answer.status, 429)
      assert.deepInclude(answer.json, { error_type: "NetworkException", message: "Too many requests" })
      const { order, request } = yield* recordOf("R")
      assert.isUndefined(order)
      assert.strictEqual(request?.outcome, "limited")
      assert.strictEqual((yield* (yield* KiteSimulator).summary).overLimit, 0)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("rate_limited_html and daily_cap: answer 429 with other bodies", () =>
    Effect.gen(function* () {
      const html = yield* meeting("H", { kind: "rate_limited_html" })
      assert.deepStrictEqual([html.status, html.json], [429, null])
      const cap = yield* meeting("C", { kind: "daily_cap" })
      assert.include([400, 429], cap.status)
      assert.strictEqual(cap.json?.["message"], "Maximum allowed order requests exceeded")
      assert.deepStrictEqual((yield* (yield* KiteSimulator).ledger).orders, [])
    }).pipe(Effect.provide(simulator()))
  )

  for (const [kind, status, errorType] of [
    ["refused_margin", 400, "MarginException"],
    ["refused_holding_428", 428, "HoldingException"],
    ["refused_permission_403", 403, "PermissionException"]
  ] as const) {
    it.effect(`${kind}: does not take the order`, () =>
      Effect.gen(function* () {
        const answer = yield* meeting("M", { kind })
        assert.strictEqual(answer.status, status)
        assert.strictEqual(answer.json?.["error_type"], errorType)
        assert.isUndefined((yield* recordOf("M")).order)
      }).pipe(Effect.provide(simulator()))
    )
  }

  it.effect("session faults: fail the profile and the exchange of a token, but not orders", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const { script } = yield* KiteSimulator
      yield* script([{ kind: "session_503" }, { kind: "session_html" }])
      assert.strictEqual((yield* kite.call("GET", "/user/profile")).status, 503)
      assert.isNull((yield* kite.call("GET", "/user/profile")).json)
      assert.strictEqual((yield* kite.call("GET", "/user/profile")).status, 200)
      yield* script([{ kind: "session_silent" }])
      assert.strictEqual((yield* kite.place("O")).status, 200)
      const waiting = yield* Effect.forkChild(kite.call("GET", "/user/profile"))
      yield* eventually(
        "it was asked",
        (yield* KiteSimulator).ledger,
        ({ requests }) => requests.at(-1)?.status === null
      )
      assert.isUndefined(waiting.pollUnsafe())
      yield* Fiber.interrupt(waiting)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("slow: answers after its delay", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(meeting("S", { kind: "slow", delayMillis: 2000 }))
      yield* eventually("it was asked", recordOf("S"), ({ request }) => request !== undefined)
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
    }).pipe(Effect.provide(simulator()))
  )
})

describe("a fault in the life of an order", () => {
  const statusesOf = (tag: string, waits: ReadonlyArray<Duration.Input>) =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const seen: Array<string | undefined> = []
      for (const wait of waits) {
        yield* TestClock.adjust(wait)
        seen.push((yield* kite.row(tag))?.status)
      }
      return seen
    })

  it.effect("rejected_late: acknowledges, then shows REJECTED with a reason", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* meeting("L", { kind: "rejected_late" })).status, 200)
      assert.deepStrictEqual(yield* statusesOf("L", ["100 millis", "1 second", "18 hours"]), [
        "VALIDATION PENDING",
        "REJECTED",
        "REJECTED"
      ])
    }).pipe(Effect.provide(simulator({ tokensExpire: false })))
  )

  it.effect("partial_fill: leaves the order partly filled until it is cancelled with its fill", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* meeting("P", { kind: "partial_fill" })
      yield* TestClock.adjust("1 second")
      const row = yield* kite.row("P")
      const filled = row?.filled_quantity ?? 0
      assert.deepInclude(row, { status: "OPEN", average_price: 0 })
      assert.isTrue(filled > 0 && filled < 100)
      yield* kite.call("DELETE", `/orders/regular/${row?.order_id}`)
      yield* TestClock.adjust("1 second")
      const ended = yield* kite.row("P")
      assert.deepInclude(ended, { status: "CANCELLED", filled_quantity: filled })
      assert.strictEqual(ended?.average_price, 0)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("stuck_pending: keeps the order pending for long, then continues", () =>
    Effect.gen(function* () {
      yield* meeting("K", { kind: "stuck_pending", delayMillis: 90_000 })
      assert.deepStrictEqual(yield* statusesOf("K", ["89 seconds", "2 seconds"]), [
        "PUT ORDER REQ RECEIVED",
        "COMPLETE"
      ])
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("unknown_status: shows an unknown status for a while", () =>
    Effect.gen(function* () {
      yield* meeting("U", { kind: "unknown_status", delayMillis: 5000 })
      assert.deepStrictEqual(yield* statusesOf("U", ["1 second", "5 seconds"]), ["TRANSIT PENDING", "COMPLETE"])
    }).pipe(Effect.provide(simulator()))
  )
})

describe("a read of the order list", () => {
  const look = (step: ScriptStep) =>
    Effect.gen(function* () {
      yield* (yield* KiteSimulator).script([step])
      return yield* (yield* Kite).call("GET", "/orders")
    })

  it.effect("has no rows with book_503, book_html and book_truncated", () =>
    Effect.gen(function* () {
      yield* (yield* Kite).place("B")
      assert.strictEqual((yield* look({ kind: "book_503" })).status, 503)
      assert.isNull((yield* look({ kind: "book_html" })).json)
      assert.isNull((yield* look({ kind: "book_truncated" })).json)
      assert.strictEqual((yield* (yield* Kite).rows).length, 1)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("has every row with book_odd_row, and one of them is odd in many ways", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      for (const tag of ["A", "B", "C"]) yield* kite.place(tag)
      yield* TestClock.adjust("5 seconds")
      const good = new Set((yield* kite.rows).map((row) => JSON.stringify(row)))
      const seen = new Set<string>()
      for (let look = 0; look < 60; look++) {
        yield* (yield* KiteSimulator).script([{ kind: "book_odd_row" }])
        const rows = yield* kite.rows
        const odd = rows.map((row) => JSON.stringify(row)).filter((row) => !good.has(row))
        assert.isAbove(odd.length, 0)
        assert.isAtLeast(rows.length - odd.length, 2)
        for (const row of odd) {
          const found = /3000000000|quantity":-1|1e\+300|NaN|DROP TABLE|"status":17|"tag":5|not a row/.exec(row)
          if (found !== null) seen.add(found[0])
        }
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(seen.size, 8, [...seen].join(" "))
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("misses orders of the last seconds with book_stale", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("OLD")
      yield* TestClock.adjust("5 seconds")
      yield* kite.place("NEW")
      const stale = yield* look({ kind: "book_stale", delayMillis: 3000 })
      assert.include(stale.text, "OLD")
      assert.notInclude(stale.text, "NEW")
      assert.strictEqual((yield* kite.rows).length, 2)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("goes by the time at which an order was listed, not sent, with book_stale", () =>
    Effect.gen(function* () {
      yield* meeting("LATE", { kind: "drop_after", delayMillis: 8000 })
      yield* TestClock.adjust("9 seconds")
      assert.notInclude((yield* look({ kind: "book_stale", delayMillis: 3000 })).text, "LATE")
      assert.include((yield* (yield* Kite).call("GET", "/orders")).text, "LATE")
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("has only the orders of the day in India", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("YESTERDAY", resting)
      const order = yield* kite.row("YESTERDAY")
      // 05:30 in India plus 18 hours.
      yield* TestClock.adjust(Duration.millis(18.5 * 3_600_000 - 1))
      assert.lengthOf(yield* kite.rows, 1)
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(yield* kite.rows, 0)
      assert.lengthOf(rowsOf((yield* kite.call("GET", "/trades")).json), 0)
      const cancel = yield* kite.call("DELETE", `/orders/regular/${order?.order_id}`)
      assert.strictEqual(cancel.json?.["message"], "Couldn't find that `order_id`.")
      assert.lengthOf((yield* (yield* KiteSimulator).ledger).orders, 1)
    }).pipe(Effect.provide(simulator({ tokensExpire: false })))
  )

  it.effect("is allowed ten times a second", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      const looks = Array.from({ length: 11 }, () => Effect.map(kite.call("GET", "/orders"), ({ status }) => status))
      assert.deepStrictEqual((yield* Effect.all(looks)).slice(9), [200, 429])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* kite.call("GET", "/orders")).status, 200)
    }).pipe(Effect.provide(simulator({ lookupsPerSecond: 10 })))
  )

  it.effect("is delayed with book_slow", () =>
    Effect.gen(function* () {
      const { ledger } = yield* KiteSimulator
      const waiting = yield* Effect.forkChild(look({ kind: "book_slow", delayMillis: 2000 }))
      yield* eventually("it was asked", ledger, ({ requests }) => requests.length === 1)
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
    }).pipe(Effect.provide(simulator()))
  )
})

describe("script and plan", () => {
  it.effect("apply a step with a tag to the order with that tag", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* (yield* KiteSimulator).script([{ kind: "server_error_500", tag: "B" }, { kind: "unavailable_503" }])
      const statuses = yield* Effect.forEach(["A", "B", "C"], (tag) => kite.place(tag))
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [503, 500, 200]
      )
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("cancel an order although the answer to the cancel is lost", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("C", resting)
      yield* TestClock.adjust("1 second")
      yield* (yield* KiteSimulator).script([{ kind: "drop_after", on: "cancel" }])
      const order = yield* kite.row("C")
      assert.isNull((yield* kite.call("DELETE", `/orders/regular/${order?.order_id}`)).status)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* kite.row("C"))?.status, "CANCELLED")
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("make the planned share of requests fail", () =>
    Effect.gen(function* () {
      const simulator = yield* KiteSimulator
      const kite = yield* Kite
      const kinds = Object.keys(everyFault(0.4))
      assert.strictEqual(kinds.length, 33)
      yield* simulator.setFaults({ server_error_500: 0.2, timed_out_400: 0.2 })
      yield* Effect.forEach(
        Array.from({ length: 400 }, (_, index) => `P${index}`),
        (tag) => kite.place(tag),
        { concurrency: 4 }
      )
      const { faults } = yield* simulator.summary
      const [failed = 0, timedOut = 0] = [faults.server_error_500, faults.timed_out_400]
      assert.isTrue(failed > 50 && failed < 110 && timedOut > 50 && timedOut < 110)
    }).pipe(
      Effect.provide(simulator({ limits: { perSecond: 1000, perMinute: 1000, perDay: 1000, modifications: 25 } }))
    )
  )
})
