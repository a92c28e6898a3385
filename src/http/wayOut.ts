import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Clock, Context, Duration, Effect, Layer, Option } from "effect"
import type { HttpClient } from "effect/http"
import type { Agent as HttpAgent } from "node:http"
import type { Agent as HttpsAgent } from "node:https"
import type { Socket } from "node:net"
import { Configuration } from "../config/Configuration.ts"
import type { ProxySettings } from "../config/proxies.ts"
import { type Give, type Note, PlainAgent, SecureAgent } from "./agents.ts"
import { closedAtOnce, NotConnected } from "./NotConnected.ts"

/*
 * The connections to servers elsewhere: the broker, the webhook, the collector. Those with TLS go through HTTPS_PROXY, unless
 * NO_PROXY has the host or it is this one. A request gets a connection only when its handshake is over, so a failure up to
 * there, NotConnected, proves that nothing of the request has left; any later failure proves nothing.
 */

export interface WayOutOptions {
  /** Whether connections are kept open for the next request. */
  readonly keepAlive: boolean
  /** The version of IP; undefined: whichever answers. */
  readonly family?: 4 | 6 | undefined
  /** How long a new connection may take, with its handshake. */
  readonly connectTimeout: Duration.Duration
  /**
   * The latest possible time, in milliseconds, by which a connection that was ready too late is not used, because this host stood
   * still meanwhile: its timers are late by then. The Clock's time if absent.
   */
  readonly latestMillis?: Effect.Effect<number>
}

/** Which way a connection took. */
export interface Taken {
  /** The address of this host on it, and of the server or of the proxy. */
  readonly local: string
  readonly remote: string
  /** The proxy's name. */
  readonly proxy: Option.Option<string>
}

/** The agents that make the connections, for HTTP clients and WebSockets. */
export class WayOut extends Context.Service<
  WayOut,
  {
    readonly http: HttpAgent
    readonly https: HttpsAgent
    /** The way of the newest connection. */
    readonly taken: Effect.Effect<Option.Option<Taken>>
  }
>()("pulse-background/WayOut") {
  static readonly layer = (
    optionsOf: (config: Configuration["Service"]) => WayOutOptions
  ): Layer.Layer<WayOut, never, Configuration> =>
    Layer.effect(
      WayOut,
      Effect.flatMap(Configuration, (config) => make(config.proxies, optionsOf(config)))
    )
}

const make = Effect.fnUntraced(function* (proxies: ProxySettings, options: WayOutOptions) {
  const { connectTimeout, family, keepAlive, latestMillis = Clock.currentTimeMillis } = options
  // Outside of the scope, because a request must get an answer, also of a connection that is asked for while all ends.
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let taken: Option.Option<Taken> = Option.none()
  const note: Note = (socket, proxy) => {
    taken = Option.some({ local: socket.localAddress ?? "?", remote: socket.remoteAddress ?? "?", proxy })
  }
  const inTime = Effect.fnUntraced(function* (opening: Effect.Effect<Socket, NotConnected>) {
    const begunAt = yield* latestMillis
    const socket = yield* Effect.timeoutOrElse(opening, {
      duration: connectTimeout,
      orElse: () => tookTooLong(connectTimeout)
    })
    if ((yield* latestMillis) - begunAt <= Duration.toMillis(connectTimeout)) return socket
    socket.destroy()
    return yield* tookTooLong(connectTimeout)
  })
  const give: Give = (opening, hand) =>
    void fork(
      inTime(opening).pipe(
        Effect.match({
          onFailure: (error) => hand(error),
          onSuccess: (socket) => (socket.destroyed ? hand(closedAtOnce()) : hand(null, socket))
        })
      )
    )
  const agents = yield* Effect.acquireRelease(
    Effect.sync(() => ({
      http: new PlainAgent({ keepAlive, family }, give, note),
      https: new SecureAgent({ keepAlive, family }, give, note, proxies)
    })),
    (made) => Effect.sync(() => [made.http, made.https].forEach((agent) => agent.destroy()))
  )
  return WayOut.of({ ...agents, taken: Effect.sync(() => taken) })
})

const tookTooLong = (limit: Duration.Duration) =>
  Effect.fail(new NotConnected({ message: `no connection within ${Duration.format(limit)}` }))

/** An HTTP client whose connections go this way, with the way itself. */
export const wayOutHttp = (
  optionsOf: (config: Configuration["Service"]) => WayOutOptions
): Layer.Layer<HttpClient.HttpClient | WayOut, never, Configuration> =>
  // Fresh, because layers are memoized: all clients would have the agents of the first one.
  Layer.fresh(NodeHttpClient.layerNodeHttpNoAgent).pipe(
    Layer.provide(
      Layer.effect(
        NodeHttpClient.HttpAgent,
        Effect.map(WayOut, ({ http, https }) => ({ http, https }))
      )
    ),
    Layer.provideMerge(WayOut.layer(optionsOf))
  )
