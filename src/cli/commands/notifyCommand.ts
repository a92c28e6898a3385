import { DateTime, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { hostname } from "node:os"
import { Configuration } from "../../config/Configuration.ts"
import { Webhook } from "../../notify/Webhook.ts"
import { CommandFailed, json, print } from "../shared/environment.ts"
import { as, operator } from "../shared/operator.ts"

const test = Command.make(
  "test",
  { as, json },
  Effect.fnUntraced(
    function* (given) {
      const { notifyWebhookFormat: format } = yield* Configuration
      const foundAt = yield* DateTime.now
      const by = yield* operator(given.as)
      const answer = yield* (yield* Webhook)
        .send({
          key: `test:${DateTime.toEpochMillis(foundAt)}`,
          kind: "test",
          severity: "info",
          message: `A test of pulse-background's notifications, by ${by}: they arrive`,
          orderId: null,
          sliceId: null,
          reasonCode: null,
          foundAt
        })
        .pipe(
          Effect.mapError(
            ({ message }) => new CommandFailed({ message: `Nothing was told by ${hostname()}: ${message}` })
          )
        )
      yield* print(
        given.json,
        { format, ...answer },
        ({ status, millis }) => `Sent as ${format}; the webhook answered ${status} within ${millis} ms`
      )
    },
    Effect.provide(Webhook.layer.pipe(Layer.provideMerge(Configuration.layer)))
  )
).pipe(Command.withDescription("Send one test message to NOTIFY_WEBHOOK_URL and say what came back"))

export const notifyCommand = Command.make("notify").pipe(
  Command.withDescription("The webhook by which people are told of what they have to know"),
  Command.withSubcommands([test])
)
