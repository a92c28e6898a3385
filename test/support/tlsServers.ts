import { WebSocketServer } from "@effect/platform-node/NodeWS"
import { Effect, type Scope } from "effect"
import { readFileSync } from "node:fs"
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { connect, createServer, type Server, type Socket } from "node:net"
import { tlsFile } from "./tcpPostgres.ts"

/** Listens on a free port of 127.0.0.1 until the scope closes; all connections end with it. */
const listening = (server: Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly sockets: Set<Socket> }>((resume) => {
      const sockets = new Set<Socket>()
      server.on("connection", (socket: Socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, sockets }))
      })
    }),
    ({ sockets }) =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  ).pipe(Effect.map(({ port }) => port))

/** A server of raw sockets. */
export const rawServer = (onConnection: (socket: Socket) => void) => listening(createServer(onConnection))

/** A server without TLS. */
export const plainServer = (onRequest: (request: IncomingMessage, response: ServerResponse) => void) =>
  listening(createHttpServer(onRequest))

/** A server with a certificate of `test/support/tls`, which is also a WebSocket server; `requests` are the paths that it was asked for. */
export const tlsServer = Effect.fnUntraced(function* (
  certificate: "server" | "expired" | "kite",
  onRequest: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end("{}")
) {
  const requests: Array<string> = []
  const options = {
    cert: readFileSync(tlsFile(`${certificate}.crt`)),
    key: readFileSync(tlsFile(`${certificate}.key`))
  }
  const server = createHttpsServer(options, (request, response) => {
    requests.push(request.url ?? "")
    request.on("error", () => undefined)
    onRequest(request, response)
  })
  server.on("tlsClientError", () => undefined)
  server.on("secureConnection", (socket) => socket.on("error", () => undefined))
  new WebSocketServer({ server }).on("connection", () => requests.push("WebSocket"))
  return { port: yield* listening(server), requests }
})

/** A proxy that leads each CONNECT to one port of this host, and notes what was asked for and with which authorization. */
export const connectProxy = Effect.fnUntraced(function* (to: number, refusal?: string) {
  const asked: Array<{ readonly target: string; readonly authorization: string | undefined }> = []
  const server = createHttpServer()
  server.on("connect", ({ url, headers }: IncomingMessage, client: Socket) => {
    asked.push({ target: url ?? "", authorization: headers["proxy-authorization"] })
    client.on("error", () => undefined)
    if (refusal !== undefined) return void client.end(`HTTP/1.1 ${refusal}\r\n\r\n`)
    const upstream = connect(to, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n")
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on("error", () => client.destroy())
  })
  return { port: yield* listening(server), asked }
})
