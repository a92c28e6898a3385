import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import { createHash } from "node:crypto"
import { Db } from "../../src/db/Db.ts"
import { insertOrders, quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { failure, type ScriptedKite, scriptedKite, success } from "../support/scriptedKite.ts"

const secret = "api-secret-0123"
const key = Buffer.alloc(32, 7).toString("base64")

type Environment = Readonly<Record<string, string>>

/** A server with only Zerodha's session requests: one user and one valid token, which the test sets. */
const withZerodha = <A, E>(
  body: (context: {
    readonly kite: ScriptedKite & { goodToken: string; orders: number }
    readonly environment: Environment
    readonly pulse: (
      ...args: ReadonlyArray<string>
    ) => Effect.Effect<{ readonly code: number | string; readonly output: string }>
  }) => Effect.Effect<A, E, Db | Scope.Scope>
) =>
  withDatabase((url) =>
    Effect.gen(function* () {
      const kite = Object.assign(yield* scriptedKite, { goodToken: "none", orders: 0 })
      kite.onRequest = ({ method, path, headers, form }) => {
        if (path === "/session/token") {
          const checksum = createHash("sha256").update(`key0${form["request_token"]}${secret}`).digest("hex")
          if (form["checksum"] !== checksum || form["request_token"] !== "request1") {
            return failure(403, "TokenException", "Token is invalid or has expired.")
          }
          kite.goodToken = "fresh-token"
          return success({ user_id: "AB1234", user_name: "A Trader", access_token: "fresh-token" })
        }
        if (headers.authorization !== `token key0:${kite.goodToken}`) {
          return failure(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        }
        if (path === "/user/profile") return success({ user_id: "AB1234", user_name: "A Trader" })
        if (method === "POST") return success({ order_id: `${++kite.orders}` })
        return success([])
      }
      const environment = {
        ...quick,
        DATABASE_URL: url,
        BROKER_TYPE: "zerodha",
        INSTRUMENT_SYNC_TIME: "off",
        TRADING_CALENDAR: "off",
        ZERODHA_API_KEY: "key0",
        ZERODHA_API_SECRET: secret,
        CREDENTIAL_KEY: key,
        ZERODHA_URL: kite.url
      }
      return yield* body({ kite, environment, pulse: (...args) => runMain(args, environment) })
    }).pipe(Effect.scoped)
  )

const everywhere = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.everywhere",
    Schema.Struct({ text: Schema.String }),
    sql`
      SELECT coalesce(string_agg(to_jsonb(e)::text, ''), '') || coalesce((SELECT string_agg(to_jsonb(s)::text, '') FROM order_slices s), '')
        || coalesce((SELECT string_agg(to_jsonb(w)::text, '') FROM workers w), '')
        || coalesce((SELECT string_agg(to_jsonb(c)::text, '') FROM broker_credentials c), '') AS text
      FROM broker_events e`
  )
).pipe(Effect.map(([row]) => row?.text ?? ""))

