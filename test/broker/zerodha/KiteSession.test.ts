import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { KiteClient } from "../../../src/broker/zerodha/KiteClient.ts"
import { KiteSession } from "../../../src/broker/zerodha/KiteSession.ts"
import { zerodha } from "../../../src/broker/zerodha/kiteTokens.ts"
import { Wakeups } from "../../../src/db/Wakeups.ts"
import { BrokerInUseStore } from "../../../src/stores/account/BrokerInUseStore.ts"
import { CredentialStore } from "../../../src/stores/account/CredentialStore.ts"
import { configuration, testDatabase } from "../../support/database.ts"
import { eventually } from "../../support/processes.ts"

/** 10:00 in India. */
const morning = DateTime.toEpochMillis(DateTime.makeUnsafe("1970-01-01T04:30:00Z"))
const sixOClock = DateTime.toEpochMillis(DateTime.makeUnsafe("1970-01-02T00:30:00Z"))

/** The user that a token belongs to: tokens of the other account have it in their name. */
const userOf = (token: Option.Option<Redacted.Redacted>) =>
  Option.exists(token, (text) => Redacted.value(text).includes("other")) ? "XY9876" : "AB1234"

let isProfileDown = false

/** A server that accepts tokens that begin with "good". */
const kite = Layer.succeed(
  KiteClient,
  KiteClient.of({
    wayOut: Effect.succeedNone,
    send: ({ accessToken }) =>
      Effect.sync(() => {
        const masked = (text: string) => text
        if (isProfileDown) return { status: 503, body: "", masked }
        return Option.exists(accessToken, (token) => Redacted.value(token).startsWith("good"))
          ? { status: 200, body: `{"status":"success","data":{"user_id":"${userOf(accessToken)}"}}`, masked }
          : {
              status: 403,
              body: '{"status":"error","error_type":"TokenException","message":"Incorrect token."}',
              masked
            }
      })
  })
)

/** They listen by the live clock: one that jumps by half an hour would make their connection, and all others, count as silent. */
const wakeups = Layer.effectContext(TestClock.withLive(Layer.build(Wakeups.layer)))

