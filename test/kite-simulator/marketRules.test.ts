import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { KiteSimulator, type SimulatorOptions } from "../../src/kite-simulator/KiteSimulator.ts"
import { ask, Kite, type Response, simulator } from "./kite.ts"

type Form = { readonly [name: string]: string }

/** At a time in India of a day: by default Tuesday, 1 December 2026. */
const at = (time: string, options: Partial<SimulatorOptions> = {}, day = "2026-12-01") =>
  simulator({ marketHours: true, startsAtMillis: Date.parse(`${day}T${time}:00+05:30`), ...options })

const limit = (price: number | string, form: Form = {}): Form => ({
  order_type: "LIMIT",
  price: String(price),
  ...form
})
/** A limit that the market reaches, and one that it does not. */
const [high, low] = [limit(100_000), limit(1)]
const nifty: Form = { exchange: "NFO", tradingsymbol: "NIFTY26DECFUT", quantity: "65", product: "NRML" }
const small: Form = { tradingsymbol: "WIPRO" }

/** What Kite answers to a placement: its words if it refuses, else the status and words of the row some seconds later. */
const outcome = (form: Form) =>
  Effect.gen(function* () {
    const kite = yield* Kite
    const { status, json } = yield* kite.place("T", form)
    if (status !== 200) return `${status} ${String(json?.["error_type"])}: ${String(json?.["message"])}`
    yield* TestClock.adjust("2 seconds")
    const row = yield* kite.row("T")
    return [row?.status, row?.status_message].filter((text) => typeof text === "string").join(": ")
  })

const later = (time: string) =>
  Effect.gen(function* () {
    const { url } = yield* KiteSimulator
    yield* ask(`${url}/simulator/clock`, { method: "POST", body: JSON.stringify({ at: time }) })
    const kite = yield* Kite
    return yield* Effect.map(kite.row("T"), (row) => `${row?.status} ${row?.filled_quantity}`)
  })

const amo = "400 InputException: Markets are closed right now. Try placing an AMO order."
const notNow = "REJECTED: Market orders are currently not allowed."
const noEntry = "REJECTED: Order entry is currently not allowed."
const notAuctioned = "REJECTED: This order is not allowed in the closing auction session."
const blocked = (symbol: string, product: string) =>
  `400 InputException: MIS orders are currently blocked for ${symbol}. Place a ${product} order instead.`