describe("the zerodha commands", () => {
  it.live("login shows the page and exchanges the request token; a waiting daemon then places", () =>
    withZerodha(({ kite, environment, pulse }) =>
      Effect.gen(function* () {
        const daemon = yield* startMain([], { ...environment, ZERODHA_API_SECRET: "" })
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        const health = yield* eventually("health shows it", pulse("health"), ({ output }) => output.includes("on hold"))
        assert.include(health.output, "there is no Zerodha access token")

        const page = yield* pulse("zerodha", "login")
        assert.include(page.output, "https://kite.zerodha.com/connect/login?v=3&api_key=key0")
        assert.strictEqual(page.code, 1)
        const wrong = yield* pulse("zerodha", "login", "--request-token", "request0")
        assert.strictEqual(wrong.code, 1)
        assert.include(wrong.output, "Token is invalid or has expired")
        assert.deepStrictEqual(yield* stages, { SCHEDULED: 5 })

        const address = "https://desk.example/?action=login&status=success&request_token=request1"
        const login = yield* pulse("zerodha", "login", "--request-token", address)
        assert.strictEqual(login.code, 0, login.output)
        assert.match(login.output, /^Stored the access token of AB1234 A Trader, good until .*T00:30:00\.000Z\./)
        yield* eventually("all are placed", stages, (counts) => counts["PROCESSED"] === 5)
        assert.strictEqual(kite.orders, 5)
        const said = `${page.output}${wrong.output}${login.output}${daemon.output()}${yield* everywhere}`
        for (const hidden of [secret, "fresh-token", key]) assert.notInclude(said, hidden)
        assert.strictEqual(daemon.output().split("there is no Zerodha access token").length, 2 + 1)
      })
    )
  )

  it.live("a token that ends while slices are placed costs no slice, and is logged once", () =>
    withZerodha(({ kite, environment, pulse }) =>
      Effect.gen(function* () {
        kite.goodToken = "first-token"
        const daemon = yield* startMain([], { ...environment, ZERODHA_ACCESS_TOKEN: "first-token" })
        yield* insertOrders(1, { total_quantity: 60, num_splits: 60 }, 0)
        yield* eventually("some are placed", stages, (counts) => (counts["PROCESSED"] ?? 0) > 2)
        kite.goodToken = "second-token"
        yield* eventually("it is noticed", Effect.sync(daemon.output), (log) => log.includes("on hold"))
        const atHold = kite.orders
        const refused = yield* pulse("zerodha", "token", "set", "wrong-token")
        assert.strictEqual(refused.code, 1)
        assert.include(refused.output, "Zerodha does not accept this token")
        const set = yield* pulse("zerodha", "token", "set", "second-token")
        assert.strictEqual(set.code, 0, set.output)
        yield* eventually(
          "placements go on",
          Effect.sync(() => kite.orders),
          (orders) => orders > atHold
        )
        yield* eventually("nothing is overdue or failed", stages, (counts) => (counts["PROCESSED"] ?? 0) >= atHold + 3)
        const counts = yield* stages
        assert.isUndefined(counts["FAILED"])
        assert.isUndefined(counts["SKIPPED"])
        assert.strictEqual(daemon.output().split("Placements are on hold").length, 2)
        for (const hidden of ["first-token", "second-token"]) {
          assert.notInclude(`${daemon.output()}${yield* everywhere}`, hidden)
        }
      })
    )
  )

  it.live("login alone needs the API secret; a wrong key, or none, says what to do", () =>
    withZerodha(({ kite, environment, pulse }) =>
      Effect.gen(function* () {
        const without = yield* runMain(["zerodha", "login"], { ...environment, ZERODHA_API_SECRET: "" })
        assert.strictEqual(without.code, 1)
        assert.include(without.output, "ZERODHA_API_SECRET must be set, or ZERODHA_API_SECRET_FILE")
        kite.goodToken = "good"
        assert.strictEqual((yield* pulse("zerodha", "token", "set", "good", "--as", "Asha Rao")).code, 0)
        const check = yield* pulse("zerodha", "check")
        assert.include(check.output, "ok  access token: of AB1234")
        const daemon = yield* startMain([], { ...environment, CREDENTIAL_KEY: "" })
        yield* eventually("it says so", Effect.sync(daemon.output), (log) =>
          log.includes("CREDENTIAL_KEY is not set. Set")
        )
        assert.strictEqual(daemon.output().split("in plain text, because CREDENTIAL_KEY is not set").length, 2)
        const other = { ...environment, CREDENTIAL_KEY: key.replace("B", "C") }
        for (const args of [["doctor"], ["zerodha", "check"], ["zerodha", "token", "show"]]) {
          assert.include((yield* runMain(args, other)).output, "another CREDENTIAL_KEY, or was changed")
        }
        assert.match((yield* pulse("actions")).output, /Asha Rao \(.*@.*\)/)
      })
    )
  )

  it.live("a token of another account is refused, and check says so", () =>
    withZerodha(({ kite, environment, pulse }) =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        kite.goodToken = "good"
        assert.strictEqual((yield* pulse("zerodha", "token", "set", "good")).code, 0)
        yield* execute("test.other", sql`UPDATE broker_in_use SET account = 'XY9876'`)
        const other = yield* pulse("zerodha", "token", "set", "good")
        assert.strictEqual(other.code, 1)
        assert.include(
          other.output,
          "the access token of AB1234, but this database's orders are in the account of XY9876"
        )
        const check = yield* pulse("zerodha", "check")
        assert.deepStrictEqual([check.code, check.output.includes("no  account")], [1, true])
        const daemon = yield* startMain([], environment)
        yield* eventually("it is on hold", Effect.sync(daemon.output), (log) =>
          log.includes("in the account of XY9876")
        )
        assert.strictEqual((yield* pulse("halt", "--reason", "another account")).code, 0)
        assert.strictEqual((yield* pulse("zerodha", "token", "set", "good")).code, 0)
        yield* eventually("placements are no longer on hold", Effect.sync(daemon.output), (log) =>
          log.includes("No longer on hold: the Zerodha access token is that of AB1234")
        )
      })
    )
  )

  it.live("check uses another token when the stored one is refused", () =>
    withZerodha(({ kite, environment, pulse }) =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        kite.goodToken = "good"
        yield* pulse("zerodha", "token", "set", "good")
        kite.goodToken = "given"
        yield* execute("test.refuse", sql`UPDATE broker_credentials SET refused_at = now(), refused_reason = 'no'`)
        const check = yield* runMain(["zerodha", "check"], { ...environment, ZERODHA_ACCESS_TOKEN: "given" })
        assert.strictEqual(check.code, 0, check.output)
      })
    )
  )

  it.live("token show and check report valid and invalid tokens", () =>
    withZerodha(({ kite, environment, pulse }) =>
      Effect.gen(function* () {
        const none = yield* pulse("zerodha", "token", "show")
        assert.deepStrictEqual([none.code, none.output.includes("No access token is stored")], [1, true])
        const noToken = yield* pulse("zerodha", "check")
        assert.strictEqual(noToken.code, 1)
        assert.include(noToken.output, "no  access token")
        kite.goodToken = "good"
        yield* pulse("zerodha", "token", "set", "good")
        assert.match((yield* pulse("zerodha", "token", "show")).output, /^Set .* by .*@.*, good until /)
        const check = yield* pulse("zerodha", "check")
        assert.strictEqual(check.code, 0, check.output)
        assert.include(check.output, "network address: 127.0.0.1, which is this very host")
        assert.include(check.output, "ok  access token: of AB1234 A Trader")
        const keyless = yield* runMain(["zerodha", "login"], {
          ...environment,
          BROKER_TYPE: "mock",
          ZERODHA_API_KEY: ""
        })
        assert.strictEqual(keyless.code, 1)
        assert.include(keyless.output, "ZERODHA_API_KEY must be set, or ")
      })
    )
  )
})
