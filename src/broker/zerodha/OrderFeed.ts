import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Context, Duration, Effect, Layer, Option, Queue, Redacted, Schedule, Schema } from "effect"
import * as Socket from "effect/socket/Socket"
import { Configuration } from "../../config/Configuration.ts"
import { KiteSession } from "./KiteSession.ts"

const readOrderFrame = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ type: Schema.Literal("order") }))
)
const isOrderFrame = (frame: string | Uint8Array): boolean =>
  typeof frame === "string" && Option.isSome(readOrderFrame(frame))

/** The feed sends a heartbeat about every second; after a longer silence it counts as dead. */
const maxSilence = Duration.seconds(15)

/**
 * Zerodha's WebSocket feed of order changes, used only as a hint to read the order list: frames may be repeated, reordered or
 * lost, so their content is ignored. Off unless ZERODHA_ORDER_FEED is on, because free apps have no feed.
 */
export class OrderFeed extends Context.Service<OrderFeed, { readonly changed: Effect.Effect<void> }>()(
  "pulse-background/OrderFeed"
) {
  static readonly layer: Layer.Layer<OrderFeed, never, Configuration | KiteSession> = Layer.effect(
    OrderFeed,
    Effect.gen(function* () {
      const config = yield* Configuration
      if (!config.zerodhaOrderFeed) return OrderFeed.of({ changed: Effect.never })
      const session = yield* KiteSession
      const hints = yield* Queue.sliding<void>(1)
      const apiKey = Option.match(config.zerodhaApiKey, { onNone: () => "", onSome: Redacted.value })

      const follow = Effect.gen(function* () {
        const token = yield* session.accessToken
        const address = new URL(config.zerodhaOrderFeedUrl)
        address.search = `${new URLSearchParams({ api_key: apiKey, access_token: Redacted.value(token) })}`
        const socket = yield* Socket.makeWebSocket(address.href, { openTimeout: "10 seconds" })
        const { pull } = yield* socket.reader
        // Changes during the disconnection are not sent again, so each connection begins with a hint.
        yield* Queue.offer(hints, undefined)
        for (;;) {
          const frames = yield* Effect.timeout(pull, maxSilence)
          if (frames.some(isOrderFrame)) yield* Queue.offer(hints, undefined)
        }
      }).pipe(Effect.scoped)

      yield* follow.pipe(
        // The cause is not logged: it may contain the address, and that contains the token.
        Effect.catchCause(() => Effect.void),
        Effect.andThen(Effect.logDebug("The order feed ended; connecting again. Polling goes on meanwhile")),
        Effect.repeat(Schedule.spaced("5 seconds")),
        Effect.forkScoped
      )
      return OrderFeed.of({ changed: Queue.take(hints) })
    })
  ).pipe(Layer.provide(NodeSocket.layerWebSocketConstructor))
}
