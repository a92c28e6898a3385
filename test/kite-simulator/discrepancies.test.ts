import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import {
  everyDiscrepancy,
  KiteSimulator,
  type PersonAction,
  type ScriptStep
} from "../../src/kite-simulator/KiteSimulator.ts"
import { ask, Kite, resting, rowsOf, simulator } from "./kite.ts"

/** Places an order of 100 that meets the discrepancy. */
const meeting = (step: ScriptStep, changes: { readonly [name: string]: string } = {}) =>
  Effect.gen(function* () {
    yield* (yield* KiteSimulator).script([step])
    const answer = yield* (yield* Kite).place("T", changes)
    assert.strictEqual(answer.status, 200)
    return /"order_id":"(\d+)"/.exec(answer.text)?.[1] ?? assert.fail(answer.text)
  })

const cancel = (orderId: string) => Effect.flatMap(Kite, (kite) => kite.call("DELETE", `/orders/regular/${orderId}`))

/** Status and filled of the rows with the tag, sorted. */
const shown = (tag = "T") =>
  Effect.map(
    Effect.flatMap(Kite, ({ rows }) => rows),
    (rows) =>
      rows
        .filter(({ tags }) => tags.includes(tag))
        .map(({ status, filled_quantity, quantity }) => `${status} ${filled_quantity} of ${quantity}`)
        .toSorted()
  )

/** The same of the ledger. */
const truth = Effect.map(
  Effect.flatMap(KiteSimulator, ({ ledger }) => ledger),
  ({ orders }) =>
    orders
      .filter(({ tag }) => tag === "T")
      .map(({ status, filledQuantity, quantity }) => `${status} ${filledQuantity} of ${quantity}`)
)

const traded = (orderId: string) =>
  Effect.map(
    Effect.flatMap(Kite, (kite) => kite.call("GET", `/orders/${orderId}/trades`)),
    ({ json }) => rowsOf<{ quantity: number }>(json).reduce((sum, { quantity }) => sum + quantity, 0)
  )

const filledNow = Effect.map(
  Effect.flatMap(Kite, (kite) => kite.row("T")),
  (row) => row?.filled_quantity ?? 0
)

const after = (wait: Duration.Input) => TestClock.adjust(wait)

const test = (name: string, body: Effect.Effect<void, unknown, Kite | KiteSimulator>) =>
  it.effect(name, () => body.pipe(Effect.provide(simulator({ tokensExpire: false }))))

