import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { orderAnswer, orderUnanswered, lookupAnswer } from "../../../src/broker/zerodha/kiteAnswers.ts"
import { KiteUnanswered } from "../../../src/broker/zerodha/KiteClient.ts"

const now = DateTime.makeUnsafe("2026-11-23T05:30:00.250Z")

const masked = (text: string) => text

const failure = (errorType: string, message = "said so") =>
  JSON.stringify({ status: "error", message, error_type: errorType, data: null })

const conclude = (status: number, body: string) => {
  const result = orderAnswer({ status, body, masked }, now)
  if (Result.isSuccess(result)) return `placed ${result.success.brokerOrderId}`
  const error = result.failure
  return error._tag === "BrokerCredentialsInvalid" ? `${error._tag} ${error.kind}` : error._tag
}

/** Status, body and conclusion: every row of the error table, and cases between its rows. */
const table: ReadonlyArray<readonly [number, string, string]> = [
  [200, '{"status":"success","data":{"order_id":"2611230000000001234"}}', "placed 2611230000000001234"],
  [200, '{"status":"success","data":{"order_id":"151220000000000","more":1},"x":2}', "placed 151220000000000"],

  [403, failure("TokenException"), "BrokerCredentialsInvalid token"],
  [403, failure("PermissionException"), "BrokerRefused"],
  [403, failure("UserException"), "BrokerRefused"],
  [
    403,
    failure("PermissionException", "No IPs configured for this app. Add allowed IPs to place orders."),
    "BrokerCredentialsInvalid address"
  ],
  [
    403,
    failure("PermissionException", "IP not allowed to place orders for this app"),
    "BrokerCredentialsInvalid address"
  ],
  [400, failure("InputException"), "BrokerRefused"],
  [
    400,
    failure("InputException", "The order quantity 1000 (40 lots) is higher than the maximum quantity of 900 (36 lots)"),
    "BrokerRefused"
  ],
  [403, failure("PermissionException", "Your ip address 1.2.3.4 is not allowed"), "BrokerCredentialsInvalid address"],
  [
    400,
    failure("InputException", "IP 1.2.3.4 is not allowed to place orders for this app"),
    "BrokerCredentialsInvalid address"
  ],
  [400, failure("InputException", "No IPs configured for this app."), "BrokerCredentialsInvalid address"],
  [400, failure("InputException", "Invalid `tradingsymbol` IP."), "BrokerRefused"],
  [400, failure("MarginException"), "BrokerRefused"],
  [
    400,
    failure("MarginException", "Insufficient funds. Required margin is 9.50. Check the orderbook for open orders."),
    "BrokerRefused"
  ],
  [428, failure("HoldingException", "Holdings are short. Check the order book for open orders."), "BrokerRefused"],
  [400, failure("OrderException", "The price is out of range. Check the orderbook for open orders."), "BrokerRefused"],
  [400, failure("InputException", "Markets are closed right now. Try placing an AMO order."), "BrokerTryLater"],
  [
    400,
    failure(
      "OrderException",
      "Our order management system is under scheduled maintenance. Try placing your AMO order after 5.30 AM."
    ),
    "BrokerTryLater"
  ],
  [400, failure("InputException", "Market orders are currently not allowed."), "BrokerTryLater"],
  [400, failure("OrderException", "Market order cannot be placed during this period."), "BrokerTryLater"],
  [
    400,
    failure(
      "InputException",
      "The market order was rejected since there are no trades in this instrument. Try placing a LIMIT order"
    ),
    "BrokerTryLater"
  ],
  [
    400,
    failure(
      "InputException",
      "Market orders without market protection are not allowed via API. Please set market protection or use a Limit order."
    ),
    "BrokerRefused"
  ],
  [
    400,
    failure("InputException", "MIS orders are currently blocked for X. Place a CNC order instead."),
    "BrokerRefused"
  ],
  [400, failure("MarginException", "Market orders are currently not allowed."), "BrokerRefused"],
  [500, failure("OrderException", "Market orders are currently not allowed."), "BrokerOutcomeUnknown"],
  [503, failure("NetworkException", "Try placing an AMO order."), "BrokerOutcomeUnknown"],
  [400, failure("InputException", "Order request timed out. Try placing an AMO order."), "BrokerOutcomeUnknown"],
  [401, failure("TokenException"), "BrokerCredentialsInvalid token"],
  [401, failure("NeverHeardOfException"), "BrokerCredentialsInvalid token"],
  [401, "<html>Unauthorized</html>", "BrokerCredentialsInvalid token"],
  [400, failure("MarginException", "The order may have been placed."), "BrokerOutcomeUnknown"],
  [400, failure("MarginException", "Insufficient funds. Check your orders before placing again."), "BrokerRefused"],
  [428, failure("HoldingException", "Authorise the holdings before placing again."), "BrokerRefused"],
  [400, failure("OrderException", "Check the order book before placing again."), "BrokerOutcomeUnknown"],
  [428, failure("HoldingException"), "BrokerRefused"],
  [400, failure("OrderException"), "BrokerRefused"],
  [500, failure("OrderException"), "BrokerOutcomeUnknown"],
  [500, failure("MarginException"), "BrokerOutcomeUnknown"],
  [429, failure("NetworkException", "Too many requests"), "BrokerTryLater"],
  [429, "<html>slow down</html>", "BrokerTryLater"],
  [400, failure("InputException", "Maximum allowed order requests exceeded"), "BrokerTryLater"],
  [429, failure("NetworkException", "Maximum allowed order requests exceeded"), "BrokerTryLater"],
  [503, failure("NetworkException"), "BrokerOutcomeUnknown"],
  [502, failure("DataException"), "BrokerOutcomeUnknown"],
  [504, failure("DataException"), "BrokerOutcomeUnknown"],
  [500, failure("GeneralException"), "BrokerOutcomeUnknown"],
  [
    400,
    failure("OrderException", "Order request timed out. Please check the order book and confirm before placing again."),
    "BrokerOutcomeUnknown"
  ],
  [400, failure("InputException", "Order request timed out."), "BrokerOutcomeUnknown"],
  [
    400,
    failure("OrderException", "Order status is not known. Please check the order book before placing again."),
    "BrokerOutcomeUnknown"
  ],
  [400, failure("OrderException", "The order could not be confirmed."), "BrokerOutcomeUnknown"],
  [200, '{"status":"success","data":{}}', "BrokerOutcomeUnknown"],
  [200, '{"status":"success","data":{"order_id":""}}', "BrokerOutcomeUnknown"],
  [200, '{"status":"success","data":{"order_id":2611230000000001234}}', "BrokerOutcomeUnknown"],
  [200, '{"status":"success","data":{"order_id":"   "}}', "BrokerOutcomeUnknown"],
  [200, '{"status":"success","data":{"order_id":"1e400"}}', "BrokerOutcomeUnknown"],
  [200, `{"status":"success","data":{"order_id":"'; DROP TABLE orders"}}`, "BrokerOutcomeUnknown"],
  [200, `{"status":"success","data":{"order_id":"${"1".repeat(33)}"}}`, "BrokerOutcomeUnknown"],
  [200, '{"status":"success","data":{"order_id":"26112300', "BrokerOutcomeUnknown"],
  [200, failure("InputException"), "BrokerOutcomeUnknown"],
  [200, "<html>Welcome</html>", "BrokerOutcomeUnknown"],
  [200, "", "BrokerOutcomeUnknown"],

  [400, "<html>Bad Request</html>", "BrokerOutcomeUnknown"],
  [403, "<html>Forbidden</html>", "BrokerOutcomeUnknown"],
  [400, failure("NetworkException"), "BrokerOutcomeUnknown"],
  [400, failure("GeneralException"), "BrokerOutcomeUnknown"],
  [400, failure("NeverHeardOfException"), "BrokerOutcomeUnknown"],
  [400, failure("TokenException"), "BrokerOutcomeUnknown"],
  [500, failure("TokenException"), "BrokerOutcomeUnknown"],
  [409, failure("InputException"), "BrokerOutcomeUnknown"],
  [302, "", "BrokerOutcomeUnknown"],
  [204, "", "BrokerOutcomeUnknown"],
  [201, '{"status":"success","data":{"order_id":"1"}}', "BrokerOutcomeUnknown"]
]

