import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted } from "effect"
import { HttpClient } from "effect/http"
import { readFileSync } from "node:fs"
import tls, { getCACertificates, setDefaultCACertificates } from "node:tls"
import { KiteClient, type KiteUnanswered } from "../../src/broker/zerodha/KiteClient.ts"
import { KiteSession } from "../../src/broker/zerodha/KiteSession.ts"
import { OrderFeed } from "../../src/broker/zerodha/OrderFeed.ts"
import { LatestTime } from "../../src/clock/DatabaseClock.ts"
import type { Delivery } from "../../src/domain/operations/notification.ts"
import { Webhook } from "../../src/notify/Webhook.ts"
import { OtlpHttp } from "../../src/telemetry/OtlpExport.ts"
import { configuration } from "../support/database.ts"
import { freePort, tlsFile } from "../support/tcpPostgres.ts"
import { connectProxy, plainServer, rawServer, tlsServer } from "../support/tlsServers.ts"

const untrusted = getCACertificates("default")
const trust = (...names: ReadonlyArray<"authority.crt" | "kite.crt" | "expired.crt">) =>
  setDefaultCACertificates([...untrusted, ...names.map((name) => readFileSync(tlsFile(name), "utf8"))])

type Environment = Readonly<Record<string, string>>

const zerodha = { BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key", BROKER_TIMEOUT_SECONDS: "20" }

/** Sends an order as the broker does. */
const order = Effect.flatMap(KiteClient, ({ send }) =>
  send({ method: "POST", path: "/orders/regular", form: { tag: "T1" }, accessToken: Option.none() })
)

/** The same with a client of its own. */
const ask = (url: string, environment: Environment = {}) =>
  Effect.provide(order, clientAt(url, environment), { local: true })

const clientAt = (url: string, environment: Environment = {}) =>
  KiteClient.layer.pipe(Layer.provide(configuration({ ...zerodha, ZERODHA_URL: url, ...environment })))

const failureAt = (url: string, environment: Environment = {}): Effect.Effect<KiteUnanswered> =>
  Effect.flip(ask(url, environment)).pipe(Effect.orDie)

const notification: Delivery = {
  key: "halt:7",
  kind: "halted",
  severity: "warning",
  message: "Placements are halted",
  orderId: null,
  sliceId: null,
  reasonCode: null,
  foundAt: DateTime.makeUnsafe(0)
}

const assertNotSent = ({ message, wasSent }: KiteUnanswered, says: RegExp) => {
  assert.match(message, says)
  assert.isFalse(wasSent, message)
}

describe("a connection that does not come about", () => {
  it.live("proves that nothing was sent, and says why", () =>
    Effect.gen(function* () {
      const nobody = yield* freePort
      assertNotSent(yield* failureAt(`http://127.0.0.1:${nobody}`), /^Could not connect to Zerodha: .*ECONNREFUSED/)
      assertNotSent(yield* failureAt(`https://localhost:${nobody}`), /ECONNREFUSED/)
      assertNotSent(yield* failureAt("https://no-such-host.invalid"), /no-such-host\.invalid/)

      const reset = yield* rawServer((socket) => socket.once("data", () => socket.resetAndDestroy()))
      assertNotSent(yield* failureAt(`https://localhost:${reset}`), /the TLS handshake with localhost failed/)
      const closed = yield* rawServer((socket) => socket.once("data", () => socket.end()))
      assertNotSent(yield* failureAt(`https://localhost:${closed}`), /the TLS handshake with localhost failed/)
      const plain = yield* plainServer((_, response) => response.end())
      assertNotSent(yield* failureAt(`https://localhost:${plain}`), /the TLS handshake with localhost failed/)
      const silent = yield* rawServer(() => undefined)
      const slow = yield* failureAt(`https://localhost:${silent}`, { BROKER_TIMEOUT_SECONDS: "1" })
      assertNotSent(slow, /no connection within 500ms/)
    })
  )

  it.live(
    "is one whose certificate is not the server's, is over or is of an unknown authority; the server gets no request",
    () =>
      Effect.gen(function* () {
        const server = yield* tlsServer("server")
        trust()
        assertNotSent(yield* failureAt(`https://localhost:${server.port}`), /unable to verify .*NODE_EXTRA_CA_CERTS/)
        trust("authority.crt", "expired.crt")
        assertNotSent(yield* failureAt(`https://127.0.0.1:${server.port}`), /Hostname\/IP does not match/)
        const expired = yield* tlsServer("expired")
        assertNotSent(yield* failureAt(`https://localhost:${expired.port}`), /certificate has expired/)
        assert.deepStrictEqual([...server.requests, ...expired.requests], [])
        assert.strictEqual((yield* ask(`https://localhost:${server.port}`)).status, 200)
      })
  )

  it.live("is one that Node.js does not begin, because of its own settings of TLS", () =>
    Effect.gen(function* () {
      const server = yield* tlsServer("server")
      const ciphers = tls.DEFAULT_CIPHERS
      yield* Effect.addFinalizer(() => Effect.sync(() => (tls.DEFAULT_CIPHERS = ciphers)))
      // As NODE_OPTIONS=--tls-cipher-list does.
      tls.DEFAULT_CIPHERS = "none"
      const failed = yield* failureAt(`https://localhost:${server.port}`, { BROKER_TIMEOUT_SECONDS: "2" })
      assertNotSent(failed, /no cipher match/i)
    })
  )

  it.live("is one that was ready after its time, because the host stood still", () =>
    Effect.gen(function* () {
      const server = yield* tlsServer("server")
      trust("authority.crt")
      let minutes = 0
      const suspended = Layer.succeed(LatestTime)(Effect.sync(() => (minutes += 1) * 60_000))
      const failed = yield* Effect.flip(order).pipe(
        Effect.provide(Layer.provide(clientAt(`https://localhost:${server.port}`), suspended), { local: true })
      )
      assertNotSent(failed, /no connection within 10s/)
      assert.deepStrictEqual(server.requests, [])
    })
  )

  it.live("is one that the proxy does not make", () =>
    Effect.gen(function* () {
      trust("kite.crt")
      const through = (port: number, credentials = "") => ({ HTTPS_PROXY: `http://${credentials}127.0.0.1:${port}` })
      const server = yield* tlsServer("kite")
      const nobody = yield* freePort
      const down = yield* failureAt("https://kite.test", through(nobody, "me:pa%24%24@"))
      assertNotSent(down, /the proxy 127\.0\.0\.1:\d+ could not be used: connect ECONNREFUSED/)
      assert.notInclude(down.message, "pa$$")
      for (const refusal of ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"]) {
        const proxy = yield* connectProxy(server.port, refusal)
        const failed = yield* failureAt("https://kite.test", through(proxy.port))
        assertNotSent(failed, new RegExp(`refused a connection to kite\\.test:443: ${refusal}`))
      }
      const nonsense = yield* rawServer((socket) => socket.once("data", () => socket.end("SSH-2.0\r\n")))
      assertNotSent(yield* failureAt("https://kite.test", through(nonsense)), /the proxy .* could not be used/)
      const silent = yield* rawServer(() => undefined)
      const slow = yield* failureAt("https://kite.test", { ...through(silent), BROKER_TIMEOUT_SECONDS: "1" })
      assertNotSent(slow, /no connection within 500ms/)
      const wrong = yield* connectProxy((yield* tlsServer("server")).port)
      assertNotSent(
        yield* failureAt("https://kite.test", through(wrong.port)),
        /the TLS handshake with kite\.test failed/
      )
      assert.deepStrictEqual(server.requests, [])
    })
  )
})

describe("a connection that breaks once it was there", () => {
  it.live("proves nothing, be it new or kept open, direct or through a proxy", () =>
    Effect.gen(function* () {
      trust("kite.crt", "authority.crt")
      let mayAnswer = true
      const server = yield* tlsServer("kite", (request, response) => {
        if (mayAnswer) return void response.end("{}")
        request.socket.destroy()
      })
      const proxy = yield* connectProxy(server.port)
      const way = { HTTPS_PROXY: `127.0.0.1:${proxy.port}` }
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* order).status, 200)
        mayAnswer = false
        const kept = yield* Effect.flip(order)
        assert.isTrue(kept.wasSent, kept.message)
        assert.lengthOf(proxy.asked, 1)
      }).pipe(Effect.provide(clientAt("https://kite.test", way)))
      const fresh = yield* failureAt("https://kite.test", way)
      assert.isTrue(fresh.wasSent, fresh.message)
      assert.lengthOf(server.requests, 3)
      const silent = yield* tlsServer("server", () => undefined)
      const late = yield* failureAt(`https://localhost:${silent.port}`, { BROKER_TIMEOUT_SECONDS: "2" })
      assert.isTrue(late.wasSent, late.message)
      assert.lengthOf(silent.requests, 1)
    })
  )
})