describe("an order list that is wrong", () => {
  test(
    "absent: never has an order that was acknowledged, in no look-up",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "absent" })
      yield* after("10 hours")
      assert.deepStrictEqual(yield* shown(), [])
      assert.strictEqual((yield* (yield* Kite).call("GET", `/orders/${orderId}`)).status, 400)
      const [order] = (yield* (yield* KiteSimulator).ledger).orders
      assert.deepInclude(order, { orderId, told: true, visibleAt: null, status: null, filledQuantity: 0 })
    })
  )

  test(
    "absent: has it after the time of the script",
    Effect.gen(function* () {
      yield* meeting({ kind: "absent", delayMillis: 300_000 })
      yield* after("299 seconds")
      assert.deepStrictEqual(yield* shown(), [])
      yield* after("2 seconds")
      assert.deepStrictEqual(yield* shown(), ["COMPLETE 100 of 100"])
    })
  )

  test(
    "resurrected: shows CANCELLED, and an hour later COMPLETE; the ledger knows of the fill at once",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "resurrected", delayMillis: 3_600_000 })
      yield* after("1 minute")
      assert.deepStrictEqual(yield* shown(), ["OPEN 0 of 100"])
      yield* cancel(orderId)
      yield* after("59 minutes")
      assert.deepStrictEqual(yield* shown(), ["CANCELLED 0 of 100"])
      assert.deepStrictEqual(yield* truth, ["COMPLETE 100 of 100"])
      assert.strictEqual(yield* traded(orderId), 0)
      yield* after("2 minutes")
      assert.deepStrictEqual(yield* shown(), ["COMPLETE 100 of 100"])
      assert.strictEqual(yield* traded(orderId), 100)
    })
  )

  test(
    "complete_unfilled: shows COMPLETE with less than the quantity, and the fill later",
    Effect.gen(function* () {
      yield* meeting({ kind: "complete_unfilled", quantity: 0, delayMillis: 3000 })
      yield* after("1 second")
      assert.deepInclude(yield* (yield* Kite).row("T"), { status: "COMPLETE", filled_quantity: 0, average_price: 0 })
      assert.deepStrictEqual(yield* truth, ["COMPLETE 100 of 100"])
      yield* after("3 seconds")
      assert.deepStrictEqual(yield* shown(), ["COMPLETE 100 of 100"])
      assert.isAbove((yield* (yield* Kite).row("T"))?.average_price ?? 0, 0)
    })
  )

  test(
    "overfilled: shows more filled than the quantity, for ever or for a time",
    Effect.gen(function* () {
      yield* meeting({ kind: "overfilled", quantity: 130 })
      yield* after("10 hours")
      assert.deepStrictEqual(yield* shown(), ["COMPLETE 130 of 100"])
      assert.deepStrictEqual(yield* truth, ["COMPLETE 100 of 100"])
    })
  )

  test(
    "rejected_filled: shows REJECTED with a fill, which is true",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "rejected_filled" })
      yield* after("1 second")
      const filled = yield* filledNow
      assert.isTrue(filled > 0 && filled < 100)
      assert.deepStrictEqual(yield* shown(), [`REJECTED ${filled} of 100`])
      assert.deepStrictEqual(yield* truth, [`REJECTED ${filled} of 100`])
      assert.strictEqual(yield* traded(orderId), filled)
    })
  )

  test(
    "listed_twice: has the same row twice in every look",
    Effect.gen(function* () {
      yield* meeting({ kind: "listed_twice" })
      yield* after("1 second")
      const rows = yield* (yield* Kite).rows
      assert.lengthOf(rows, 2)
      assert.deepStrictEqual(rows[0], rows[1])
      assert.deepStrictEqual(yield* truth, ["COMPLETE 100 of 100"])
    })
  )

  test(
    "older_beside: has an older state of the same order beside the newer one, before it or after it",
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* meeting({ kind: "older_beside" })
      yield* after("1 second")
      const seen = new Set<string>()
      for (let look = 0; look < 12; look++) {
        const rows = yield* kite.rows
        assert.strictEqual(new Set(rows.map(({ order_id }) => order_id)).size, 1)
        seen.add(rows.map(({ status }) => status).join(" "))
      }
      assert.deepStrictEqual([...seen].toSorted(), ["COMPLETE OPEN", "OPEN COMPLETE"])
    })
  )

  test(
    "stale_row: shows the state before the last one once more, for one look",
    Effect.gen(function* () {
      yield* meeting({ kind: "stale_row" })
      yield* after("1 second")
      const looks: Array<string | undefined> = []
      for (let look = 0; look < 4; look++) looks.push((yield* (yield* Kite).row("T"))?.status)
      assert.deepStrictEqual(looks, ["COMPLETE", "OPEN", "COMPLETE", "COMPLETE"])
    })
  )

  test(
    "rejected_twin: has a REJECTED order with the same tag, which the summary does not count as a double",
    Effect.gen(function* () {
      yield* meeting({ kind: "rejected_twin" })
      assert.deepStrictEqual(yield* shown(), ["PUT ORDER REQ RECEIVED 0 of 100", "REJECTED 0 of 100"])
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown(), ["COMPLETE 100 of 100", "REJECTED 0 of 100"])
      const { ledger, summary } = yield* KiteSimulator
      assert.deepStrictEqual(
        (yield* ledger).orders.map(({ by }) => by),
        ["broker", "client"]
      )
      assert.deepInclude(yield* summary, { orders: 2, tags: 1, tagsWithTwoOrders: [] })
    })
  )
})

