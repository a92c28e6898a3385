import { WebSocket } from "@effect/platform-node/NodeWS"
import { Context, Duration, Effect, Layer, Option, Queue, Redacted, Schedule } from "effect"
import * as Socket from "effect/socket/Socket"
import { Configuration } from "../../config/Configuration.ts"
import { WayOut } from "../../http/wayOut.ts"
import { zerodhaWayOut } from "./KiteClient.ts"
import { KiteSession } from "./KiteSession.ts"

/** Whether a frame may tell of an order. It is not parsed, because its content is not used and a false hint does no harm. */
const isOrderFrame = (frame: string | Uint8Array): boolean => typeof frame === "string" && orderType.test(frame)
const orderType = /"type"\s*:\s*"order"/

/**
 * The feed's frames have about a kilobyte. A longer message than this ends the connection before it is in memory; the socket
 * is not read any further while as many bytes wait.
 */
const maxMessageBytes = 64 * 1024

/** The pause between two reads, so that a flood of frames takes little of the process's time. */
const readPause = Duration.millis(50)

const webSockets = Layer.effect(
  Socket.WebSocketConstructor,
  Effect.map(
    WayOut,
    ({ http, https }) =>
      (address) =>
        new WebSocket(address, {
          maxPayload: maxMessageBytes,
          perMessageDeflate: false,
          agent: address.startsWith("wss:") ? https : http
        })
  )
).pipe(Layer.provide(WayOut.layer(zerodhaWayOut)))

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
        const socket = yield* Socket.makeWebSocket(address.href, {
          openTimeout: "10 seconds",
          highWaterMark: maxMessageBytes
        })
        const { pull } = yield* socket.reader
        // Changes during the disconnection are not sent again, so each connection begins with a hint.
        yield* Queue.offer(hints, undefined)
        for (;;) {
          const frames = yield* Effect.timeout(pull, maxSilence)
          if (frames.some(isOrderFrame)) yield* Queue.offer(hints, undefined)
          yield* Effect.sleep(readPause)
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
  ).pipe(Layer.provide(webSockets))
}