describe("the way out", () => {
  it.live("leads through HTTPS_PROXY for the broker, its order feed, the webhook and the collector", () =>
    Effect.gen(function* () {
      trust("kite.crt")
      const server = yield* tlsServer("kite")
      const proxy = yield* connectProxy(server.port)
      const config = configuration({
        ...zerodha,
        HTTPS_PROXY: "http://nobody:1",
        https_proxy: `http://me:pa%24%24@127.0.0.1:${proxy.port}`,
        NO_PROXY: "other.test",
        ZERODHA_URL: "https://kite.test",
        ZERODHA_ORDER_FEED: "on",
        ZERODHA_ORDER_FEED_URL: "wss://kite.test:8443",
        NOTIFY_WEBHOOK_URL: "https://kite.test/hook"
      })
      yield* Effect.gen(function* () {
        const { send, wayOut } = yield* KiteClient
        yield* send({ method: "GET", path: "/orders", accessToken: Option.none() })
        assert.deepInclude(Option.getOrThrow(yield* wayOut), { proxy: Option.some(`127.0.0.1:${proxy.port}`) })
        yield* (yield* OrderFeed).changed
        yield* (yield* Webhook).send(notification)
        yield* (yield* HttpClient.HttpClient).get("https://kite.test/v1/traces")
      }).pipe(
        Effect.provide(
          Layer.mergeAll(KiteClient.layer, OrderFeed.layer, Webhook.layer, OtlpHttp).pipe(
            Layer.provide([Layer.mock(KiteSession)({ accessToken: Effect.succeed(Redacted.make("token")) }), config])
          )
        )
      )
      assert.sameMembers(server.requests, ["/orders", "WebSocket", "/hook", "/v1/traces"])
      const authorization = `Basic ${Buffer.from("me:pa$$").toString("base64")}`
      assert.sameDeepMembers(proxy.asked, [
        { target: "kite.test:443", authorization },
        { target: "kite.test:8443", authorization },
        { target: "kite.test:443", authorization },
        { target: "kite.test:443", authorization }
      ])
    })
  )

  it.live("is direct to this host, and by the version of IP that ZERODHA_IP_FAMILY names", () =>
    Effect.gen(function* () {
      trust("authority.crt")
      const server = yield* tlsServer("server")
      const environment = { HTTPS_PROXY: `127.0.0.1:${yield* freePort}`, ZERODHA_IP_FAMILY: "4" }
      yield* Effect.gen(function* () {
        const { send, wayOut } = yield* KiteClient
        yield* send({ method: "GET", path: "/orders", accessToken: Option.none() })
        assert.deepStrictEqual(Option.getOrThrow(yield* wayOut), {
          local: "127.0.0.1",
          remote: "127.0.0.1",
          proxy: Option.none()
        })
      }).pipe(Effect.provide(clientAt(`https://localhost:${server.port}`, environment)))
      const other = yield* failureAt(`https://localhost:${server.port}`, { ZERODHA_IP_FAMILY: "6" })
      assertNotSent(other, /ECONNREFUSED|ENOTFOUND|EADDRNOTAVAIL|EAI_/)
    })
  )
})
