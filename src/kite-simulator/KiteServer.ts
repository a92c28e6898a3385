import { Duration, Effect, FiberSet, Schema, type Scope } from "effect"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { SimulatorRequest } from "./Answer.ts"
import { type Reply, reply } from "./reply.ts"
import { respond } from "./Routes.ts"
import type { Simulation } from "./Simulation.ts"

/** The port is in use, or the host is not an address of this machine. */
export class ServerCouldNotListen extends Schema.TaggedError<ServerCouldNotListen>()("ServerCouldNotListen", {
  message: Schema.String
}) {}

export interface ListeningServer {
  readonly server: Server
  readonly port: number
}

const maxBody = 1_000_000
const tooLarge = reply(413, "text/plain", "The body is too large\n")

/** Listens until the scope closes; then all connections are closed at once. */
export const serve = (simulation: Simulation): Effect.Effect<ListeningServer, ServerCouldNotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port } = simulation.options
    // Longer than clients keep idle connections, so that no request hits a connection that is being closed.
    const server = createServer({ keepAliveTimeout: 65_000 })
    yield* Effect.acquireRelease(listen(server, host, port), () => close(server))
    const run = yield* FiberSet.runtime(yield* FiberSet.make())<never>()
    server.on("request", (incoming, outgoing) => {
      readBody(incoming, (body) => {
        const request = body === null ? null : requestOf(simulation.options.basePath, incoming, body)
        const answer = request === null ? (body === null ? tooLarge : notHere) : respond(simulation, request)
        if (answer.delayMillis === 0) send(outgoing, answer)
        else
          run(
            Effect.andThen(
              Effect.sleep(Duration.millis(answer.delayMillis)),
              Effect.sync(() => send(outgoing, answer))
            )
          )
      })
    })
    const address = server.address()
    return { server, port: typeof address === "object" && address !== null ? address.port : port }
  })

const notHere = reply(404, "text/plain", "Nothing is served here\n")

const listen = (server: Server, host: string, port: number): Effect.Effect<void, ServerCouldNotListen> =>
  Effect.callback((resume) => {
    const onError = (error: Error) =>
      resume(
        Effect.fail(
          new ServerCouldNotListen({
            message: `The Kite simulator cannot listen on ${host}:${port}: ${error.message}`
          })
        )
      )
    server.once("error", onError)
    server.listen(port, host, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/** Calls `use` with the whole body, or with null if it is too large; not at all if the client disconnects. */
const readBody = (incoming: IncomingMessage, use: (body: string | null) => void): void => {
  const chunks: Array<Buffer> = []
  let size = 0
  incoming.on("data", (chunk: Buffer) => {
    size += chunk.length
    if (size <= maxBody) chunks.push(chunk)
  })
  incoming.on("error", () => undefined)
  incoming.on("end", () => use(size > maxBody ? null : Buffer.concat(chunks).toString("utf8")))
}

/** Parses a request; null if its path is outside of the base path. Paths below `/simulator` have no base path. */
const requestOf = (basePath: string, incoming: IncomingMessage, body: string): SimulatorRequest | null => {
  const url = URL.parse(incoming.url ?? "/", "http://simulator")
  if (url === null) return null
  const isControl = url.pathname.startsWith("/simulator/")
  if (!isControl && !`${url.pathname}/`.startsWith(`${basePath}/`)) return null
  const path = isControl ? url.pathname : url.pathname.slice(basePath.length)
  const headers = Object.entries(incoming.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(",") : value
  ])
  return {
    method: incoming.method ?? "GET",
    path,
    parts: path.split("/").filter((part) => part !== ""),
    query: url.searchParams,
    form: new URLSearchParams(body),
    body,
    headers: Object.fromEntries(headers)
  }
}

const send = (outgoing: ServerResponse, { status, contentType, body, delivery }: Reply): void => {
  if (delivery === "silent") return
  if (delivery === "dropped") {
    outgoing.socket?.destroy()
    return
  }
  const bytes = Buffer.from(body)
  outgoing.writeHead(status, { "content-type": contentType, "content-length": bytes.length })
  if (delivery === "whole") {
    outgoing.end(bytes)
    return
  }
  outgoing.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => outgoing.socket?.destroy())
}
