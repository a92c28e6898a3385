import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import { Context, Effect, Layer, Option, Redacted, type Scope } from "effect"
import { createServer } from "node:http"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { KiteSession } from "../../src/broker/zerodha/KiteSession.ts"
import { OrderFeed } from "../../src/broker/zerodha/OrderFeed.ts"
import type { Area, Finding, Sample } from "../harness/Area.ts"
import { configurationOf } from "../harness/configurationOf.ts"
import { millisSince } from "../harness/Effort.ts"
import { FuzzRun } from "../harness/FuzzRun.ts"
import { damaged, withOddPart } from "../harness/json.ts"
import { hostileText, inReport } from "../harness/texts.ts"

/** Frames of the order feed: a text, or the bytes of a binary frame in Base64. */
export interface Frames {
  readonly frames: ReadonlyArray<
    { readonly text: string } | { readonly bytes: string } | { readonly control: "ping" | "pong" }
  >
}

const plain = { type: "order", id: "", data: { order_id: "151220000000000", status: "OPEN", tag: "PB0" } }

const generate = (choices: SeededChoices): Frames => ({
  frames: Array.from({ length: choices.whole(1, 5) }, () => {
    if (choices.hits(0.1)) return { control: choices.oneOf(["ping", "pong"]) }
    if (choices.hits(0.3)) return { bytes: Buffer.from(hostileText(choices)).toString("base64") }
    const text = JSON.stringify(choices.hits(0.7) ? withOddPart(choices, plain) : plain) ?? ""
    return { text: choices.hits(0.3) ? damaged(choices, text) : text }
  })
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

/** The order feed over a real connection: no frame may keep the hint from coming that an order frame after it gives. */
export const frames: Area<Frames> = {
  name: "frames",
  batchSize: 50,
  inFlight: 1,
  weight: 0.5,
  generate,
  shown: (input) => inReport(JSON.stringify(input), 1000),
  open: Effect.gen(function* () {
    const { url, clients } = yield* feedServer
    const feed = Context.get(yield* Layer.build(feedAt(url)), OrderFeed)
    yield* feed.changed

    const judgeOne = Effect.fnUntraced(function* ({ index, input }: Sample<Frames>) {
      const { effort } = yield* FuzzRun
      const before = process.threadCpuUsage()
      sendAll(clients, input)
      const hint = yield* Effect.timeoutOption(feed.changed, hintedWithin)
      const costly = effort.note(index, millisSince(before))
      const what = Option.isNone(hint) ? "no hint comes any more" : costly
      return what === null ? [] : [{ index, what }]
    })

    return (samples) => Effect.map(Effect.forEach(samples, judgeOne), (found): ReadonlyArray<Finding> => found.flat())
  })
}
