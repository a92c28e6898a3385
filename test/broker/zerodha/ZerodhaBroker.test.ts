import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Fiber, Layer, Logger, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { createServer } from "node:net"
import { Broker } from "../../../src/broker/Broker.ts"
import { withTimeout } from "../../../src/broker/layers/withTimeout.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { Zerodha } from "../../../src/broker/zerodha/Zerodha.ts"
import { formOf } from "../../../src/broker/zerodha/ZerodhaBroker.ts"
import { DatabaseClock } from "../../../src/clock/DatabaseClock.ts"
import { DbError } from "../../../src/db/DbError.ts"
import { Wakeups } from "../../../src/db/Wakeups.ts"
import { BrokerOrderId } from "../../../src/domain/model/Ids.ts"
import { Instrument, OrderType, ProductType, Validity } from "../../../src/domain/model/Order.ts"
import { CredentialStore } from "../../../src/stores/account/CredentialStore.ts"
import { configuration } from "../../support/database.ts"
import { eventually } from "../../support/processes.ts"
import {
  failure,
  json,
  reset,
  type ScriptedKite,
  scriptedKite,
  silence,
  success,
  text,
  truncated
} from "../../support/scriptedKite.ts"
import { measuredClock } from "../../support/service.ts"
import { findOrders, placementOf } from "../BrokerConformance.ts"
import { failureOf } from "../mock/exchange.ts"
import { anyAccount } from "./zerodhaOverSimulator.ts"

const secrets = ["the-key-K1", "the-secret-S2", "the-token-T3"] as const
const [apiKey, apiSecret, accessToken] = secrets

const noStore = Layer.mock(CredentialStore)({ token: () => Effect.succeedNone, refuse: () => Effect.void })
const noWakeups = Layer.mock(Wakeups)({ next: () => Effect.never })

const brokerAt = (url: string, environment: Readonly<Record<string, string>> = {}, clock = measuredClock) =>
  Zerodha.pipe(
    Layer.provide([noStore, anyAccount, noWakeups, clock]),
    Layer.provideMerge(PlacementGate.layer),
    Layer.provide(
      configuration({
        BROKER_TYPE: "zerodha",
        ZERODHA_API_KEY: apiKey,
        ZERODHA_API_SECRET: apiSecret,
        ZERODHA_ACCESS_TOKEN: accessToken,
        ZERODHA_URL: url,
        ...environment
      })
    )
  )

/** A broker on the test's own server; its requests at the start are cleared. */
const withKite = <A, E>(
  body: (kite: ScriptedKite) => Effect.Effect<A, E, Broker | PlacementGate | Scope.Scope>,
  environment: Readonly<Record<string, string>> = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const kite = yield* scriptedKite
      kite.onRequest = () => success({ user_id: "AB1234" })
      return yield* Effect.gen(function* () {
        yield* Broker
        kite.seen.length = 0
        kite.onRequest = () => success({ order_id: "2611230000000001234" })
        return yield* body(kite)
      }).pipe(Effect.provide(brokerAt(kite.url, environment)))
    })
  )

const requests = (kite: ScriptedKite) => kite.seen.map(({ method, path }) => `${method} ${path}`)

