import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { type Proxy, proxyTo } from "../../scripts/lib/tcpProxy.ts"
import { eventually } from "../support/processes.ts"

/** An echo server behind a proxy. */
const echo = Effect.gen(function* () {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => undefined)
    socket.pipe(socket)
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          typeof address === "object" && address !== null ? Effect.succeed(address.port) : Effect.die("no address")
        )
      })
    }),
    () => Effect.sync(() => server.close())
  )
  return { port, proxy: yield* proxyTo({ port }), serverSockets: sockets }
})

const client = ({ port }: Proxy) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Sends a text; returns the answer, or that the connection broke. */
const ask = (socket: Socket, text: string) =>
  Effect.callback<string>((resume) => {
    socket.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString())))
    socket.once("close", () => resume(Effect.succeed("closed")))
    if (socket.destroyed) resume(Effect.succeed("closed"))
    socket.on("error", () => undefined)
    socket.write(text)
  })

describe("the proxy", () => {
  it.live("breaks existing and new connections until it recovers", () =>
    Effect.gen(function* () {
      const { proxy } = yield* echo
      const before = yield* client(proxy)
      assert.strictEqual(yield* ask(before, "a"), "a")
      yield* proxy.cut
      assert.strictEqual(yield* ask(before, "b"), "closed")
      assert.strictEqual(yield* ask(yield* client(proxy), "c"), "closed")
      yield* proxy.recover
      assert.strictEqual(yield* ask(yield* client(proxy), "d"), "d")
    })
  )

  it.live("delays both directions", () =>
    Effect.gen(function* () {
      const { proxy } = yield* echo
      const socket = yield* client(proxy)
      yield* proxy.slow(100)
      const began = yield* Clock.monotonicTimeNanos
      assert.strictEqual(yield* ask(socket, "slow"), "slow")
      assert.isAtLeast(Number((yield* Clock.monotonicTimeNanos) - began) / 1e6, 195)
    })
  )

  it.live("drops everything that is sent while it is silent, and then the connection to the server", () =>
    Effect.gen(function* () {
      const { proxy, serverSockets } = yield* echo
      const silent = yield* client(proxy)
      assert.strictEqual(yield* ask(silent, "a"), "a")
      yield* proxy.fallSilent
      silent.write("swallowed")
      assert.strictEqual([...serverSockets].filter((socket) => !socket.destroyed).length, 1)
      yield* proxy.recover
      yield* eventually(
        "the server has lost it",
        Effect.sync(() => [...serverSockets].filter((socket) => !socket.destroyed)),
        (open) => open.length === 0
      )
      assert.isFalse(silent.destroyed)
      assert.strictEqual(yield* ask(yield* client(proxy), "b"), "b")
    })
  )

  it.live("leads new connections to where it was moved, and leaves open ones where they are", () =>
    Effect.gen(function* () {
      const [{ proxy, serverSockets }, other] = yield* Effect.all([echo, echo])
      const before = yield* client(proxy)
      assert.strictEqual(yield* ask(before, "a"), "a")
      yield* proxy.moveTo({ port: other.port })
      assert.strictEqual(yield* ask(yield* client(proxy), "b"), "b")
      assert.deepStrictEqual([serverSockets.size, other.serverSockets.size], [1, 1])
      assert.strictEqual(yield* ask(before, "c"), "c")
    })
  )
})
