import { Effect, Option, Redacted, Result } from "effect"
import type { Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import type { Proxy } from "../config/proxies.ts"
import { closedAtOnce, codeOf, NotConnected, wordsOf } from "./NotConnected.ts"

// As an ES module, node:http would load all that it exports, as WebSockets are, at every start.
export const http = process.getBuiltinModule("node:http")
export const https = process.getBuiltinModule("node:https")

/** A socket is destroyed when its error is told of; without a listener the error would end the process. */
const ignore = () => undefined

/** Waits until a socket has connected. */
export const connected = (open: () => Socket): Effect.Effect<Socket, NotConnected> =>
  untilReady(open, "connect", (error) => wordsOf(error))

/** Waits until the TLS handshake is over and the certificate is verified. */
export const secured = (open: () => TLSSocket, host: string): Effect.Effect<TLSSocket, NotConnected> =>
  untilReady(open, "secureConnect", (error, isConnected) =>
    isConnected ? `the TLS handshake with ${host} failed: ${wordsOf(error)}${adviceOn(error)}` : wordsOf(error)
  )

const untilReady = <S extends Socket>(
  open: () => S,
  event: "connect" | "secureConnect",
  whyNot: (error: unknown, isConnected: boolean) => string
): Effect.Effect<S, NotConnected> =>
  Effect.callback((resume) => {
    // Node.js throws where its own settings of TLS do not allow a connection.
    const begun = Result.try({ try: open, catch: (error) => new NotConnected({ message: whyNot(error, false) }) })
    if (Result.isFailure(begun)) return resume(begun.failure)
    const socket = begun.success
    let isConnected = !socket.connecting
    socket.on("error", ignore)
    socket.once("connect", () => (isConnected = true))
    socket.once(event, () => resume(Effect.succeed(socket)))
    socket.once("error", (error) => resume(new NotConnected({ message: whyNot(error, isConnected) })))
    socket.once("close", () => resume(closedAtOnce()))
    return Effect.sync(() => socket.destroy())
  })

const unknownAuthority =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?)$/

const adviceOn = (error: unknown): string =>
  error instanceof Error && unknownAuthority.test(codeOf(error) ?? "")
    ? "; if its authority is one to trust, name a file with the authority's certificate in NODE_EXTRA_CA_CERTS"
    : ""

/** Asks a proxy for a connection to a host and port. */
export const tunnel = (proxy: Proxy, host: string, port: number): Effect.Effect<Socket, NotConnected> =>
  Effect.callback((resume) => {
    const target = `${host.includes(":") ? `[${host}]` : host}:${port}`
    const fail = (why: string) => resume(new NotConnected({ message: `the proxy ${proxy.name} ${why}` }))
    const request = http.request({
      agent: false,
      host: proxy.host,
      port: proxy.port,
      method: "CONNECT",
      path: target,
      headers: {
        host: target,
        ...Option.match(proxy.credentials, {
          onNone: () => ({}),
          onSome: (secret) => ({
            "proxy-authorization": `Basic ${Buffer.from(Redacted.value(secret)).toString("base64")}`
          })
        })
      }
    })
    request.once("connect", ({ statusCode, statusMessage }, socket) => {
      socket.on("error", ignore)
      if (statusCode === 200 && isSocket(socket)) return resume(Effect.succeed(socket))
      socket.destroy()
      fail(`refused a connection to ${target}: ${statusCode} ${statusMessage}`.trimEnd() + adviceOnRefusal(statusCode))
    })
    request.once("error", (error) => fail(`could not be used: ${wordsOf(error)}`))
    request.end()
    return Effect.sync(() => request.destroy())
  })

const adviceOnRefusal = (status: number | undefined): string =>
  status === 407 ? "; write user and password into HTTPS_PROXY, as http://user:password@host:port" : ""

const isSocket = (stream: object): stream is Socket => "connecting" in stream
