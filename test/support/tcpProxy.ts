import { Effect, Redacted, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"
import type { DbTarget } from "../../src/db/Db.ts"
import { targetOf } from "./database.ts"

/** A network between Db and the test server that can fall silent, as a real one does: nothing arrives, nothing is closed. */
export interface Network {
  readonly target: Extract<DbTarget, { host: string }>
  /** From now on nothing arrives, on old connections and new ones. */
  readonly fallSilent: Effect.Effect<void>
  /** From the moment on that a client sends this text, nothing arrives on its connection. */
  readonly fallSilentAt: (text: string) => Effect.Effect<void>
  /** New connections work. Those that fell silent stay so. */
  readonly recover: Effect.Effect<void>
}

/** A database of the test server, behind a network that the test controls. */
export const networkTo = (database: string): Effect.Effect<Network, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = targetOf(database)
    const sockets = new Set<Socket>()
    let isSilent = false
    let lastWords: string | undefined

    const proxy = createServer((client) => {
      const upstream = connect(`${server.host}/.s.PGSQL.${server.port}`)
      let isCut = false
      const cuts = (chunk: Buffer) => {
        isCut ||= isSilent || (lastWords !== undefined && chunk.includes(lastWords))
        return isCut
      }
      client.on("data", (chunk) => cuts(chunk) || upstream.write(chunk))
      upstream.on("data", (chunk) => isCut || isSilent || client.write(chunk))
      for (const [one, other] of [
        [client, upstream],
        [upstream, client]
      ] as const) {
        sockets.add(one)
        one.on("error", () => other.destroy())
        one.on("close", () => isCut || isSilent || other.destroy())
      }
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        proxy.listen(0, "127.0.0.1", () => {
          const address = proxy.address()
          resume(
            typeof address === "object" && address !== null ? Effect.succeed(address.port) : Effect.die("no address")
          )
        })
      }),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          proxy.close(() => resume(Effect.void))
        })
    )
    const set = (silent: boolean, words: string | undefined) =>
      Effect.sync(() => {
        isSilent = silent
        lastWords = words
      })
    return {
      target: { ...server, host: "127.0.0.1", port },
      fallSilent: set(true, undefined),
      fallSilentAt: (words) => set(false, words),
      recover: set(false, undefined)
    }
  })

/** DATABASE_URL of a target, with the password that the test wants. */
export const urlOfTarget = ({ username, host, port, database }: Network["target"], password: Redacted.Redacted) =>
  Redacted.make(
    `postgres://${username}:${encodeURIComponent(Redacted.value(password))}@${encodeURIComponent(host)}:${port}/${database}`
  )