describe("the Zerodha broker", () => {
  it.effect("places a MARKET order once, with market protection and the headers of Kite", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const { brokerOrderId } = yield* broker.place(placementOf("PB123"))
        assert.strictEqual(brokerOrderId, "2611230000000001234")
        assert.deepStrictEqual(requests(kite), ["POST /orders/regular"])
        assert.deepStrictEqual(kite.seen[0]?.form, {
          exchange: "NSE",
          tradingsymbol: "INFY",
          transaction_type: "BUY",
          quantity: "100",
          product: "CNC",
          validity: "DAY",
          order_type: "MARKET",
          market_protection: "-1",
          tag: "PB123"
        })
        assert.deepInclude(kite.seen[0]?.headers, {
          "x-kite-version": "3",
          authorization: `token ${apiKey}:${accessToken}`,
          "content-type": "application/x-www-form-urlencoded"
        })
        assert.notProperty(kite.seen[0]?.headers, "traceparent")
      })
    )
  )

  it.effect("places a LIMIT order at its price without protection, and encodes symbols correctly", () =>
    withKite(
      (kite) =>
        Effect.gen(function* () {
          const broker = yield* Broker
          const limitPrice = BigDecimal.fromStringUnsafe("1412.0500")
          yield* broker.place(placementOf("L", { orderType: "LIMIT", limitPrice, validity: "IOC", side: "SELL" }))
          yield* broker.place(placementOf("M", { instrument: Instrument.make("NSE:M&M") }))
          assert.deepInclude(kite.seen[0]?.form, { order_type: "LIMIT", price: "1412.05", validity: "IOC" })
          assert.notProperty(kite.seen[0]?.form, "market_protection")
          assert.deepInclude(kite.seen[1]?.form, { market_protection: "2.5", tradingsymbol: "M&M" })
        }),
      { ZERODHA_MARKET_PROTECTION: "2.5" }
    )
  )

  it("gives every product, validity and order type to the broker as it is, and the algorithm id where there is one", () => {
    for (const productType of ProductType.literals) {
      for (const validity of Validity.literals) {
        for (const orderType of OrderType.literals) {
          const limitPrice = orderType === "LIMIT" ? BigDecimal.fromStringUnsafe("1500.05") : null
          const placement = placementOf("T", { productType, validity, orderType, limitPrice })
          const form = {
            exchange: "NSE",
            tradingsymbol: "INFY",
            transaction_type: "BUY",
            quantity: "100",
            product: productType,
            validity,
            order_type: orderType,
            ...(orderType === "LIMIT" ? { price: "1500.05" } : { market_protection: "-1" }),
            tag: "T"
          }
          assert.deepStrictEqual(formOf(placement, -1), form)
          assert.deepStrictEqual(formOf({ ...placement, algoId: "A 1" }, -1), { ...form, algo_id: "A 1" })
        }
      }
    }
    assert.deepStrictEqual(
      [...ProductType.literals, ...Validity.literals, ...OrderType.literals],
      ["CNC", "MIS", "NRML", "MTF", "DAY", "IOC", "MARKET", "LIMIT"]
    )
  })

  it.effect("supports a path prefix in the URL, as the vendor's sandbox has one", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Effect.provide(Broker, Layer.fresh(brokerAt(`${kite.url}/sandbox/v1/`)), { local: true })
        yield* broker.place(placementOf("P"))
        assert.strictEqual(kite.seen.at(-1)?.path, "/sandbox/v1/orders/regular")
      })
    )
  )

  it.effect("does not send after the deadline", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const failed = yield* failureOf(broker.place(placementOf("D", { deadline: DateTime.makeUnsafe(-1) })))
        assert.deepInclude(failed, { _tag: "BrokerNotSent", code: "deadline" })
        assert.deepStrictEqual(requests(kite), [])
      })
    )
  )

  it.effect("does not send when the host was suspended while the placement waited for its turn", () =>
    Effect.gen(function* () {
      const kite = yield* scriptedKite
      const clockThat = (waitForOffset: DatabaseClock["Service"]["waitForOffset"]) =>
        Layer.mock(DatabaseClock)({ waitForOffset })
      const gone = new DbError({ operation: "test", message: "gone", isTransient: true, sqlState: null })
      const deadline = DateTime.makeUnsafe(30_000)
      // Only a new measurement of the database's clock shows that time has passed.
      for (const clock of [clockThat(Effect.fail(gone)), clockThat(TestClock.setTime(60_000))]) {
        const failed = yield* Effect.provide(
          Effect.flatMap(Broker, (broker) => failureOf(broker.place(placementOf("W", { deadline })))),
          Layer.fresh(brokerAt(kite.url, {}, clock))
        )
        assert.deepInclude(failed, { _tag: "BrokerNotSent", code: "deadline" })
      }
      assert.notInclude(requests(kite), "POST /orders/regular")
    }).pipe(Effect.scoped)
  )

  it.effect(
    "takes a right that lacks for a cancel for one of the account, and for a placement for one of the order",
    () =>
      withKite((kite) =>
        Effect.gen(function* () {
          const broker = yield* Broker
          kite.onRequest = () =>
            json(403, { status: "error", error_type: "PermissionException", message: "Insufficient permission" })
          assert.deepInclude(yield* failureOf(broker.cancel(BrokerOrderId.make("7"))), {
            _tag: "BrokerCredentialsInvalid",
            kind: "permission"
          })
          assert.strictEqual((yield* failureOf(broker.place(placementOf("B"))))?._tag, "BrokerRefused")
        })
      )
  )

  it.effect("never takes a broken answer for a success or a refusal", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const ack = JSON.stringify({ status: "success", data: { order_id: "12" } })
        for (const answer of [reset, truncated(ack), text(200, "<html>ok</html>"), text(502, "<html>"), success({})]) {
          kite.onRequest = () => answer
          assert.strictEqual((yield* failureOf(broker.place(placementOf("B"))))?._tag, "BrokerOutcomeUnknown")
          assert.strictEqual((yield* failureOf(broker.cancel(BrokerOrderId.make("7"))))?._tag, "BrokerOutcomeUnknown")
        }
        kite.onRequest = () => json(302, {})
        assert.strictEqual((yield* failureOf(broker.place(placementOf("B"))))?._tag, "BrokerOutcomeUnknown")
        // Each was sent once: no layer repeats a POST.
        assert.strictEqual(kite.seen.filter(({ method }) => method === "POST").length, 6)
      })
    )
  )

  it.live("leaves the outcome unknown at the timeout when the server never answers", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        kite.onRequest = () => silence
        const below = Layer.succeed(Broker, yield* Broker)
        yield* Effect.gen(function* () {
          const broker = yield* Broker
          assert.strictEqual((yield* failureOf(broker.place(placementOf("S"))))?._tag, "BrokerOutcomeUnknown")
          assert.strictEqual((yield* failureOf(findOrders(broker, "S")))?._tag, "BrokerTryLater")
        }).pipe(Effect.provide(withTimeout(Duration.millis(200)).pipe(Layer.provide(below))))
      })
    )
  )

  it.effect("starts after BROKER_TIMEOUT_SECONDS when the server does not say whose the token is", () =>
    Effect.gen(function* () {
      const kite = yield* scriptedKite
      kite.onRequest = ({ path }) => (path === "/user/profile" ? silence : success({ order_id: "1" }))
      const placing = yield* Effect.forkChild(
        Effect.flatMap(Broker, (broker) => broker.place(placementOf("H"))).pipe(
          Effect.provide(brokerAt(kite.url, { BROKER_TIMEOUT_SECONDS: "3" }))
        )
      )
      yield* eventually(
        "it is asked",
        Effect.sync(() => requests(kite)),
        ({ length }) => length === 1
      )
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(placing)
      assert.deepStrictEqual(requests(kite), ["GET /user/profile", "POST /orders/regular"])
    }).pipe(Effect.scoped)
  )

  it.effect("has the order list of the day in India, except in the minute when clocks may disagree on the day", () =>
    withKite(() =>
      Effect.gen(function* () {
        const { orderListSince } = yield* Broker
        const since = (now: string) => DateTime.formatIso(orderListSince(DateTime.makeUnsafe(now)))
        assert.strictEqual(since("2026-11-23T18:28:59Z"), "2026-11-22T18:31:00.000Z")
        assert.strictEqual(since("2026-11-23T18:29:00Z"), "2026-11-23T18:31:00.000Z")
        assert.strictEqual(since("2026-11-23T18:30:30Z"), "2026-11-23T18:31:00.000Z")
      })
    )
  )

  it.effect("reports a refused connection and an unknown host as certainly not placed", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      for (const url of [`http://127.0.0.1:${port}`, `http://localhost:${port}`, "https://no.such.host.invalid"]) {
        const failed = yield* Effect.provide(
          Effect.flatMap(Broker, (broker) => failureOf(broker.place(placementOf("C")))),
          Layer.fresh(brokerAt(url))
        )
        assert.deepInclude(failed, { _tag: "BrokerTryLater", code: "not_connected" })
      }
    })
  )

  it.effect("reads the order list once for all tags, and trades only for partly filled orders", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const row = { status: "COMPLETE", filled_quantity: 5, average_price: 10.5, tag: "A", order_id: "1" }
        kite.onRequest = ({ path }) =>
          success(
            path === "/trades"
              ? [{ order_id: "2", quantity: 2, average_price: 99.95 }]
              : [
                  row,
                  { ...row, tag: "B", order_id: "2", status: "OPEN", filled_quantity: 2, average_price: 0 },
                  { tag: "C" }
                ]
          )
        const found = yield* findOrders(broker, "A", "B")
        assert.deepStrictEqual(requests(kite), ["GET /orders", "GET /trades"])
        assert.deepStrictEqual(
          found.map(({ status, averagePrice }) => [status, averagePrice && BigDecimal.format(averagePrice)] as const),
          [
            ["COMPLETE", "10.5"],
            ["PARTIALLY_FILLED", "99.95"]
          ]
        )
        kite.seen.length = 0
        yield* findOrders(broker, "A")
        assert.deepStrictEqual(requests(kite), ["GET /orders"])
        kite.onRequest = ({ path }) =>
          path === "/trades" ? reset : success([{ ...row, status: "OPEN", average_price: 0 }])
        assert.deepInclude((yield* findOrders(broker, "A"))[0], { filledQuantity: 5, averagePrice: null })
      })
    )
  )

  it.effect("never takes a failed look-up for an empty order list", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        for (const answer of [
          reset,
          truncated('{"status":"success","data":[]}'),
          text(200, "<html>"),
          failure(503, "NetworkException", "down"),
          failure(429, "NetworkException", "Too many requests"),
          json(200, { status: "success", data: null })
        ]) {
          kite.onRequest = () => answer
          assert.strictEqual((yield* failureOf(findOrders(broker, "A")))?._tag, "BrokerTryLater")
        }
      })
    )
  )

  it.effect("shows no secret that a server echoes, in whatever encoding it comes", () =>
    withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const unicode = Array.from(accessToken, (_, at) => `\\u00${accessToken.charCodeAt(at).toString(16)}`).join("")
        const echoes = [
          accessToken,
          unicode,
          apiSecret.replaceAll("-", "%2D"),
          apiKey.replaceAll("-", "%252d"),
          Buffer.from(`${apiKey}:${accessToken}`).toString("base64")
        ]
        const heard = yield* Effect.forEach(echoes, (echo) => {
          const row = `"order_id":"1","status":"REJECTED","filled_quantity":0,"average_price":0,"tag":"T","quantity":1`
          const answers = new Map([
            ["POST", text(400, `{"status":"error","error_type":"InputException","message":"bad: ${echo}"}`)],
            ["GET", text(200, `{"status":"success","data":[{${row},"status_message":"bad: ${echo}"}]}`)]
          ])
          kite.onRequest = ({ method }) => answers.get(method) ?? silence
          return Effect.all([failureOf(broker.place(placementOf("T"))), findOrders(broker, "T")])
        })
        kite.onRequest = () => text(502, `<html>${accessToken}${"-".repeat(300)}`)
        const page = yield* failureOf(broker.place(placementOf("T")))
        const said = JSON.stringify([heard, page])
        assert.lengthOf(said.match(/bad: [^"]*<redacted>/g) ?? [], 2 * echoes.length)
        for (const hidden of [...secrets, ...echoes, "K1", "S2", "T3", "secret"]) assert.notInclude(said, hidden)
      })
    )
  )

  it.effect("understands answers whatever the secrets are", () =>
    withKite(
      (kite) =>
        Effect.gen(function* () {
          const broker = yield* Broker
          assert.strictEqual((yield* broker.place(placementOf("A"))).brokerOrderId, "2611230000000001234")
          kite.onRequest = () => failure(400, "MarginException", "Insufficient funds")
          const refusal = yield* failureOf(broker.place(placementOf("B")))
          assert.deepInclude(refusal, { _tag: "BrokerRefused", code: "MarginException", message: "Insufficient funds" })
        }),
      { ZERODHA_API_KEY: "s", ZERODHA_API_SECRET: "e", ZERODHA_ACCESS_TOKEN: "data" }
    )
  )

  it.effect("closes the gate after a refused token, logs it once, and shows no secret", () => {
    const lines: Array<string> = []
    const capture = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
    return withKite((kite) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const gate = yield* PlacementGate
        // A careless server that returns the headers of the request.
        kite.onRequest = ({ headers }) =>
          failure(403, "TokenException", `Incorrect api_key or access_token: ${headers.authorization}`)
        const failures = yield* Effect.forEach(["A", "B", "C"], (tag) => failureOf(broker.place(placementOf(tag))))
        assert.deepStrictEqual(
          failures.map((error) => error?._tag),
          ["BrokerCredentialsInvalid", "BrokerCredentialsInvalid", "BrokerCredentialsInvalid"]
        )
        // The second and third were not even sent.
        assert.strictEqual(kite.seen.length, 1)
        assert.strictEqual((yield* gate.current)?.kind, "credentials")
        const said = JSON.stringify([failures.map((error) => error?.message), yield* gate.current, lines])
        assert.strictEqual(lines.filter((line) => line.includes("on hold")).length, 1)
        for (const secret of secrets) assert.notInclude(said, secret)
      })
    ).pipe(Effect.provide(capture), Effect.provideService(References.MinimumLogLevel, "All"))
  })
})

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0)))
  })
})