describe("orderAnswer", () => {
  for (const [status, body, conclusion] of table) {
    it(`${status} ${body.slice(0, 110)} → ${conclusion}`, () => {
      assert.strictEqual(conclude(status, body), conclusion)
    })
  }

  it("has the broker's words without control characters, cut where they are long, and is decided by all of them", () => {
    const of = (status: number, code: string, message: string) => {
      const result = orderAnswer({ status, body: failure(code, message), masked }, now)
      return Result.isFailure(result) ? result.failure : assert.fail("it was a failure")
    }
    const token = of(403, "TokenException", "Incorrect\u0000 token\u001b[31m")
    assert.deepStrictEqual([token._tag, token.message], ["BrokerCredentialsInvalid", "Incorrect? token?[31m"])
    const long = of(400, "OrderException", `${"x".repeat(10_000)} check the order book before placing again`)
    assert.strictEqual(long._tag, "BrokerOutcomeUnknown")
    assert.isBelow(long.message.length, 600)
    const code = of(400, "y".repeat(10_000), "z")
    assert.isTrue(code._tag === "BrokerOutcomeUnknown" && code.code.length < 200)
  })

  it("waits for the next calendar second after 429, and five minutes after the daily cap of any status", () => {
    const retryAt = (status: number, body: string) => {
      const result = orderAnswer({ status, body, masked }, now)
      return Result.isFailure(result) && result.failure._tag === "BrokerTryLater"
        ? DateTime.formatIso(result.failure.retryAt)
        : assert.fail("it was not to be tried later")
    }
    assert.strictEqual(retryAt(429, ""), "2026-11-23T05:30:01.000Z")
    const cap = failure("InputException", "Maximum allowed order requests exceeded")
    for (const status of [400, 403, 429]) assert.strictEqual(retryAt(status, cap), "2026-11-23T05:35:00.250Z")
  })
})