describe("trades that disagree with the row", () => {
  test(
    "trades_fewer: fewer are traded than filled, for ever, also when the rest is cancelled",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "trades_fewer" })
      yield* after("1 second")
      const filled = yield* filledNow
      assert.strictEqual(yield* traded(orderId), Math.floor(filled / 2))
      yield* cancel(orderId)
      yield* after("10 hours")
      assert.deepStrictEqual(yield* shown(), [`CANCELLED ${filled} of 100`])
      assert.strictEqual(yield* traded(orderId), Math.floor(filled / 2))
      assert.deepStrictEqual(yield* truth, [`CANCELLED ${filled} of 100`])
    })
  )

  test(
    "trades_fewer: as many as the script says, and all after its time",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "trades_fewer", quantity: 1, delayMillis: 60_000 })
      yield* after("1 second")
      assert.strictEqual(yield* traded(orderId), 1)
      yield* after("1 minute")
      assert.strictEqual(yield* traded(orderId), yield* filledNow)
    })
  )

  test(
    "trades_late: there are none for a while",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "trades_late", delayMillis: 60_000 })
      yield* after("59 seconds")
      assert.isAbove(yield* filledNow, 0)
      assert.strictEqual(yield* traded(orderId), 0)
      yield* after("2 seconds")
      assert.strictEqual(yield* traded(orderId), yield* filledNow)
    })
  )
})

describe("a refused cancel", () => {
  test(
    "is answered as the script says, also when the order is over, and counts towards the limits",
    Effect.gen(function* () {
      const refusal = { status: 403, errorType: "PermissionException", message: "IP not listed" }
      const orderId = yield* meeting({ kind: "cancel_refused", refusal })
      yield* after("1 hour")
      const answer = yield* cancel(orderId)
      assert.strictEqual(answer.status, 403)
      assert.deepInclude(answer.json, { error_type: "PermissionException", message: "IP not listed" })
      assert.deepStrictEqual(yield* shown(), ["OPEN 0 of 100"])
      const request = (yield* (yield* KiteSimulator).ledger).requests.find(({ method }) => method === "DELETE")
      assert.deepInclude(request, { outcome: "refused", fault: "cancel_refused", counted: true })
    })
  )

  test(
    "is one of two of Kite's, until the time of the script is over",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "cancel_refused", delayMillis: 60_000 })
      yield* after("59 seconds")
      assert.match(String((yield* cancel(orderId)).json?.["message"]), /being processed|is not allowed/)
      yield* after("1 second")
      assert.strictEqual((yield* cancel(orderId)).status, 200)
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown(), ["CANCELLED 0 of 100"])
    })
  )
})

