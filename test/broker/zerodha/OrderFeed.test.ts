import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { KiteSession } from "../../../src/broker/zerodha/KiteSession.ts"
import { OrderFeed } from "../../../src/broker/zerodha/OrderFeed.ts"
import { configuration } from "../../support/database.ts"
import { eventually } from "../../support/processes.ts"

interface FeedServer {
  readonly url: string
  readonly clients: Array<WebSocket>
  readonly closedWith: Array<number>
}

/** A WebSocket server on a free port that sends only what a test sends. */
const feedServer = Effect.acquireRelease(
  Effect.callback<{ readonly feed: FeedServer; readonly server: WebSocketServer }>((resume) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" }, () => {
      const address = server.address()
      const port = typeof address === "object" ? address?.port : 0
      resume(Effect.succeed({ feed: { url: `ws://127.0.0.1:${port}`, clients, closedWith }, server }))
    })
    const clients: Array<WebSocket> = []
    const closedWith: Array<number> = []
    server.on("connection", (client) => {
      clients.push(client)
      client.on("error", () => undefined)
      client.on("close", (code) => closedWith.push(code))
    })
  }),
  ({ server }) =>
    Effect.sync(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
).pipe(Effect.map(({ feed }) => feed))

/** A feed that is connected, its first hint taken. */
const connected = Effect.gen(function* () {
  const feed = yield* feedServer
  const context = yield* Layer.build(
    OrderFeed.layer.pipe(
      Layer.provide([
        Layer.mock(KiteSession)({ accessToken: Effect.succeed(Redacted.make("token")) }),
        configuration({ ZERODHA_API_KEY: "key", ZERODHA_ORDER_FEED: "on", ZERODHA_ORDER_FEED_URL: feed.url })
      ])
    )
  )
  const { changed } = yield* Effect.provide(OrderFeed, context)
  yield* changed
  return { feed, changed, client: feed.clients[0] ?? assert.fail("nobody is connected") }
})

const order = JSON.stringify({ type: "order", data: {} })

describe("the order feed", () => {
  it.live("hints at orders only, whatever the frames are", () =>
    Effect.gen(function* () {
      const { changed, client } = yield* connected
      const deep = `{"type":${"[".repeat(30_000)}`
      for (const junk of [
        Buffer.alloc(60_000, 0xff),
        deep,
        "",
        "{",
        '{"type":"message"}',
        "\u0000",
        "x".repeat(60_000)
      ]) {
        client.send(junk)
      }
      assert.isTrue((yield* Effect.timeoutOption(changed, "300 millis"))._tag === "None")
      client.send(order)
      yield* changed
    }).pipe(Effect.scoped)
  )

  it.live("ends the connection at a message that is too long, and connects again", () =>
    Effect.gen(function* () {
      const { changed, client, feed } = yield* connected
      const before = process.memoryUsage().rss
      client.send(Buffer.alloc(100_000_000))
      yield* eventually(
        "it is closed",
        Effect.sync(() => feed.closedWith),
        ({ length }) => length === 1
      )
      // The server's own hundred megabytes are in this process too.
      assert.isBelow(process.memoryUsage().rss - before, 180_000_000)
      yield* changed
      assert.lengthOf(feed.clients, 2)
    }).pipe(Effect.scoped)
  )

  it.live("reads a flood slowly, so that it takes neither time nor memory, and hears of orders in it", () =>
    Effect.gen(function* () {
      const { changed, client } = yield* connected
      const delay = monitorEventLoopDelay({ resolution: 5 })
      const junk = JSON.stringify({ type: "message", data: "x".repeat(2_000) })
      for (let frame = 0; frame < 500; frame++) client.send(junk)
      client.send(order)
      for (let frame = 0; frame < 20_000; frame++) client.send(junk)
      delay.enable()
      yield* changed
      yield* Effect.sleep("1 second")
      delay.disable()
      // What is not read stays with the sender.
      assert.isAbove(client.bufferedAmount, 20_000_000)
      assert.isBelow(delay.percentile(50) / 1e6, 100)
    }).pipe(Effect.scoped)
  )
})
