import { ByteSize, Context, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpIncomingMessage } from "effect/http"
import type { HttpClientError } from "effect/http/HttpClientError"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { LatestTime } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { type Mask, maskOf } from "../../domain/text/secrets.ts"
import { codeOf, NotConnected, wordsOf } from "../../http/NotConnected.ts"
import { type Taken, WayOut, wayOutHttp, type WayOutOptions } from "../../http/wayOut.ts"
import { isTooLong } from "../../runtime/isTooLong.ts"

/** One call of the Kite Connect API, version 3. `form` goes into the body, `query` into the URL. */
export interface KiteRequest {
  readonly method: "GET" | "POST" | "DELETE"
  /** Relative to the base URL, with a leading slash. */
  readonly path: string
  readonly form?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  /** Absent only for the exchange of a request token. */
  readonly accessToken: Option.Option<Redacted.Redacted>
  /** For the whole answer; BROKER_TIMEOUT_SECONDS if absent. */
  readonly timeout?: Duration.Duration
  /** How much is read of the answer, as it comes and unpacked; 1 if absent. */
  readonly maxMebibytes?: number
}

/** An HTTP response, not interpreted: it may be a failure. A server may echo what it was sent, in any encoding. */
export interface KiteAnswer {
  readonly status: number
  readonly body: string
  /** For every text of the body that is logged, stored or shown, after it is decoded. */
  readonly masked: Mask
}

/** There was no whole answer. If `wasSent` is true the request may have arrived; false means that no connection came about. */
export class KiteUnanswered extends Schema.TaggedError<KiteUnanswered>()("KiteUnanswered", {
  message: Schema.String,
  wasSent: Schema.Boolean
}) {}

/** Connections are kept open, because a handshake would delay a placement. */
export const zerodhaWayOut = ({ brokerTimeout, zerodhaIpFamily }: Configuration["Service"]): WayOutOptions => ({
  keepAlive: true,
  family: zerodhaIpFamily === "auto" ? undefined : zerodhaIpFamily === "4" ? 4 : 6,
  // Shorter than the whole call, so that a connection that does not come about is told apart from an answer that does not come.
  connectTimeout: Duration.times(brokerTimeout, 0.5),
  // A deadline is checked before its request waits for a connection.
  latestMillis: Effect.flatten(LatestTime)
})

/** HTTP calls of Zerodha. Sends each request once, follows no redirect, and never puts a secret into an error. */
export class KiteClient extends Context.Service<
  KiteClient,
  {
    readonly send: (request: KiteRequest) => Effect.Effect<KiteAnswer, KiteUnanswered>
    /** The way of the newest connection. */
    readonly wayOut: Effect.Effect<Option.Option<Taken>>
  }
>()("pulse-background/KiteClient") {
  static readonly layer: Layer.Layer<KiteClient, never, Configuration> = Layer.effect(
    KiteClient,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(wayOutHttp(zerodhaWayOut)))
}

const make = Effect.gen(function* () {
  const config = yield* Configuration
  const http = yield* HttpClient.HttpClient
  const { taken } = yield* WayOut
  const apiKey = Option.match(config.zerodhaApiKey, { onNone: () => "", onSome: Redacted.value })

  const maskFor = rememberLast((token: string) =>
    maskOf([...[config.zerodhaApiKey, config.zerodhaApiSecret].flatMap(Option.toArray).map(Redacted.value), token])
  )

  return KiteClient.of({
    wayOut: taken,
    send: ({
      method,
      path,
      form,
      query,
      accessToken,
      timeout = config.brokerTimeout,
      maxMebibytes = defaultMebibytes
    }) => {
      const request = HttpClientRequest.make(method)(`${config.zerodhaUrl}${path}`).pipe(
        HttpClientRequest.setHeader("X-Kite-Version", "3"),
        Option.isSome(accessToken)
          ? HttpClientRequest.setHeader("Authorization", `token ${apiKey}:${Redacted.value(accessToken.value)}`)
          : (request) => request,
        query === undefined ? (request) => request : HttpClientRequest.setUrlParams(query),
        form === undefined ? (request) => request : HttpClientRequest.bodyUrlParams(form)
      )
      return Effect.gen(function* () {
        const response = yield* http.execute(request)
        const text = yield* textOf(new Uint8Array(yield* response.arrayBuffer), maxMebibytes)
        const masked = maskFor(Option.match(accessToken, { onNone: () => "", onSome: Redacted.value }))
        return { status: response.status, body: text, masked }
      }).pipe(
        Effect.mapError((error) => (error._tag === "KiteUnanswered" ? error : unanswered(error, maxMebibytes))),
        Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(tookTooLong(timeout)) }),
        // Zerodha has no use for our trace ids, and spans of requests could contain secrets.
        Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
        Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.mebibytes(maxMebibytes))
      )
    }
  })
})

/** The mask of the latest token: a day has one or two, and making a mask takes longer than using it. */
const rememberLast = (maskOfToken: (token: string) => Mask) => {
  let last = { token: "", mask: maskOfToken("") }
  return (token: string): Mask => {
    if (token !== last.token) last = { token, mask: maskOfToken(token) }
    return last.mask
  }
}

/** Most answers have about a kilobyte. JSON of more than a few mebibytes would keep the process from placing while it is parsed. */
const defaultMebibytes = 1

/**
 * The instrument list is gzipped whatever the request headers say, so the bytes themselves are checked. They are unpacked
 * in another thread: on this one it would delay placements.
 */
const textOf = (bytes: Uint8Array, maxMebibytes: number): Effect.Effect<string, KiteUnanswered> =>
  bytes[0] === 0x1f && bytes[1] === 0x8b
    ? Effect.tryPromise({
        try: async () => new TextDecoder().decode(await unpack(bytes, { maxOutputLength: maxMebibytes * 1024 * 1024 })),
        catch: (cause) =>
          new KiteUnanswered({
            message: `The answer is compressed and ${whyNotUnpacked(cause, maxMebibytes)}`,
            wasSent: true
          })
      })
    : Effect.succeed(new TextDecoder().decode(bytes))

const unpack = promisify(gunzip)

const whyNotUnpacked = (cause: unknown, maxMebibytes: number): string =>
  cause instanceof Error && codeOf(cause) === "ERR_BUFFER_TOO_LARGE"
    ? `has more than ${maxMebibytes} MiB unpacked`
    : `cannot be read: ${wordsOf(cause)}`

const tookTooLong = (timeout: Duration.Duration): KiteUnanswered =>
  new KiteUnanswered({ message: `Zerodha did not answer within ${Duration.format(timeout)}`, wasSent: true })

const unanswered = (error: HttpClientError, maxMebibytes: number): KiteUnanswered => {
  if (isTooLong(error)) {
    return new KiteUnanswered({ message: `The answer has more than ${maxMebibytes} MiB`, wasSent: true })
  }
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  // A request gets its connection only when that is ready. After that, nothing proves that it was not sent.
  return cause instanceof NotConnected
    ? new KiteUnanswered({ message: `Could not connect to Zerodha: ${cause.message}`, wasSent: false })
    : new KiteUnanswered({
        message: `The connection broke before the whole answer was here: ${wordsOf(cause)}`,
        wasSent: true
      })
}
