import { Effect, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"

/** The target of a proxy: a port of this host or a unix socket. */
export type Upstream = { readonly port: number } | { readonly path: string }

/** A TCP proxy that can break connections, drop all data, or delay it, as real networks do. */
export interface Proxy {
  readonly port: number
  /** From now on all data is dropped, on old and new connections; none is closed. */
  readonly fallSilent: Effect.Effect<void>
  /** A connection falls silent when its client sends this text, which is dropped as well. */
  readonly fallSilentAt: (text: string) => Effect.Effect<void>
  /** All connections are closed now, and new ones as soon as they are made. */
  readonly cut: Effect.Effect<void>
  /** Data is delayed by this long in each direction. */
  readonly slow: (millis: number) => Effect.Effect<void>
  /** Ends all disturbances. A connection that fell silent stays silent for the client; on the server side it is closed. */
  readonly recover: Effect.Effect<void>
  /** Connections made from now on lead to this target. */
  readonly moveTo: (upstream: Upstream) => Effect.Effect<void>
}

interface Weather {
  isSilent: boolean
  isCut: boolean
  lastWords: string | undefined
  slowMillis: number
}

/** One connection through the proxy. Data that was dropped in silence is never delivered later. */
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

  /** Closes the server side of a silent connection, as keepalive does after a while. */
  forgetIfSilent(): void {
    if (this.#fallsSilent()) this.#server.destroy()
  }
}

/** Listens on a free port of this host until the scope closes. */
export const proxyTo = (firstUpstream: Upstream): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    let upstream = firstUpstream
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
      }),
      moveTo: (next) =>
        Effect.sync(() => {
          upstream = next
        })
    }
  })