describe("an order request without an answer", () => {
  it("has an unknown outcome, unless there was no connection to send it on", () => {
    const conclude = (wasSent: boolean) => orderUnanswered(new KiteUnanswered({ message: "reset", wasSent }), now)._tag
    assert.strictEqual(conclude(true), "BrokerOutcomeUnknown")
    assert.strictEqual(conclude(false), "BrokerTryLater")
  })
})

describe("a failure of a mebibyte", () => {
  it("is looked through for secrets no further than it is shown, because placements wait meanwhile", () => {
    const lengths: Array<number> = []
    const noted = (text: string) => {
      lengths.push(text.length)
      return text
    }
    const long = "a".repeat(1 << 20)
    for (const [status, body] of [
      [400, failure("OrderException", long)],
      [429, failure(long, long)],
      [500, long]
    ] as const) {
      orderAnswer({ status, body, masked: noted }, now)
      lookupAnswer({ status, body, masked: noted }, now)
    }
    assert.isNotEmpty(lengths)
    assert.isAtMost(Math.max(...lengths), 2000)
  })
})

describe("lookupAnswer", () => {
  it("passes on a good body, and otherwise asks for a repetition or for new credentials", () => {
    assert.deepStrictEqual(lookupAnswer({ status: 200, body: "[]", masked }, now), Result.succeed("[]"))
    for (const [status, body] of [
      [429, ""],
      [503, failure("NetworkException")],
      [502, "<html>"],
      [400, failure("InputException")],
      [403, failure("PermissionException", "no such permission")],
      [404, ""]
    ] as const) {
      const result = lookupAnswer({ status, body, masked }, now)
      assert.isTrue(Result.isFailure(result) && result.failure._tag === "BrokerTryLater", `${status}`)
    }
    for (const [status, body] of [
      [403, failure("TokenException")],
      [401, "<html>"]
    ] as const) {
      const expired = lookupAnswer({ status, body, masked }, now)
      assert.isTrue(Result.isFailure(expired) && expired.failure._tag === "BrokerCredentialsInvalid", `${status}`)
    }
  })
})
