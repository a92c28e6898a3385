import { Effect, Option } from "effect"
import type { RequestOptions } from "node:https"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { TLSSocket } from "node:tls"
import { proxyFor, type ProxySettings } from "../config/proxies.ts"
import type { NotConnected } from "./NotConnected.ts"
import { connected, http, https, secured, tunnel } from "./openConnection.ts"

/** Takes the connection for a request, or why there is none. */
export type Hand = (error: Error | null, stream?: Duplex) => void

/** Gives an agent the connection when it is ready. */
export type Give = (opening: Effect.Effect<Socket, NotConnected>, hand: Hand) => void

/** Remembers which way a connection took. */
export type Note = (socket: Socket, proxy: Option.Option<string>) => void

export interface AgentOptions {
  readonly keepAlive: boolean
  readonly family: 4 | 6 | undefined
}

/** Connections without TLS, always direct. */
export class PlainAgent extends http.Agent {
  readonly #give: Give
  readonly #note: Note

  constructor(options: AgentOptions, give: Give, note: Note) {
    super(options)
    this.#give = give
    this.#note = note
  }

  override createConnection(target: RequestOptions, hand: Hand): undefined {
    const opening = connected(() => asSocket(super.createConnection(target)))
    this.#give(
      Effect.tap(opening, (socket) => Effect.sync(() => this.#note(socket, Option.none()))),
      hand
    )
  }
}

/** Connections with TLS, direct or through a proxy. */
export class SecureAgent extends https.Agent {
  readonly #give: Give
  readonly #note: Note
  readonly #proxies: ProxySettings

  constructor(options: AgentOptions, give: Give, note: Note, proxies: ProxySettings) {
    super(options)
    this.#give = give
    this.#note = note
    this.#proxies = proxies
  }

  override createConnection(target: RequestOptions, hand: Hand): undefined {
    const host = target.host ?? "localhost"
    const port = Number(target.port ?? 443)
    // The agent's own way, because it resumes TLS sessions.
    const secure = (over: { readonly socket?: Socket }) =>
      secured(() => asTls(super.createConnection({ ...target, ...over })), host)
    const direct = Effect.tap(secure({}), (socket) => Effect.sync(() => this.#note(socket, Option.none())))
    this.#give(
      Option.match(proxyFor(this.#proxies, host, port), {
        onNone: () => direct,
        onSome: (proxy) =>
          Effect.flatMap(tunnel(proxy, host, port), (socket) => {
            this.#note(socket, Option.some(proxy.name))
            return Effect.onError(secure({ socket }), () => Effect.sync(() => socket.destroy()))
          })
      }),
      hand
    )
  }
}

/** Node.js promises a Duplex, and makes these. */
const asSocket = (stream: Duplex | null | undefined): Socket => {
  if (stream instanceof Socket) return stream
  throw new TypeError("The agent of node:http made no socket")
}

const asTls = (stream: Duplex | null | undefined): TLSSocket => {
  if (stream instanceof TLSSocket) return stream
  throw new TypeError("The agent of node:https made no TLS socket")
}
