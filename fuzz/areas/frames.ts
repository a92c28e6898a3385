import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import { Context, Effect, Layer, Option, Redacted, type Scope } from "effect"
import { createServer } from "node:http"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { KiteSession } from "../../src/broker/zerodha/KiteSession.ts"
import { OrderFeed } from "../../src/broker/zerodha/OrderFeed.ts"
import type { Area, Finding, Sample } from "../harness/Area.ts"
import { configurationOf } from "../harness/configurationOf.ts"
import { damaged, withOddPart } from "../harness/json.ts"
import { hostileText, inReport } from "../harness/texts.ts"

/** Frames of the order feed: a text, or the bytes of a binary frame in Base64. */
export interface Frames {
  readonly frames: ReadonlyArray<
    { readonly text: string } | { readonly bytes: string } | { readonly control: "ping" | "pong" }
  >
}

const plain = { type: "order", id: "", data: { order_id: "151220000000000", status: "OPEN", tag: "PB0" } }

/** The feed reads no longer messages; one that is longer ends the connection. */
const maxMessage = 60_000

const generate = (choices: SeededChoices): Frames => {
  const max = choices.hits(0.002) ? 1_000_000 : maxMessage
  return { frames: framesOf(choices, max) }
}

const framesOf = (choices: SeededChoices, max: number): Frames["frames"] =>
  Array.from({ length: choices.whole(1, 5) }, () => {
    if (choices.hits(0.1)) return { control: choices.oneOf(["ping", "pong"]) }
    if (choices.hits(0.3)) return { bytes: Buffer.from(hostileText(choices)).subarray(0, max).toString("base64") }
    const text = JSON.stringify(choices.hits(0.7) ? withOddPart(choices, plain) : plain) ?? ""
    return { text: (choices.hits(0.3) ? damaged(choices, text) : text).slice(0, max) }
  })

/** The feed's server on a free port, and its clients, until the scope closes. */
const feedServer: Effect.Effect<
  { readonly url: string; readonly clients: ReadonlySet<WebSocket> },
  never,
  Scope.Scope
> = Effect.gen(function* () {
  const sockets = yield* Effect.acquireRelease(
    Effect.sync(() => new WebSocketServer({ noServer: true })),
    (sockets) => Effect.sync(() => sockets.clients.forEach((client) => client.terminate()))
  )
  const http = createServer()
  http.on("upgrade", (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (client) => client.on("error", () => undefined))
  )
  const url = yield* Effect.callback<string>((resume) => {
    http.listen(0, "127.0.0.1", () => {
      const address = http.address()
      resume(Effect.succeed(`ws://127.0.0.1:${typeof address === "object" ? address?.port : 0}`))
    })
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => http.close()))
  return { url, clients: sockets.clients }
})

const feedAt = (url: string) =>
  Layer.fresh(OrderFeed.layer).pipe(
    Layer.provide(
      Layer.succeed(
        KiteSession,
        KiteSession.of({ accessToken: Effect.succeed(Redacted.make("token")), refused: () => Effect.void })
      )
    ),
    Layer.provide(
      configurationOf({
        BROKER_TYPE: "zerodha",
        ZERODHA_API_KEY: "key",
        ZERODHA_ORDER_FEED: "on",
        ZERODHA_ORDER_FEED_URL: url
      })
    )
  )

const sendAll = (clients: ReadonlySet<WebSocket>, { frames }: Frames): void => {
  for (const client of clients) {
    for (const frame of frames) {
      if ("text" in frame) client.send(frame.text)
      else if ("bytes" in frame) client.send(Buffer.from(frame.bytes, "base64"))
      else if (frame.control === "ping") client.ping()
      else client.pong()
    }
    client.send(JSON.stringify(plain))
  }
}

/** Longer than the feed waits before it connects again; what was missed meanwhile is a hint of its own. */
const hintedWithin = "20 seconds"

interface Feed {
  readonly clients: ReadonlySet<WebSocket>
  readonly changed: Effect.Effect<void>
}

const lanes = 25

/** A feed of the service that is connected to a server of its own. */
const openFeed = Effect.gen(function* () {
  const { url, clients } = yield* feedServer
  const { changed } = Context.get(yield* Layer.build(feedAt(url)), OrderFeed)
  // Each connection begins with a hint.
  yield* changed
  return { clients, changed }
})

/** The order feed over a real connection: no frame may keep the hint from coming that an order frame after it gives. */
export const frames: Area<Frames> = {
  name: "frames",
  batchSize: 50,
  inFlight: 1,
  weight: 0.1,
  generate,
  shown: (input) => inReport(JSON.stringify(input), 1000),
  open: Effect.gen(function* () {
    const feeds = yield* Effect.all(Array.from({ length: lanes }, () => openFeed))

    const judgeOne = Effect.fnUntraced(function* (feed: Feed, { index, input }: Sample<Frames>) {
      sendAll(feed.clients, input)
      const hint = yield* Effect.timeoutOption(feed.changed, hintedWithin)
      return Option.isNone(hint) ? [{ index, what: "no hint comes any more" }] : []
    })

    /** The feed pauses between its readings, so that many are tried beside one another. */
    return (samples) =>
      Effect.forEach(
        feeds,
        (feed, lane) =>
          Effect.forEach(
            samples.filter((_, number) => number % lanes === lane),
            (sample) => judgeOne(feed, sample)
          ),
        { concurrency: "unbounded" }
      ).pipe(Effect.map((found): ReadonlyArray<Finding> => found.flat(2)))
  })
}