describe("a simulator with market hours", () => {
  const cases: ReadonlyArray<readonly [time: string, what: string, form: Form, outcome: string, day?: string]> = [
    ["08:59", "before the pre-open", high, amo],
    ["09:04", "MARKET in the pre-open", {}, "OPEN"],
    ["09:05", "MARKET at its end", {}, notNow],
    ["09:05", "MARKET at its end, before September 2026", {}, "OPEN", "2026-09-04"],
    ["09:05", "LIMIT at its end", high, "OPEN"],
    ["09:08", "before the open", high, noEntry],
    ["09:14", "a future before the open", nifty, amo],
    ["09:15", "at the open", {}, "COMPLETE"],
    ["15:12", "MIS after the square-off", { product: "MIS" }, blocked("RELIANCE", "CNC")],
    ["15:12", "MIS of a share without derivatives", { ...small, product: "MIS" }, "COMPLETE"],
    ["15:20", "MIS of it after the square-off", { ...small, product: "MIS" }, blocked("WIPRO", "CNC")],
    ["15:25", "MIS of a future", { ...nifty, product: "MIS" }, blocked("NIFTY26DECFUT", "NRML")],
    ["15:14", "the last minute", {}, "COMPLETE"],
    ["15:15", "between close and auction", high, noEntry],
    ["15:15", "a share without derivatives", small, "COMPLETE"],
    ["15:15", "a share before August 2026", {}, "COMPLETE", "2026-07-31"],
    ["15:20", "MARKET in the auction", {}, "OPEN"],
    ["15:20", "IOC in the auction", { validity: "IOC" }, notAuctioned],
    ["15:20", "a disclosed quantity in the auction", { ...high, disclosed_quantity: "20" }, notAuctioned],
    ["15:25", "MARKET in its last minutes", {}, notNow],
    ["15:25", "LIMIT in its last minutes", high, "OPEN"],
    ["15:28", "after its end", high, noEntry],
    ["15:30", "after the match", high, amo],
    ["15:30", "a share without derivatives after its close", small, amo],
    ["15:39", "a future", nifty, "COMPLETE"],
    ["15:40", "a future after its close", nifty, amo],
    ["23:54", "MCX in the winter", { ...nifty, exchange: "MCX", tradingsymbol: "GOLDPETAL26DECFUT" }, "COMPLETE"],
    ["12:00", "a holiday", high, amo, "2026-12-25"]
  ]
  for (const [time, what, form, expected, day] of cases) {
    it.effect(`${time}: ${what}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* outcome(form), expected)
      }).pipe(Effect.provide(at(time, {}, day)))
    )
  }

  const ends: ReadonlyArray<
    readonly [what: string, time: string, form: Form, ...ReadonlyArray<readonly [string, string]>]
  > = [
    ["matches the pre-open at the open", "09:01", {}, ["09:14", "OPEN 0"], ["09:16", "COMPLETE 100"]],
    [
      "cancels open MIS orders at the square-off",
      "15:00",
      { ...low, product: "MIS" },
      ["15:11", "OPEN 0"],
      ["15:12", "CANCELLED 0"]
    ],
    [
      "cancels stop-loss orders at 15:15",
      "15:00",
      { ...low, order_type: "SL", trigger_price: "99999" },
      ["15:14", "TRIGGER PENDING 0"],
      ["15:15", "CANCELLED 0"]
    ],
    [
      "carries a limit order into the auction and cancels what it does not match",
      "15:00",
      low,
      ["15:29", "OPEN 0"],
      ["15:30", "CANCELLED 0"]
    ],
    ["matches the auction at its end", "15:21", high, ["15:29", "OPEN 0"], ["15:30", "COMPLETE 100"]],
    ["cancels the rest at the close", "15:00", { ...small, ...low }, ["15:29", "OPEN 0"], ["15:30", "CANCELLED 0"]]
  ]
  for (const [what, time, form, ...moments] of ends) {
    it.effect(what, () =>
      Effect.gen(function* () {
        yield* outcome(form)
        for (const [moment, expected] of moments) assert.strictEqual(yield* later(moment), expected, moment)
      }).pipe(Effect.provide(at(time)))
    )
  }

  it.effect("does not take a change to MARKET at the end of the pre-open", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* outcome(low)
      const row = yield* kite.row("T")
      const change = (form: Form) => kite.call("PUT", `/orders/regular/${row?.order_id}`, form)
      assert.strictEqual((yield* change({ price: "2" })).status, 200)
      yield* TestClock.adjust("2 seconds")
      const refused = yield* change({ order_type: "MARKET", market_protection: "-1" })
      assert.strictEqual(refused.json?.["message"], "Market orders are currently not allowed.")
    }).pipe(Effect.provide(at("09:06")))
  )

  it.effect("fills at night without them", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* outcome({}), "COMPLETE")
    }).pipe(Effect.provide(at("02:00", { marketHours: false })))
  )
})

describe("a share that is settled trade by trade", () => {
  it.effect("is taken with CNC only", () =>
    Effect.gen(function* () {
      const share = { tradingsymbol: "CENTRALBK-BE" }
      assert.strictEqual(
        yield* outcome({ ...share, product: "MIS" }),
        "400 InputException: MIS orders are not allowed for NSE:CENTRALBK-BE. Place a CNC order instead."
      )
      assert.strictEqual(yield* outcome(share), "COMPLETE")
    }).pipe(Effect.provide(simulator()))
  )
})

const quotesOf = (json: Response["json"]) =>
  (json?.["data"] ?? {}) as { readonly [instrument: string]: { readonly [field: string]: number } }

describe("price bands", () => {
  const band = Effect.gen(function* () {
    const kite = yield* Kite
    const { json } = yield* kite.call("GET", "/quote?i=NSE:RELIANCE")
    const quote = quotesOf(json)["NSE:RELIANCE"]
    const [lower, upper] = [quote?.["lower_circuit_limit"] ?? 0, quote?.["upper_circuit_limit"] ?? 0]
    return { lower, upper, last: quote?.["last_price"] ?? 0 }
  })

  it.effect("are in the quote, and no order may be priced outside of them", () =>
    Effect.gen(function* () {
      const { last, lower, upper } = yield* band
      assert.isTrue(lower < last && last < upper)
      assert.closeTo(upper / lower, 1.1 / 0.9, 0.001)
      const refused = (words: string) => `400 InputException: ${words}`
      const [below, above] = [(lower - 0.05).toFixed(2), (upper + 0.05).toFixed(2)]
      assert.strictEqual(
        yield* outcome(limit(below)),
        refused(`Your order price is below the lower circuit limit of ${lower.toFixed(2)}.`)
      )
      assert.strictEqual(
        yield* outcome(limit(above)),
        refused(`Your order price is above the upper circuit limit of ${upper.toFixed(2)}.`)
      )
      assert.strictEqual(
        yield* outcome(limit(lower, { order_type: "SL", transaction_type: "SELL", trigger_price: below })),
        refused(
          "Trigger price for stoploss sell orders cannot be below the lower circuit price. " +
            `Please try placing the order with trigger price above ${lower.toFixed(2)}.`
        )
      )
      assert.strictEqual(yield* outcome(limit(upper)), "COMPLETE")
    }).pipe(Effect.provide(at("12:00", { priceBandPercent: 10 })))
  )

  it.effect("are narrower in the closing auction", () =>
    Effect.gen(function* () {
      const { lower, upper } = yield* band
      assert.closeTo(upper / lower, 1.03 / 0.97, 0.001)
    }).pipe(Effect.provide(at("15:21", { priceBandPercent: 10 })))
  )
})

describe("the simulator's clock", () => {
  it.effect("starts where it is told to, and goes on to a moment, never back", () =>
    Effect.gen(function* () {
      const { url } = yield* KiteSimulator
      const move = (body: unknown) => ask(`${url}/simulator/clock`, { method: "POST", body: JSON.stringify(body) })
      assert.strictEqual((yield* move({ at: "15:14" })).status, 200)
      yield* TestClock.adjust(Duration.minutes(1))
      assert.deepStrictEqual(
        [(yield* move({ at: "09:00" })).text, (yield* move({ at: "noon" })).status],
        [JSON.stringify({ message: "The simulator's clock is at 2026-12-01 15:15:00, and never goes back" }), 400]
      )
    }).pipe(Effect.provide(at("09:00")))
  )
})
