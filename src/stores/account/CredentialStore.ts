import { Context, type DateTime, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { sealed, unsealed } from "./tokenCipher.ts"

const Row = Schema.Struct({
  /** Plain, or encrypted with CREDENTIAL_KEY. */
  storedToken: Schema.String,
  setAt: Schema.DateTimeUtcFromDate,
  setBy: Schema.String,
  /** The user it belongs to; null when the broker could not be asked. */
  userId: Schema.NullOr(Schema.String),
  refusedReason: Schema.NullOr(Schema.String)
})

/** The access token set for a broker account, and whether the broker has refused it since. */
export interface StoredToken extends Omit<typeof Row.Type, "storedToken"> {
  /** Fails with words if the key is not the one that it was encrypted with. */
  readonly accessToken: Result.Result<Redacted.Redacted, string>
}

/**
 * The access token of each broker account, shared by all daemons, and encrypted if CREDENTIAL_KEY is set. A new token wakes
 * them. Written by the commands zerodha login and zerodha token set; read by the broker's session, which marks a token that
 * the broker refuses.
 */
export class CredentialStore extends Context.Service<
  CredentialStore,
  {
    readonly token: (broker: string) => Effect.Effect<Option.Option<StoredToken>, DbError>
    /** Replaces the token, and wakes the daemons. */
    readonly set: (
      broker: string,
      token: {
        readonly accessToken: string
        readonly setAt: DateTime.Utc
        readonly userId: string | null
      },
      asked: Asked & { readonly with: "zerodha login" | "zerodha token set" }
    ) => Effect.Effect<void, DbError>
    /** Records that the broker refuses this token. A token set in the meantime is not affected. */
    readonly refuse: (
      broker: string,
      accessToken: string,
      reason: string,
      at: DateTime.Utc
    ) => Effect.Effect<void, DbError>
  }
>()("pulse-background/CredentialStore") {
  static readonly layer: Layer.Layer<CredentialStore, never, Configuration | Db> = Layer.effect(
    CredentialStore,
    Effect.gen(function* () {
      const { sql, queryOption, execute } = yield* Db
      const { credentialKey } = yield* Configuration
      const row = (broker: string) =>
        queryOption(
          "CredentialStore.token",
          Row,
          sql`
            SELECT access_token AS stored_token, set_at, set_by, user_id, refused_reason FROM broker_credentials
            WHERE broker = ${broker}`
        )
      const read = (broker: string, { storedToken, userId }: Pick<typeof Row.Type, "storedToken" | "userId">) =>
        unsealed(credentialKey, { broker, userId }, storedToken)
      return CredentialStore.of({
        token: (broker) =>
          Effect.map(
            row(broker),
            Option.map(({ storedToken, ...stored }) => ({
              ...stored,
              accessToken: read(broker, { ...stored, storedToken })
            }))
          ),
        set: (broker, token, asked) =>
          execute(
            "CredentialStore.set",
            sql`
              WITH stored AS (
                INSERT INTO broker_credentials (broker, access_token, set_at, set_by, user_id)
                VALUES (${broker}, ${sealed(credentialKey, { broker, userId: token.userId }, token.accessToken)}, ${instant(token.setAt)}, ${asked.by}, ${token.userId})
                ON CONFLICT (broker) DO UPDATE SET
                  access_token = excluded.access_token, set_at = excluded.set_at, set_by = excluded.set_by,
                  user_id = excluded.user_id,
                  refused_at = NULL, refused_reason = NULL
                RETURNING broker, user_id
              ), recorded AS (${insertActions(
                sql,
                { name: asked.with, asked, now: token.setAt },
                sql`SELECT NULL::text, NULL::text, jsonb_build_object('broker', broker, 'user_id', user_id) FROM stored`
              )})
              SELECT pg_notify(${channel}, 'credentials')`
          ),
        refuse: Effect.fnUntraced(function* (broker, accessToken, reason, at) {
          const stored = Option.getOrNull(yield* row(broker))
          if (stored === null) return
          const token = Result.getOrNull(read(broker, stored))
          if (token === null || Redacted.value(token) !== accessToken) return
          yield* execute(
            "CredentialStore.refuse",
            sql`
              UPDATE broker_credentials SET refused_at = ${instant(at)}, refused_reason = ${reason}
              WHERE broker = ${broker} AND access_token = ${stored.storedToken} AND refused_at IS NULL`
          )
        })
      })
    })
  )
}