describe("a person at the broker's app", () => {
  const person = (action: PersonAction) => Effect.flatMap(KiteSimulator, (simulator) => simulator.person(action))

  test(
    "person_cancels: cancels the open order",
    Effect.gen(function* () {
      yield* meeting({ kind: "person_cancels", delayMillis: 2000 })
      yield* after("2 seconds")
      assert.deepStrictEqual(yield* shown(), ["OPEN 0 of 100"])
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown(), ["CANCELLED 0 of 100"])
      assert.deepStrictEqual(yield* truth, ["CANCELLED 0 of 100"])
    })
  )

  for (const quantity of [40, 250]) {
    test(
      `person_changes_quantity: changes it to ${quantity}, which is filled`,
      Effect.gen(function* () {
        yield* meeting({ kind: "person_changes_quantity", quantity, delayMillis: 2000 })
        yield* after("2 seconds")
        assert.deepStrictEqual(yield* shown(), ["OPEN 0 of 100"])
        yield* after("1 second")
        assert.deepStrictEqual(yield* shown(), [`COMPLETE ${quantity} of ${quantity}`])
        assert.deepStrictEqual(yield* truth, [`COMPLETE ${quantity} of ${quantity}`])
      })
    )
  }

  test(
    "person_changes_quantity: leaves an order open whose price is not reached, and a cancel keeps the new quantity",
    Effect.gen(function* () {
      const orderId = yield* meeting({ kind: "person_changes_quantity", quantity: 40, delayMillis: 2000 }, resting)
      yield* after("3 seconds")
      assert.deepStrictEqual(yield* shown(), ["OPEN 0 of 40"])
      yield* cancel(orderId)
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown(), ["CANCELLED 0 of 40"])
    })
  )

  test(
    "person_uses_tag and person_invents_tag: place an order of their own",
    Effect.gen(function* () {
      yield* meeting({ kind: "person_uses_tag", delayMillis: 5000 })
      yield* (yield* KiteSimulator).script([{ kind: "person_invents_tag", delayMillis: 5000 }])
      yield* (yield* Kite).place("U")
      yield* after("4 seconds")
      assert.deepStrictEqual([yield* shown("T"), yield* shown("U")], [["COMPLETE 100 of 100"], ["COMPLETE 100 of 100"]])
      yield* after("2 seconds")
      assert.deepStrictEqual(yield* shown("T"), ["COMPLETE 100 of 100", "COMPLETE 100 of 100"])
      const tags = (yield* (yield* Kite).rows).map(({ tags }) => tags[0] ?? "")
      assert.strictEqual(tags.filter((tag) => /^PB[0-9A-Z]{18}$/.test(tag)).length, 1)
      assert.deepStrictEqual((yield* (yield* KiteSimulator).summary).tagsWithTwoOrders, [])
    })
  )

  test(
    "acts at once by the control interface, and is told why not",
    Effect.gen(function* () {
      const { url } = yield* KiteSimulator
      const kite = yield* Kite
      const post = (action: unknown) => ask(`${url}/simulator/person`, { method: "POST", body: JSON.stringify(action) })
      yield* kite.place("T", resting)
      yield* after("1 second")
      assert.strictEqual((yield* post({ does: "change_quantity", order: "T", quantity: 25 })).status, 200)
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown(), ["OPEN 0 of 25"])
      assert.strictEqual((yield* post({ does: "cancel", order: "T" })).status, 200)
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown(), ["CANCELLED 0 of 25"])
      const form = { exchange: "NSE", tradingsymbol: "INFY", transaction_type: "SELL", product: "CNC", tag: "P" }
      const terms = { order_type: "LIMIT", price: "0.05", quantity: "7" }
      yield* person({ does: "place", form: { ...form, ...terms } })
      yield* after("1 second")
      assert.deepStrictEqual(yield* shown("P"), ["COMPLETE 7 of 7"])
      for (const [action, message] of [
        [{ does: "cancel", order: "T" }, /no open order T/],
        [{ does: "change_quantity", order: "T", quantity: 0 }, /quantity/],
        [{ does: "place", form: { ...form, ...terms, quantity: "0" } }, /quantity/]
      ] as const) {
        const answer = yield* post(action)
        assert.strictEqual(answer.status, 400)
        assert.match(String(answer.json?.["message"]), message)
      }
      assert.deepStrictEqual(
        (yield* (yield* KiteSimulator).ledger).orders.map(({ by }) => by),
        ["client", "person"]
      )
    })
  )
})

describe("the plan of discrepancies", () => {
  const day = Effect.gen(function* () {
    const { ledger, summary } = yield* KiteSimulator
    const kite = yield* Kite
    const seen: Array<string> = []
    for (let index = 0; index < 160; index++) {
      yield* kite.place(`S${index}`)
      yield* after("2 seconds")
      if (index % 20 === 0) seen.push((yield* kite.call("GET", "/orders")).text)
    }
    return { seen, ledger: yield* ledger, summary: yield* summary }
  }).pipe(Effect.provide(simulator({ faults: everyDiscrepancy(0.8), tokensExpire: false })))

  it.effect("meets its share of the placements, with every kind, and the same for the same seed", () =>
    Effect.gen(function* () {
      const first = yield* day
      const counts = Object.values(first.summary.faults)
      assert.lengthOf(counts, Object.keys(everyDiscrepancy(1)).length)
      const sum = counts.reduce((sum, count) => sum + count, 0)
      assert.isTrue(sum > 100 && sum < 155, `${sum}`)
      assert.deepStrictEqual(first.summary.tagsWithTwoOrders, [])
      yield* TestClock.setTime(0)
      assert.deepStrictEqual(yield* day, first)
    })
  )
})
