import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Redacted, Result } from "effect"
import { Configuration } from "../../src/config/Configuration.ts"
import { noProxy, proxyOf, proxyUrl } from "../../src/config/proxies.ts"

const proxy = proxyUrl("HTTPS_PROXY")

describe("HTTPS_PROXY", () => {
  it("is a URL with http:, or a host and a port", () => {
    const read = (text: string) => Option.getOrThrow(Result.getOrThrow(proxy.decode(text)))
    const { credentials, ...rest } = read("http://me:p%40ss@proxy.example.com:3128/")
    assert.deepStrictEqual(rest, { host: "proxy.example.com", port: 3128, name: "proxy.example.com:3128" })
    assert.deepStrictEqual(Option.map(credentials, Redacted.value), Option.some("me:p@ss"))
    // A token instead of a name and a password.
    assert.deepStrictEqual(
      ["http://token@h:1", "http://:token@h:1"].map((text) => Option.map(read(text).credentials, Redacted.value)),
      [Option.some("token:"), Option.some(":token")]
    )
    assert.notInclude(JSON.stringify(read("http://me:p%40ss@h:1")), "p@ss")
    assert.deepInclude(read("proxy:8080"), { host: "proxy", port: 8080 })
    assert.deepInclude(read("http://proxy"), { host: "proxy", port: 80 })
    assert.deepInclude(read("http://[2001:db8::1]:3128"), { host: "2001:db8::1", name: "[2001:db8::1]:3128" })
    for (const refused of [
      "https://proxy:443",
      "socks5://proxy:1080",
      "http://proxy/path",
      "http://",
      "http://%:1",
      "h:0"
    ]) {
      assert.isTrue(Result.isFailure(proxy.decode(refused)), refused)
    }
  })
})

describe("NO_PROXY", () => {
  const isDirect = (rules: string, address: string) =>
    Option.isNone(
      proxyOf(
        {
          httpsProxy: Result.getOrThrow(proxy.decode("proxy:1")),
          httpProxy: Option.none(),
          noProxy: Result.getOrThrow(noProxy.decode(rules))
        },
        address
      )
    )

  for (const [rules, direct, proxied] of [
    [
      "",
      ["https://localhost:1", "https://127.0.0.1", "wss://[::1]:8443"],
      ["https://api.kite.trade", "wss://ws.kite.trade"]
    ],
    ["*", ["https://api.kite.trade"], []],
    [
      "kite.trade",
      ["https://kite.trade", "https://api.KITE.trade.:8443"],
      ["https://notkite.trade", "https://kite.trade.other"]
    ],
    [".kite.trade *.svc", ["https://api.kite.trade", "https://a.b.svc"], ["https://kite.trade", "https://svc"]],
    ["api.kite.trade:8443,", ["https://api.kite.trade:8443"], ["https://api.kite.trade"]],
    [
      "10.0.0.0/8, 192.168.1.7:8443",
      ["https://10.1.2.3", "https://192.168.1.7:8443"],
      ["https://11.0.0.1", "https://192.168.1.7"]
    ],
    [
      "2001:db8::/32 [fd00::1]:443",
      ["https://[2001:db8::5]", "https://[fd00::1]"],
      ["https://[fd00::1]:8443", "https://[2001:db9::1]"]
    ]
  ] as const) {
    it(`reads ${JSON.stringify(rules)} as other programs do`, () => {
      for (const address of direct) assert.isTrue(isDirect(rules, address), address)
      for (const address of proxied) assert.isFalse(isDirect(rules, address), address)
    })
  }

  it("is refused where a part of it means nothing", () => {
    for (const text of ["https://kite.trade", "10.0.0.0/33", "kite.trade/8", "a b!", "[::1", "host:port"]) {
      assert.isTrue(Result.isFailure(noProxy.decode(text)), text)
    }
  })
})

describe("a proxy that is asked for what this service cannot do", () => {
  const problemsOf = (environment: Readonly<Record<string, string>>) =>
    Configuration.pipe(
      Effect.provide(
        Layer.fresh(Configuration.layer).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
        )
      ),
      Effect.match({ onFailure: ({ problems }) => problems.join("\n"), onSuccess: () => "" })
    )

  it.effect("is refused at the start, by the name of the setting", () =>
    Effect.gen(function* () {
      const collector = { HTTP_PROXY: "http://me:pass@proxy:1", OTEL_EXPORTER_OTLP_ENDPOINT: "http://otel:4318" }
      assert.match(yield* problemsOf(collector), /^OTEL_EXPORTER_OTLP_ENDPOINT must not .*NO_PROXY/)
      assert.strictEqual(yield* problemsOf({ ...collector, no_proxy: "otel" }), "")
      const hook = { http_proxy: "proxy:1", NOTIFY_WEBHOOK_URL: "http://hooks/very-secret" }
      assert.match(yield* problemsOf(hook), /^NOTIFY_WEBHOOK_URL must not/)
      assert.notInclude(yield* problemsOf(hook), "very-secret")
      const socks = yield* problemsOf({ HTTPS_PROXY: "socks5://me:pass@proxy:1" })
      assert.match(socks, /^HTTPS_PROXY must be the URL of an HTTP proxy/)
      assert.notInclude(socks, "pass@")
      const broker = { BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key", ZERODHA_IP_FAMILY: "4" }
      assert.match(yield* problemsOf({ ...broker, HTTPS_PROXY: "proxy:1" }), /^ZERODHA_IP_FAMILY must be auto/)
      assert.strictEqual(yield* problemsOf({ ...broker, HTTPS_PROXY: "proxy:1", NO_PROXY: "kite.trade" }), "")
    })
  )
})
