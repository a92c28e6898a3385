import { DateTime, Effect, Option, Redacted, Result, Schema } from "effect"
import { createHash } from "node:crypto"
import { maskOf } from "../../domain/text/secrets.ts"
import { lookupAnswer } from "./kiteAnswers.ts"
import { type KiteAnswer, KiteClient } from "./KiteClient.ts"
import { cleanText } from "./kiteFields.ts"
import { jsonReader, parse } from "./kiteJson.ts"
import { AccessToken } from "./kiteTokens.ts"

/** Zerodha refused the request; the message is its own. */
export class KiteRefused extends Schema.TaggedError<KiteRefused>()("KiteRefused", { message: Schema.String }) {}

/** The owner of an access token. */
export interface KiteUser {
  readonly userId: string
  readonly userName: string
}

/** Kite's user ids have six letters and digits. */
const UserId = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,32}$/))
const User = Schema.Struct({ user_id: UserId, user_name: Schema.optionalKey(Schema.Unknown) })

const readProfile = jsonReader(Schema.Struct({ data: User }))
const readSession = jsonReader(Schema.Struct({ data: Schema.Struct({ ...User.fields, access_token: AccessToken }) }))

const maxName = 100

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
  const sent = yield* client.send({
    method: "POST",
    path: "/session/token",
    form: { api_key: apiKey, request_token: requestToken, checksum },
    accessToken: Option.none()
  })
  const answer = withoutTokens(sent, requestToken)
  const { data } = yield* understood(answer, readSession)
  return { ...userOf(data, answer), accessToken: Redacted.make(data.access_token) }
})

/** Asks Zerodha whose access token this is. */
export const profile = Effect.fnUntraced(function* (accessToken: Redacted.Redacted) {
  const client = yield* KiteClient
  const answer = yield* client.send({ method: "GET", path: "/user/profile", accessToken: Option.some(accessToken) })
  return userOf((yield* understood(answer, readProfile)).data, answer)
})

const userOf = ({ user_id: userId, user_name: name }: typeof User.Type, { masked }: KiteAnswer): KiteUser => ({
  userId,
  userName: typeof name === "string" ? cleanText(masked(name), maxName) : ""
})

/** A failure becomes a message, so it must not have the request token that was sent, or tokens that are in its body, in it. */
const withoutTokens = (answer: KiteAnswer, requestToken: string): KiteAnswer => {
  const inBody = [...answer.body.matchAll(anyToken)].slice(0, maxTokens)
  const mask = maskOf([requestToken, ...inBody.map(([, token = ""]) => unescaped(token))])
  return { ...answer, masked: (text) => mask(answer.masked(text)) }
}

/** Kite's answer has four. */
const maxTokens = 20

/** A text in JSON whose name ends with `token`; letters of the name may be escaped. */
const anyToken =
  /"[\w\\]{0,100}(?:t|\\u0074)(?:o|\\u006f)(?:k|\\u006b)(?:e|\\u0065)(?:n|\\u006e)"\s{0,9}:\s{0,9}"((?:[^"\\]|\\.){1,1000})"/gi

const unescaped = (text: string): string => {
  const value = Option.getOrNull(parse(`"${text}"`))
  return typeof value === "string" ? value : text
}

const understood = <A>(answer: KiteAnswer, read: (body: string) => Option.Option<A>) =>
  Effect.gen(function* () {
    const result = lookupAnswer(answer, yield* DateTime.now)
    if (Result.isFailure(result)) return yield* result.failure
    return yield* Effect.mapError(
      Effect.fromOption(read(result.success)),
      () => new KiteRefused({ message: "Zerodha's answer is not what its documentation says" })
    )
  })
