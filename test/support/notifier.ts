import { DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import type { Delivery } from "../../src/domain/operations/notification.ts"
import { Webhook, WebhookFailed } from "../../src/notify/Webhook.ts"
import { DeliveryStore } from "../../src/stores/operations/DeliveryStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { scriptedBroker } from "./scriptedBroker.ts"
import { serviceLayer } from "./service.ts"

/** What the webhook has accepted, in order. */
export const delivered: Array<Delivery> = []
/** The webhook's next failures; without one it accepts the notification. */
export const failures: Array<string> = []
/** Keys that the webhook refuses. */
export const refusedKeys = new Set<string>()

export const deliveredKeys = () => delivered.map(({ key }) => key)

const webhook = Layer.effect(
  Webhook,
  Effect.sync(() => {
    delivered.length = 0
    failures.length = 0
    refusedKeys.clear()
    return Webhook.of({
      send: (delivery) =>
        Effect.suspend(() => {
          const failure = refusedKeys.has(delivery.key) ? "it answered 400" : failures.shift()
          if (failure !== undefined) return Effect.fail(new WebhookFailed({ message: failure }))
          delivered.push(delivery)
          return Effect.succeed({ status: 200, millis: 1 })
        })
    })
  })
)

/** All that the notifier needs, on a fresh database, with a webhook that the test steers. */
export const notifierWith = (environment: Readonly<Record<string, string>>) =>
  Layer.mergeAll(
    Layer.fresh(webhook),
    HaltStore.layer,
    NotificationStore.layer,
    DeliveryStore.layer,
    SliceCommands.layer
  ).pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker, environment })))

/** All notifications, in the order in which they were found. */
export const outbox = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.outbox",
    Schema.Struct({
      key: Schema.String,
      kind: Schema.String,
      severity: Schema.String,
      message: Schema.String,
      attempts: Schema.Int,
      summaryKey: Schema.NullOr(Schema.String),
      isDelivered: Schema.Boolean,
      isOver: Schema.Boolean
    }),
    sql`
      SELECT key, kind, severity, message, attempts, summary_key, delivered_at IS NOT NULL AS is_delivered,
        delivered_at IS NOT NULL OR given_up_at IS NOT NULL AS is_over
      FROM notifications ORDER BY found_at, key`
  )
)

/** A person halts all placements, or resumes them. */
export const halt = (isHalted: boolean) =>
  Effect.gen(function* () {
    const requestedAt = yield* DateTime.now
    yield* (yield* HaltStore).request({ isHalted, reason: "fat finger", requestedBy: "me", requestedAt })
  })
