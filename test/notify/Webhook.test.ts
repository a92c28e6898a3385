import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Notification } from "../../src/domain/operations/notification.ts"
import { Webhook } from "../../src/notify/Webhook.ts"
import { configuration } from "../support/database.ts"
import { eventually } from "../support/processes.ts"
import { answerWithoutEnd, webhookServer } from "../support/webhookServer.ts"

const notification: Notification = {
  key: "halt:7",
  kind: "halted",
  severity: "warning",
  message: "Placements are halted by me: <P&L>",
  orderId: null,
  sliceId: null,
  reasonCode: null,
  foundAt: DateTime.makeUnsafe(0)
}

const send = (environment: Readonly<Record<string, string>>) =>
  Effect.flatMap(Webhook, (webhook) => webhook.send(notification)).pipe(
    Effect.provide(Layer.fresh(Webhook.layer).pipe(Layer.provide(configuration(environment))), { local: true })
  )

const failure = (environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(send(environment)), ({ message }) => message)

describe("the webhook", () => {
  it.live("gets a notification as JSON, or in Slack's format", () =>
    Effect.gen(function* () {
      const { url, received } = yield* webhookServer((response) => response.writeHead(204).end())
      assert.strictEqual((yield* send({ NOTIFY_WEBHOOK_URL: url })).status, 204)
      yield* send({ NOTIFY_WEBHOOK_URL: url, NOTIFY_WEBHOOK_FORMAT: "slack" })
      assert.deepStrictEqual(
        received.map(({ path, contentType, body }) => [path, contentType, JSON.parse(body)]),
        [
          [
            "/hooks/very-secret?key=also-secret",
            "application/json",
            {
              service: "pulse-background",
              key: "halt:7",
              kind: "halted",
              severity: "warning",
              message: "Placements are halted by me: <P&L>",
              order_id: null,
              reason_code: null,
              slice_id: null,
              found_at: "1970-01-01T00:00:00.000Z"
            }
          ],
          [
            "/hooks/very-secret?key=also-secret",
            "application/json",
            {
              text: ":warning: `Placements are halted by me: ＜P＆L＞`",
              parse: "none",
              link_names: false,
              unfurl_links: false,
              unfurl_media: false
            }
          ]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("fails without showing its address for any answer, and follows no redirect", () =>
    Effect.gen(function* () {
      const { url } = yield* webhookServer((response, request) =>
        response.writeHead(500).end(`cannot POST ${request.url}`)
      )
      assert.strictEqual(yield* failure({ NOTIFY_WEBHOOK_URL: url }), "it answered 500: cannot POST <redacted>")
      const elsewhere = yield* webhookServer((response) => response.writeHead(302, { location: url }).end())
      assert.strictEqual(yield* failure({ NOTIFY_WEBHOOK_URL: elsewhere.url }), "it answered 302")
      const cut = yield* webhookServer((response) => response.destroy())
      assert.match(yield* failure({ NOTIFY_WEBHOOK_URL: cut.url }), /^it could not be reached: socket hang up/)
      const gone = yield* failure({ NOTIFY_WEBHOOK_URL: "http://127.0.0.1:1/very-secret" })
      assert.match(gone, /^it could not be reached: connect ECONNREFUSED/)
      assert.strictEqual(yield* failure({}), "NOTIFY_WEBHOOK_URL is not set: nobody is told of anything")
    }).pipe(Effect.scoped)
  )

  it.live("may answer without end: what is longer than 64 KiB is not read", () =>
    Effect.gen(function* () {
      const refusing = yield* webhookServer(answerWithoutEnd(500))
      assert.strictEqual(yield* failure({ NOTIFY_WEBHOOK_URL: refusing.url }), "it answered 500")
      const taking = yield* webhookServer(answerWithoutEnd(200))
      assert.strictEqual((yield* send({ NOTIFY_WEBHOOK_URL: taking.url })).status, 200)
    }).pipe(Effect.scoped)
  )

  it.effect("has a timeout of ten seconds", () =>
    Effect.gen(function* () {
      const { url, received } = yield* webhookServer(() => undefined)
      const waiting = yield* Effect.forkChild(failure({ NOTIFY_WEBHOOK_URL: url }))
      yield* eventually(
        "it is asked",
        Effect.sync(() => received.length),
        (count) => count === 1
      )
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), "it did not answer within 10s")
    }).pipe(Effect.scoped)
  )
})
