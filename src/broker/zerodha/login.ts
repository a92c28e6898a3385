import { DateTime, Effect, Option, Redacted, Result, Schema } from "effect"
import { createHash } from "node:crypto"
import { lookupAnswer } from "./kiteAnswers.ts"
import { type KiteAnswer, KiteClient } from "./KiteClient.ts"

/** Zerodha refused the request; the message is its own. */
export class KiteRefused extends Schema.TaggedError<KiteRefused>()("KiteRefused", { message: Schema.String }) {}

/** The owner of an access token. */
export interface KiteUser {
  readonly userId: string
  readonly userName: string
}

const User = Schema.Struct({ user_id: Schema.String, user_name: Schema.optionalKey(Schema.String) })

const readProfile = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ data: User })))
const readSession = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ data: Schema.Struct({ ...User.fields, access_token: Schema.NonEmptyString }) }))
)

/** The page on which the account's owner logs in. It redirects the browser to an address that contains a request token. */
export const loginPage = (loginUrl: string, apiKey: string): string =>
  `${loginUrl}?${new URLSearchParams({ v: "3", api_key: apiKey })}`

/** The request token in pasted text, which is the token itself or the whole address of the redirect. */
export const requestTokenIn = (pasted: string): string => {
  const text = pasted.trim()
  return (URL.canParse(text) ? new URL(text).searchParams.get("request_token") : null) ?? text
}

/** Exchanges a request token (valid for minutes, and once) for an access token (valid until 06:00 in India). */
export const exchange = Effect.fnUntraced(function* (
  apiKey: string,
  apiSecret: Redacted.Redacted,
  requestToken: string
) {
  const client = yield* KiteClient
  const checksum = createHash("sha256")
    .update(`${apiKey}${requestToken}${Redacted.value(apiSecret)}`)
    .digest("hex")
  const answer = yield* client.send({
    method: "POST",
    path: "/session/token",
    form: { api_key: apiKey, request_token: requestToken, checksum },
    accessToken: Option.none()
  })
  const { data } = yield* understood(answer, readSession)
  return { ...userOf(data), accessToken: Redacted.make(data.access_token) }
})

/** Asks Zerodha whose access token this is. */
export const profile = Effect.fnUntraced(function* (accessToken: Redacted.Redacted) {
  const client = yield* KiteClient
  const answer = yield* client.send({ method: "GET", path: "/user/profile", accessToken: Option.some(accessToken) })
  return userOf((yield* understood(answer, readProfile)).data)
})

const userOf = (user: typeof User.Type): KiteUser => ({ userId: user.user_id, userName: user.user_name ?? "" })

const understood = <A>(answer: KiteAnswer, read: (body: string) => Option.Option<A>) =>
  Effect.gen(function* () {
    const result = lookupAnswer(answer, yield* DateTime.now)
    if (Result.isFailure(result)) return yield* result.failure
    return yield* Effect.mapError(
      Effect.fromOption(read(result.success)),
      () => new KiteRefused({ message: "Zerodha's answer is not what its documentation says" })
    )
  })