const session = (environment: Readonly<Record<string, string>> = {}) =>
  Layer.fresh(KiteSession.layer).pipe(
    Layer.provideMerge(Layer.fresh(PlacementGate.layer)),
    Layer.provide([kite, wakeups, configuration({ BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key", ...environment })])
  )

const onDatabase = Layer.mergeAll(CredentialStore.layer, BrokerInUseStore.layer).pipe(
  Layer.provideMerge(testDatabase),
  Layer.provide(configuration())
)

const store = (accessToken: string, userId: string | null = null) =>
  Effect.gen(function* () {
    yield* (yield* CredentialStore).set(
      zerodha,
      { accessToken, setAt: yield* DateTime.now, userId },
      { by: "me", reason: "a reason", with: "zerodha token set" }
    )
  })

const tokenOrProblem = Effect.flatMap(KiteSession, ({ accessToken }) =>
  Effect.match(accessToken, { onFailure: ({ message }) => message, onSuccess: Redacted.value })
)

/** Waits, with real I/O, until the session has received the database's notification. */
const untilTokenIs = (token: string) => eventually(`the token is ${token}`, tokenOrProblem, (now) => now === token)

/** Waits likewise when no notification arrives: the session polls every ten seconds. */
const untilItFinds = (token: string) =>
  eventually(
    `the token is ${token}`,
    Effect.andThen(TestClock.adjust("10 seconds"), tokenOrProblem),
    (now) => now === token
  )

describe("the access token", () => {
  it.effect("closes the placement gate when it is missing, and says what to do", () =>
    Effect.gen(function* () {
      const gate = yield* PlacementGate
      assert.include((yield* gate.current)?.reason, "there is no Zerodha access token. Run the command `zerodha login`")
      assert.include(yield* tokenOrProblem, "zerodha login")
    }).pipe(Effect.provide(session()), Effect.provide(onDatabase))
  )

  it.effect("is the stored one rather than that of the environment, also when it is stored later", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(morning)
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* tokenOrProblem, "good-given")
        yield* store("good-stored")
        yield* untilTokenIs("good-stored")
        assert.isNull(yield* (yield* PlacementGate).current)
      }).pipe(Effect.provide(session({ ZERODHA_ACCESS_TOKEN: "good-given" })))
    }).pipe(Effect.provide(onDatabase))
  )

  it.effect("ends at 06:00 in India, whether it was stored or given", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(sixOClock - 1_800_000)
      yield* store("good-stored")
      yield* Effect.gen(function* () {
        const gate = yield* PlacementGate
        assert.strictEqual(yield* tokenOrProblem, "good-stored")
        yield* TestClock.setTime(sixOClock - 1)
        assert.strictEqual(yield* tokenOrProblem, "good-stored")
        yield* TestClock.setTime(sixOClock)
        assert.include(yield* tokenOrProblem, "the Zerodha access token ended at 1970-01-02T00:30:00.000Z")
        assert.strictEqual((yield* gate.current)?.kind, "credentials")
        yield* store("good-new")
        // A notification that is lost costs one poll.
        yield* untilItFinds("good-new")
        assert.isNull(yield* gate.current)
      }).pipe(Effect.provide(session({ ZERODHA_ACCESS_TOKEN: "good-given" })))
    }).pipe(Effect.provide(onDatabase))
  )

  it.effect("is checked before any slice is due, and a refused one is not used again by any replica", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(morning)
      yield* store("bad-stored")
      yield* Effect.gen(function* () {
        assert.include(yield* tokenOrProblem, "Zerodha does not accept the access token (Incorrect token.)")
        const noted = yield* (yield* CredentialStore).token(zerodha)
        assert.strictEqual(Option.getOrThrow(noted).refusedReason, "Incorrect token.")
      }).pipe(Effect.provide(session()))

      // The stored one is refused, so the one of the environment is used meanwhile.
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* tokenOrProblem, "good-given")
      }).pipe(Effect.provide(session({ ZERODHA_ACCESS_TOKEN: "good-given" })))

      yield* store("good-stored")
      yield* Effect.flatMap(tokenOrProblem, (token) =>
        Effect.sync(() => assert.strictEqual(token, "good-stored"))
      ).pipe(Effect.provide(session()))
    }).pipe(Effect.provide(onDatabase))
  )

  it.effect("of another account is not used, because its order list has none of our orders", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(morning)
      yield* Effect.provide(tokenOrProblem, session({ ZERODHA_ACCESS_TOKEN: "good-given" }))
      assert.strictEqual(yield* (yield* BrokerInUseStore).account, "AB1234")
      yield* Effect.gen(function* () {
        const problem = yield* tokenOrProblem
        assert.include(problem, "the Zerodha access token is that of XY9876")
        assert.strictEqual((yield* (yield* PlacementGate).current)?.kind, "credentials")
        yield* store("good-stored", "AB1234")
        yield* untilTokenIs("good-stored")
      }).pipe(Effect.provide(session({ ZERODHA_ACCESS_TOKEN: "good-other" })))
    }).pipe(Effect.provide(onDatabase))
  )

  it.effect("of an unknown owner is not used once the account is known, until Zerodha names the owner", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(morning)
      yield* (yield* BrokerInUseStore).claimAccount("AB1234")
      isProfileDown = true
      yield* Effect.addFinalizer(() => Effect.sync(() => (isProfileDown = false)))
      yield* Effect.gen(function* () {
        assert.include(yield* tokenOrProblem, "nobody knows yet whether the Zerodha access token is that of AB1234")
        isProfileDown = false
        yield* untilItFinds("good-given")
        assert.isNull(yield* (yield* PlacementGate).current)
      }).pipe(Effect.provide(session({ ZERODHA_ACCESS_TOKEN: "good-given" })))
    }).pipe(Effect.scoped, Effect.provide(onDatabase))
  )

  it.effect("stays in use when a late refusal is about an older one", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(morning)
      yield* store("good-new")
      yield* Effect.gen(function* () {
        const { refused } = yield* KiteSession
        yield* refused(Redacted.make("good-old"), "Incorrect token.")
        assert.strictEqual(yield* tokenOrProblem, "good-new")
        assert.isNull(yield* (yield* PlacementGate).current)
      }).pipe(Effect.provide(session()))
    }).pipe(Effect.provide(onDatabase))
  )
})
