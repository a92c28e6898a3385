import { ByteSize, Duration, Effect } from "effect"
import { HttpClient, HttpClientRequest, HttpIncomingMessage } from "effect/http"
import { isTooLong } from "../runtime/isTooLong.ts"
import { wordsOf } from "./NotConnected.ts"

/** For a connection, and for the whole answer. */
export const downloadTimeout = Duration.seconds(30)

/**
 * Downloads a text of at most `maxBytes` by GET, and follows no redirect. Fails with words that complete "URL …". Some public sites
 * answer only what presents itself as a browser.
 */
export const downloadText = (
  url: URL,
  maxBytes: number,
  timeout: Duration.Duration = downloadTimeout
): Effect.Effect<string, string, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const http = yield* HttpClient.HttpClient
    const request = HttpClientRequest.get(url.href).pipe(
      HttpClientRequest.setHeaders({
        "user-agent": "Mozilla/5.0",
        accept: "application/json",
        "accept-encoding": "identity"
      })
    )
    const response = yield* http.execute(request)
    if (response.status !== 200) return yield* Effect.fail(`answered ${response.status}${meaningOf(response.status)}`)
    const bytes = yield* response.arrayBuffer
    return yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => "must be text in UTF-8"
    })
  }).pipe(
    Effect.mapError((error) => {
      if (typeof error === "string") return error
      if (isTooLong(error)) return `must have at most ${maxBytes} bytes`
      return `could not be reached: ${wordsOf("cause" in error.reason ? error.reason.cause : undefined)}`
    }),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(`did not answer within ${Duration.format(timeout)}`)
    }),
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxBytes))
  )

const meaningOf = (status: number): string => {
  if (status === 401 || status === 403) return ": it wants a browser or a login; save its answer as a file"
  return status >= 300 && status < 400 ? ": it sends on to another address, which is not followed" : ""
}
