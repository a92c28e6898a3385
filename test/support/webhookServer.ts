import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

/** A request as the receiver of a webhook gets it. */
export interface Received {
  readonly path: string
  readonly contentType: string
  readonly body: string
}

/** An HTTP server on its own port that answers each request as the test says. */
export const webhookServer = (
  answer: (response: ServerResponse, request: IncomingMessage) => void
): Effect.Effect<{ readonly url: string; readonly received: ReadonlyArray<Received> }, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const received: Array<Received> = []
        const server = createServer((request, response) => {
          let body = ""
          request.on("data", (chunk: Buffer) => (body += chunk.toString()))
          request.on("end", () => {
            received.push({ path: request.url ?? "", contentType: request.headers["content-type"] ?? "", body })
            answer(response, request)
          })
        })
        await new Promise<void>((resolve) => {
          server.listen(0, "127.0.0.1", resolve)
        })
        return { server, received }
      }),
      ({ server }) =>
        Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              server.close(() => resolve())
              server.closeAllConnections()
            })
        )
    ),
    ({ server, received }) => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { url: `http://127.0.0.1:${port}/hooks/very-secret?key=also-secret`, received }
    }
  )

/** An answer that never ends: chunks of 64 KiB for as long as somebody reads them. */
export const answerWithoutEnd =
  (status: number) =>
  (response: ServerResponse): void => {
    const chunk = Buffer.alloc(65_536, "x")
    const write = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.writeHead(status)
    response.on("drain", write)
    write()
  }
