import { ByteSize, Clock, Context, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpIncomingMessage } from "effect/http"
import { Configuration } from "../config/Configuration.ts"
import { bodyOf, type Delivery } from "../domain/operations/notification.ts"
import { type Mask, maskOf } from "../domain/text/secrets.ts"
import { wordsOf } from "../http/NotConnected.ts"
import { wayOutHttp } from "../http/wayOut.ts"
import { isTooLong } from "../runtime/isTooLong.ts"

/** The webhook did not accept the notification. The message never contains its address, which is a secret. */
export class WebhookFailed extends Schema.TaggedError<WebhookFailed>()("WebhookFailed", { message: Schema.String }) {}

/** The answer of the webhook. */
export interface WebhookAnswer {
  readonly status: number
  readonly millis: number
}

const timeout = Duration.seconds(10)
/** The most bytes read of an answer. */
const maxBody = ByteSize.kibibytes(64)
/** Characters shown of an answer. */
const maxShown = 200

/** Sends a notification or a summary to NOTIFY_WEBHOOK_URL: one request for each call, without redirects. */
export class Webhook extends Context.Service<
  Webhook,
  { readonly send: (delivery: Delivery) => Effect.Effect<WebhookAnswer, WebhookFailed> }
>()("pulse-background/Webhook") {
  static readonly layer: Layer.Layer<Webhook, never, Configuration> = Layer.effect(
    Webhook,
    Effect.gen(function* () {
      const { notifyWebhookUrl, notifyWebhookFormat } = yield* Configuration
      const http = yield* HttpClient.HttpClient

      const send = Effect.fnUntraced(function* (delivery: Delivery) {
        if (Option.isNone(notifyWebhookUrl)) {
          return yield* new WebhookFailed({ message: "NOTIFY_WEBHOOK_URL is not set: nobody is told of anything" })
        }
        const url = Redacted.value(notifyWebhookUrl.value)
        const masked = withoutAddress(url)
        const startedAt = yield* Clock.currentTimeMillis
        const request = HttpClientRequest.post(url).pipe(
          HttpClientRequest.bodyText(JSON.stringify(bodyOf(notifyWebhookFormat, delivery)), "application/json")
        )
        const { status, text } = yield* Effect.flatMap(http.execute(request), (response) =>
          response.arrayBuffer.pipe(
            Effect.map((bytes) => new TextDecoder().decode(bytes)),
            // The status says what became of the notification, so the rest of a long answer is not needed.
            Effect.catchIf(isTooLong, () => Effect.succeed("")),
            Effect.map((text) => ({ status: response.status, text }))
          )
        ).pipe(
          Effect.mapError(({ reason }) => new WebhookFailed({ message: masked(whyOf(reason)) })),
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () =>
              Effect.fail(new WebhookFailed({ message: `it did not answer within ${Duration.format(timeout)}` }))
          }),
          Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
          Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBody)
        )
        if (status < 200 || status > 299) {
          const said = masked(text).trim().slice(0, maxShown)
          return yield* new WebhookFailed({ message: `it answered ${status}${said === "" ? "" : `: ${said}`}` })
        }
        return { status, millis: (yield* Clock.currentTimeMillis) - startedAt }
      })

      return Webhook.of({ send })
    })
  ).pipe(Layer.provide(wayOutHttp(() => ({ keepAlive: false, connectTimeout: timeout }))))
}

const whyOf = (reason: object): string => {
  const cause = "cause" in reason ? reason.cause : undefined
  return `it could not be reached: ${wordsOf(cause)}`
}

/** Without the address, because an error or a careless server may repeat it. */
const withoutAddress = (url: string): Mask => {
  const { pathname, search } = new URL(url)
  return maskOf([url, `${pathname}${search}`, pathname, search])
}
