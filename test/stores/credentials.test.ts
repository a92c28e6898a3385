import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { choose } from "../../src/broker/zerodha/kiteTokens.ts"
import { Db } from "../../src/db/Db.ts"
import { CredentialStore } from "../../src/stores/account/CredentialStore.ts"
import { configuration, testDatabase } from "../support/database.ts"
import { asked } from "../support/service.ts"

const key = Buffer.alloc(32, 7).toString("base64")
const otherKey = Buffer.alloc(32, 8).toString("hex")
const token = "the-access-token-of-today"
const now = DateTime.makeUnsafe("2026-11-30T05:00:00Z")

/** Runs with the store of a process that has this key, or none. */
const withKey = <A, E>(key: string, body: Effect.Effect<A, E, CredentialStore | Db>) =>
  Effect.provide(body, Layer.fresh(CredentialStore.layer).pipe(Layer.provide(configuration({ CREDENTIAL_KEY: key }))), {
    local: true
  })

const set = Effect.flatMap(CredentialStore, (store) =>
  store.set("zerodha", { accessToken: token, setAt: now, userId: "AB1234" }, { ...asked, with: "zerodha login" })
)

/** The token that a daemon uses, or its words for people. */
const used = Effect.gen(function* () {
  const stored = yield* (yield* CredentialStore).token("zerodha")
  const tokens = { stored, given: Option.none(), givenAt: now, givenRefused: null, account: null, users: new Map() }
  return Result.match(choose(tokens, now), { onFailure: (problem) => problem, onSuccess: Redacted.value })
})

const inDatabase = Effect.flatMap(Db, ({ query, sql }) =>
  Effect.map(
    query(
      "test.stored",
      Schema.Struct({ text: Schema.String }),
      sql`SELECT to_jsonb(c)::text AS text FROM broker_credentials c`
    ),
    ([row]) => row?.text ?? ""
  )
)

const change = (statement: string) =>
  Effect.flatMap(Db, ({ execute, sql }) => execute("test.change", sql.unsafe(statement)))

describe("a stored access token", () => {
  it.effect("is encrypted with CREDENTIAL_KEY, differently each time, and read with it alone", () =>
    Effect.gen(function* () {
      yield* withKey(key, set)
      const first = yield* inDatabase
      assert.notInclude(first, "access-token-of")
      yield* withKey(key, set)
      assert.notStrictEqual(yield* inDatabase, first)
      assert.strictEqual(yield* withKey(key, used), token)
      assert.match(yield* withKey(otherKey, used), /another CREDENTIAL_KEY.*Set the key.*zerodha login/)
      assert.match(yield* withKey("", used), /is encrypted, and CREDENTIAL_KEY is not set.*zerodha login/)
    }).pipe(Effect.provide(testDatabase))
  )

  for (const [what, statement] of Object.entries({
    "moved to another account": "UPDATE broker_credentials SET user_id = 'CD9876'",
    "changed in one letter":
      "UPDATE broker_credentials SET access_token = overlay(access_token PLACING '_' FROM 60 FOR 1)",
    cut: "UPDATE broker_credentials SET access_token = left(access_token, 20)"
  })) {
    it.effect(`is not used when it was ${what}`, () =>
      Effect.gen(function* () {
        yield* withKey(key, set)
        yield* change(statement)
        assert.match(yield* withKey(key, used), /or was changed.*zerodha login/)
      }).pipe(Effect.provide(testDatabase))
    )
  }

  it.effect("that is plain is still read with a key, and encrypted at the next login", () =>
    Effect.gen(function* () {
      yield* withKey("", set)
      assert.include(yield* inDatabase, token)
      assert.strictEqual(yield* withKey(key, used), token)
      yield* withKey(key, set)
      assert.notInclude(yield* inDatabase, token)
    }).pipe(Effect.provide(testDatabase))
  )

  it.effect("is marked as refused, unless it was replaced or cannot be read", () =>
    Effect.gen(function* () {
      const refused = Effect.flatMap(CredentialStore, (store) =>
        store.refuse("zerodha", token, "Incorrect token.", now)
      )
      const reason = Effect.map(
        Effect.flatMap(CredentialStore, (store) => store.token("zerodha")),
        Option.match({ onNone: () => null, onSome: ({ refusedReason }) => refusedReason })
      )
      yield* withKey(key, refused)
      yield* withKey(key, set)
      yield* withKey(otherKey, refused)
      assert.isNull(yield* withKey(key, reason))
      yield* withKey(key, refused)
      assert.strictEqual(yield* withKey(key, reason), "Incorrect token.")
      yield* withKey(key, set)
      assert.isNull(yield* withKey(key, reason))
    }).pipe(Effect.provide(testDatabase))
  )
})
