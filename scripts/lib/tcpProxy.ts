import { Effect, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"

/** Where a proxy's connections go on to: a port of this host, or a unix socket. */
export type Upstream = { readonly port: number } | { readonly path: string }

/** A network that can break, fall silent and be slow, as a real one does. */
export interface Proxy {
  readonly port: number
  /** From now on nothing arrives, on old connections and new ones; nothing is closed. */
  readonly fallSilent: Effect.Effect<void>
  /** From the moment on that a client sends this text, nothing arrives on its connection. */
  readonly fallSilentAt: (text: string) => Effect.Effect<void>
  /** Every connection breaks now, and every new one at once. */
  readonly cut: Effect.Effect<void>
  /** Whatever is sent from now on takes so much longer, either way. */
  readonly slow: (millis: number) => Effect.Effect<void>
  /** New connections work, and old ones are fast. Those that fell silent stay so for the client; the server loses them. */
  readonly recover: Effect.Effect<void>
}

interface Weather {
  isSilent: boolean
  isCut: boolean
  lastWords: string | undefined
  slowMillis: number
}

/** One connection through the proxy. What a silent one has swallowed never arrives. */
class Connection {
  readonly #client: Socket
  readonly #server: Socket
  readonly #weather: Weather
  #isSilent = false

  constructor(client: Socket, server: Socket, weather: Weather) {
    this.#client = client
    this.#server = server
    this.#weather = weather
    client.on("data", this.#forward(server, true))
    server.on("data", this.#forward(client, false))
    for (const [one, other] of [
      [client, server],
      [server, client]
    ] as const) {
      one.on("error", () => other.destroy())
      one.on("close", () => this.#fallsSilent() || other.destroy())
    }
  }

  #fallsSilent(): boolean {
    this.#isSilent ||= this.#weather.isSilent
    return this.#isSilent
  }

  #forward(to: Socket, isFromClient: boolean) {
    let underWay = 0
    let last: Promise<void> = Promise.resolve()
    return (chunk: Buffer): void => {
      const { lastWords, slowMillis } = this.#weather
      if (isFromClient && lastWords !== undefined && chunk.includes(lastWords)) this.#isSilent = true
      if (this.#fallsSilent()) return
      if (slowMillis === 0 && underWay === 0) {
        to.write(chunk)
        return
      }
      underWay++
      last = Promise.all([last, Effect.runPromise(Effect.sleep(slowMillis))]).then((): void => {
        underWay--
        if (!this.#fallsSilent()) to.write(chunk)
        return undefined
      })
    }
  }

  close(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  /** What the server does with a client of which it has not heard for long. */
  forgetIfSilent(): void {
    if (this.#fallsSilent()) this.#server.destroy()
  }
}

/** Listens on a free port of this host until the scope closes. */
export const proxyTo = (upstream: Upstream): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const connections = new Set<Connection>()
    const weather: Weather = { isSilent: false, isCut: false, lastWords: undefined, slowMillis: 0 }
    const closeAll = () => {
      for (const connection of connections) connection.close()
    }
    const server = createServer((client) => {
      if (weather.isCut) {
        client.destroy()
        return
      }
      const to = "port" in upstream ? connect(upstream.port, "127.0.0.1") : connect(upstream.path)
      const connection = new Connection(client, to, weather)
      connections.add(connection)
      let open = 2
      for (const socket of [client, to]) socket.on("close", () => --open === 0 && connections.delete(connection))
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
      () =>
        Effect.callback<void>((resume) => {
          closeAll()
          server.close(() => resume(Effect.void))
        })
    )
    return {
      port,
      fallSilent: Effect.sync(() => {
        weather.isSilent = true
      }),
      fallSilentAt: (text) =>
        Effect.sync(() => {
          weather.lastWords = text
        }),
      cut: Effect.sync(() => {
        weather.isCut = true
        closeAll()
      }),
      slow: (millis) =>
        Effect.sync(() => {
          weather.slowMillis = millis
        }),
      recover: Effect.sync(() => {
        for (const connection of connections) connection.forgetIfSilent()
        Object.assign(weather, { isSilent: false, isCut: false, lastWords: undefined, slowMillis: 0 })
      })
    }
  })
