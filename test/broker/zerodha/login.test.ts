import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { type KiteAnswer, KiteClient } from "../../../src/broker/zerodha/KiteClient.ts"
import { exchange, profile } from "../../../src/broker/zerodha/login.ts"

type Answer = Omit<KiteAnswer, "masked">

const answering = (answer: Answer) =>
  Layer.mock(KiteClient)({ send: () => Effect.succeed({ ...answer, masked: (text) => text }) })
const good = { user_id: "AB1234", user_name: "A Name", access_token: "sesame" }
const bodyOf = (data: unknown) => JSON.stringify({ status: "success", data })

const exchanged = (answer: Answer) =>
  Effect.provide(exchange("key", Redacted.make("secret"), "the-request-token"), answering(answer))
const asked = (data: unknown) =>
  Effect.provide(profile(Redacted.make("t")), answering({ status: 200, body: bodyOf(data) }))

describe("an answer about a session", () => {
  it.effect("is taken only with a user id and a token of their shapes", () =>
    Effect.gen(function* () {
      const user = yield* exchanged({ status: 200, body: bodyOf(good) })
      assert.deepStrictEqual(
        [user.userId, user.userName, Redacted.value(user.accessToken)],
        ["AB1234", "A Name", "sesame"]
      )
      for (const odd of [
        { user_id: "" },
        { user_id: "AB 1234" },
        { user_id: "A".repeat(33) },
        { user_id: "AB1234\u001b[2J" },
        { user_id: 17 },
        { access_token: "" },
        { access_token: "two words" },
        { access_token: "line\r\nX-Header: 1" },
        { access_token: "s".repeat(1001) },
        { access_token: null }
      ]) {
        const error = yield* Effect.flip(exchanged({ status: 200, body: bodyOf({ ...good, ...odd }) }))
        assert.strictEqual(error.message, "Zerodha's answer is not what its documentation says", JSON.stringify(odd))
      }
      const error = yield* Effect.flip(exchanged({ status: 200, body: "[".repeat(100_000) }))
      assert.strictEqual(error._tag, "KiteRefused")
    })
  )

  it.effect("has a name that is cut, masked, or left out", () =>
    Effect.gen(function* () {
      const nameOf = (user_name: unknown) =>
        Effect.map(asked({ user_id: "AB1234", user_name }), (user) => user.userName)
      assert.strictEqual(yield* nameOf("A\u202eB\nC"), "A?B?C")
      assert.strictEqual(yield* nameOf("x".repeat(1_000_000)), `${"x".repeat(100)}… (1000000 characters)`)
      assert.strictEqual(yield* nameOf({ first: "A" }), "")
      assert.strictEqual(yield* nameOf(undefined), "")
    })
  )

  it.effect("shows no token when it is a failure", () =>
    Effect.gen(function* () {
      for (const body of [
        bodyOf({ ...good, refresh_token: "hidden", enctoken: "hidden" }),
        '{"acc\\u0065ss_tok\\u0065n":"s\\u0065same","message":"it is s%65same, s\\u0065same"}',
        '{"access_token" : "sesame", "request_token":"the-request-token"}',
        JSON.stringify({ status: "error", error_type: "TokenException", message: "the-request-token is used up" }),
        JSON.stringify({ status: "error", error_type: "the%2Drequest%2dtoken", message: "dGhlLXJlcXVlc3QtdG9rZW4" })
      ]) {
        for (const status of [400, 403, 500]) {
          const { message } = yield* Effect.flip(exchanged({ status, body }))
          for (const hidden of ["sesame", "hidden", "the-request-token", "same", "the%2D", "XVlc3Q"]) {
            assert.notInclude(message, hidden)
          }
        }
      }
    })
  )
})
