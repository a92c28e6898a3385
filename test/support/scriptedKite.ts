import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** A request as the server saw it. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly form: Readonly<Record<string, string>>
}

type Answer = (response: ServerResponse, socket: Socket) => void

/** A server that answers each request as the test says. */
export interface ScriptedKite {
  readonly url: string
  readonly seen: Array<Seen>
  onRequest: (request: Seen) => Answer
}

export const json =
  (status: number, body: unknown): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  }

export const success = (data: unknown): Answer => json(200, { status: "success", data })

export const failure = (status: number, errorType: string, message: string): Answer =>
  json(status, { status: "error", error_type: errorType, message, data: null })

export const text =
  (status: number, body: string): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "text/html" }).end(body)
  }

export const reset: Answer = (_, socket) => {
  socket.resetAndDestroy()
}

/** An answer whose content-length is larger than its body; then the connection closes. */
export const truncated =
  (body: string): Answer =>
  (response, socket) => {
    response.writeHead(200, { "content-length": body.length * 2 })
    response.write(body, () => socket.destroy())
  }

export const silence: Answer = () => undefined

/** Real HTTP on a free port of this host, until the scope closes. */
export const scriptedKite: Effect.Effect<ScriptedKite, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<{ readonly kite: ScriptedKite; readonly close: () => void }>((resume) => {
    const sockets = new Set<Socket>()
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk: Buffer) => (body += chunk.toString()))
      request.on("end", () => {
        const seen: Seen = {
          method: request.method ?? "",
          path: request.url ?? "",
          headers: request.headers,
          form: Object.fromEntries(new URLSearchParams(body))
        }
        kite.seen.push(seen)
        kite.onRequest(seen)(response, request.socket)
      })
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("error", () => undefined)
    })
    const kite: { -readonly [Key in keyof ScriptedKite]: ScriptedKite[Key] } = {
      url: "",
      seen: [],
      onRequest: () => success({ order_id: "1" })
    }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      kite.url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      resume(Effect.succeed({ kite, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
).pipe(Effect.map(({ kite }) => kite))
