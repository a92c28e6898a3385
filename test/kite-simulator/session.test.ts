import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { createHash } from "node:crypto"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { ask, Kite, simulator } from "./kite.ts"

const profile = (token: string) =>
  Effect.flatMap(KiteSimulator, ({ url }) =>
    ask(`${url}/user/profile`, {
      headers: { "X-Kite-Version": "3", authorization: `token simulator-key:${token}` }
    })
  )

const buy = (requestToken: string, secret = "simulator-secret") =>
  Effect.flatMap(KiteSimulator, ({ url }) =>
    ask(`${url}/session/token`, {
      method: "POST",
      headers: { "X-Kite-Version": "3" },
      body: new URLSearchParams({
        api_key: "simulator-key",
        request_token: requestToken,
        checksum: createHash("sha256").update(`simulator-key${requestToken}${secret}`).digest("hex")
      })
    })
  )

const login = Effect.gen(function* () {
  const { url } = yield* KiteSimulator
  const page = yield* ask(`${url}/connect/login?v=3&api_key=simulator-key`)
  assert.strictEqual(page.status, 200)
  return /request_token=(\w+)/.exec(page.text)?.[1] ?? "none"
})

const hours = (count: number) =>
  Effect.flatMap(KiteSimulator, ({ advanceClock }) => advanceClock(Duration.hours(count)))

describe("an access token", () => {
  it.effect("ends at the next 06:00 in India, and a new one works at once", () =>
    Effect.gen(function* () {
      const { issueToken } = yield* KiteSimulator
      // The test's clock begins at 05:30 in India.
      yield* hours(1)
      const token = yield* issueToken
      assert.strictEqual((yield* profile(token)).status, 200)
      yield* hours(23.49)
      assert.strictEqual((yield* profile(token)).status, 200)
      yield* hours(0.01)
      const refused = yield* profile(token)
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.json, {
        status: "error",
        error_type: "TokenException",
        message: "Incorrect `api_key` or `access_token`."
      })
      assert.strictEqual((yield* profile(yield* issueToken)).status, 200)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("stays valid beside a newer one, until all are ended", () =>
    Effect.gen(function* () {
      const { issueToken, expireTokens } = yield* KiteSimulator
      const [one, other] = [yield* issueToken, yield* issueToken]
      assert.notStrictEqual(one, other)
      assert.strictEqual((yield* profile(one)).status, 200)
      yield* expireTokens
      assert.strictEqual((yield* profile(one)).status, 403)
      assert.strictEqual((yield* profile(other)).status, 403)
      assert.strictEqual((yield* profile(yield* issueToken)).status, 200)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("can be set from the start", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* profile("given")).status, 200)
    }).pipe(Effect.provide(simulator({ accessToken: "given" })))
  )
})

describe("a login", () => {
  it.effect("can be exchanged once for one access token", () =>
    Effect.gen(function* () {
      const requestToken = yield* login
      assert.strictEqual((yield* buy(requestToken, "wrong")).status, 403)
      const bought = yield* buy(requestToken)
      const token = /"access_token":"(\w+)"/.exec(bought.text)?.[1] ?? "none"
      assert.strictEqual((yield* profile(token)).status, 200)
      assert.strictEqual((yield* buy(requestToken)).status, 403)
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("is valid for a few minutes only", () =>
    Effect.gen(function* () {
      const requestToken = yield* login
      yield* hours(0.1)
      assert.strictEqual((yield* buy(requestToken)).status, 403)
    }).pipe(Effect.provide(simulator()))
  )
})

describe("a caller with an address that is not allowed", () => {
  it.effect("cannot place orders, but can read the order list", () =>
    Effect.gen(function* () {
      const { allowAddress } = yield* KiteSimulator
      const kite = yield* Kite
      yield* kite.place("BEFORE")
      yield* allowAddress(false)
      const refused = yield* kite.place("REFUSED")
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.json, {
        error_type: "PermissionException",
        message: "IP not allowed to place orders for this app"
      })
      assert.strictEqual((yield* kite.rows).length, 1)
      yield* allowAddress(true)
      assert.strictEqual((yield* kite.place("AFTER")).status, 200)
    }).pipe(Effect.provide(simulator()))
  )
})
