import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { KiteConnect, KiteTicker } from "kiteconnect"
import { KiteSimulator, type ScriptStep } from "../../src/kite-simulator/KiteSimulator.ts"
import { eventually } from "../support/processes.ts"
import { ask, simulator } from "./kite.ts"

/** The client's timeout of an answer in milliseconds of the host's time, instead of its default of seven seconds. */
const timeoutMillis = 3_600_000

/** The vendor's own client, logged in. */
const client = Effect.gen(function* () {
  const { url, issueToken } = yield* KiteSimulator
  return new KiteConnect({
    api_key: "simulator-key",
    root: url,
    access_token: yield* issueToken,
    timeout: timeoutMillis
  })
})

type Client = Effect.Success<typeof client>

const call = <A>(ask: () => Promise<A>): Effect.Effect<A> => Effect.promise(ask)

/** The error with which the client rejects. */
const errorOf = (ask: () => Promise<unknown>): Effect.Effect<unknown> =>
  Effect.promise(() =>
    ask().then(
      () => "no error",
      (error: unknown) => error
    )
  )

const market = {
  exchange: "NSE",
  tradingsymbol: "INFY",
  transaction_type: "BUY",
  order_type: "MARKET",
  quantity: 10,
  product: "CNC",
  validity: "DAY",
  // The client's types lack it.
  market_protection: -1,
  tag: "OFFICIAL"
} as const

const place = (kite: Client, changes: Partial<Parameters<Client["placeOrder"]>[1]> = {}) =>
  kite.placeOrder("regular", { ...market, ...changes })

describe("the official client", () => {
  it.effect("logs in and out", () =>
    Effect.gen(function* () {
      const { url } = yield* KiteSimulator
      const kite = new KiteConnect({ api_key: "simulator-key", root: url, timeout: timeoutMillis })
      const loginUrl = new URL(kite.getLoginURL())
      const page = yield* ask(`${url}${loginUrl.pathname}${loginUrl.search}`)
      const requestToken = /request_token=(\w+)/.exec(page.text)?.[1] ?? "none"
      const session = yield* call(() => kite.generateSession(requestToken, "simulator-secret"))
      assert.deepInclude(session, { user_id: "SIM001", api_key: "simulator-key" })
      assert.strictEqual((yield* call(() => kite.getProfile())).broker, "ZERODHA")
      yield* call(() => kite.invalidateAccessToken(session.access_token))
      assert.deepInclude(yield* errorOf(() => kite.getProfile()), { error_type: "TokenException" })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("places an order, and gets it as filled", () =>
    Effect.gen(function* () {
      const kite = yield* client
      const { order_id } = yield* call(() => place(kite))
      assert.match(order_id, /^(\d{15}|\d{19})$/)
      yield* TestClock.adjust("1 second")
      const [order] = yield* call(() => kite.getOrders())
      assert.deepInclude(order, { order_id, status: "COMPLETE", filled_quantity: 10, order_type: "LIMIT" })
      const history = yield* call(() => kite.getOrderHistory(order_id))
      assert.deepStrictEqual(
        history.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1]),
        ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE"]
      )
      const trades = yield* call(() => kite.getOrderTrades(order_id))
      assert.strictEqual(
        trades.reduce((sum, { quantity }) => sum + quantity, 0),
        10
      )
      assert.deepStrictEqual(yield* call(() => kite.getTrades()), trades)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("modifies and cancels", () =>
    Effect.gen(function* () {
      const kite = yield* client
      const { order_id } = yield* call(() => place(kite, { order_type: "LIMIT", price: 0.05 }))
      yield* TestClock.adjust("1 second")
      yield* call(() => kite.modifyOrder("regular", order_id, { price: 0.1, quantity: 12 }))
      yield* TestClock.adjust("1 second")
      const [modified] = yield* call(() => kite.getOrders())
      assert.deepInclude(modified, { status: "OPEN", price: 0.1, quantity: 12 })
      yield* call(() => kite.cancelOrder("regular", order_id))
      yield* TestClock.adjust("1 second")
      const [cancelled] = yield* call(() => kite.getOrders())
      assert.deepInclude(cancelled, { status: "CANCELLED", cancelled_quantity: 12 })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("reads the instruments", () =>
    Effect.gen(function* () {
      const kite = yield* client
      const all = yield* call(() => kite.getInstruments())
      const derivatives = yield* call(() => kite.getInstruments("NFO"))
      assert.isAtLeast(all.length, 60)
      assert.isBelow(derivatives.length, all.length)
      // The clock of the test is at the beginning of 1970.
      assert.deepInclude(derivatives[0], { tradingsymbol: "NIFTY70JANFUT", lot_size: 65, exchange: "NFO" })
    }).pipe(Effect.provide(simulator()))
  )

  const typedErrors: ReadonlyArray<readonly [ScriptStep["kind"], string]> = [
    ["rate_limited", "NetworkException"],
    ["unavailable_503", "NetworkException"],
    ["bad_gateway_502", "DataException"],
    ["server_error_500", "GeneralException"],
    ["refused_margin", "MarginException"],
    ["drop_after", "NetworkException"]
  ]
  for (const [kind, error_type] of typedErrors) {
    it.effect(`reports ${kind} as a ${error_type}`, () =>
      Effect.gen(function* () {
        const kite = yield* client
        yield* (yield* KiteSimulator).script([{ kind }])
        assert.deepInclude(yield* errorOf(() => place(kite)), { error_type })
      }).pipe(Effect.provide(simulator()))
    )
  }

  it.effect("reports the other typed errors", () =>
    Effect.gen(function* () {
      const { allowAddress, expireTokens } = yield* KiteSimulator
      const kite = yield* client
      assert.deepInclude(yield* errorOf(() => place(kite, { quantity: 0 })), { error_type: "InputException" })
      assert.deepInclude(yield* errorOf(() => kite.cancelOrder("regular", "1")), { error_type: "OrderException" })
      yield* allowAddress(false)
      assert.deepInclude(yield* errorOf(() => place(kite)), { error_type: "PermissionException" })
      yield* expireTokens
      assert.deepInclude(yield* errorOf(() => place(kite)), { error_type: "TokenException" })
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("receives changes through its ticker", () =>
    Effect.gen(function* () {
      const { feedUrl, issueToken } = yield* KiteSimulator
      const kite = yield* client
      // The client's types lack `root`.
      const given = { api_key: "simulator-key", access_token: yield* issueToken, root: feedUrl, reconnect: false }
      const ticker = new KiteTicker(given)
      const seen: Array<string> = []
      let connected = false
      ticker.on("connect", () => (connected = true))
      ticker.on("order_update", (order: { readonly status: string }) => seen.push(order.status))
      ticker.connect()
      // The feed sends a heartbeat each second; the client leaves a feed that is silent for five seconds of the host's time.
      const beat = TestClock.adjust("1 second")
      yield* eventually(
        "it is connected",
        Effect.map(beat, () => connected),
        Boolean
      )
      yield* call(() => place(kite))
      yield* eventually(
        "the order is complete",
        Effect.map(beat, () => seen),
        (seen) => seen.includes("COMPLETE")
      )
      assert.strictEqual(seen[0], "VALIDATION PENDING")
    }).pipe(Effect.provide(simulator()))
  )
})
