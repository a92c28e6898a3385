import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Option, Redacted, Result } from "effect"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Configuration, settings } from "../../src/config/Configuration.ts"

const load = (environment: Readonly<Record<string, string>>) =>
  Configuration.pipe(
    Effect.provide(
      Layer.fresh(Configuration.layer).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
      )
    )
  )

const problemsOf = (environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(load(environment)), (error) => error.problems)

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-secrets-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true }))
)

const escapesNeeded = "DATABASE_URL must be a URL whose user and password have %2F, %3F, %23 and %40 for /, ?, # and @"

describe("Configuration", () => {
  it.effect("reads the seed's names, in their units", () =>
    Effect.gen(function* () {
      const config = yield* load({
        ORDER_SPLITTER_POLL_INTERVAL_SECONDS: "7",
        SLICE_EXECUTION_TIMEOUT_MINUTES: "0.5",
        MOCK_BROKER_SCENARIOS: "success, timeout",
        DATABASE_URL: "postgres://u:p@h/db"
      })
      assert.deepStrictEqual(config.orderSplitterPollInterval, Duration.seconds(7))
      assert.deepStrictEqual(config.sliceExecutionTimeout, Duration.seconds(30))
      assert.deepStrictEqual([...config.mockBrokerScenarios], ["success", "timeout"])
      assert.strictEqual(Option.getOrThrow(Option.map(config.databaseUrl, Redacted.value)), "postgres://u:p@h/db")
      assert.notInclude(JSON.stringify(config), "u:p")
    })
  )

  it.effect("has defaults for everything, and treats an empty variable as not set", () =>
    Effect.gen(function* () {
      const config = yield* load({ DATABASE_URL: "", LOG_LEVEL: "" })
      assert.isTrue(Option.isNone(config.databaseUrl))
      assert.strictEqual(config.logLevel, "info")
    })
  )

  it.effect("names all problems at once, in plain words, without secrets", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        DATABASE_URL: "mysql://joe:secret-word@h/db",
        DATABASE_POOL_SIZE: "2",
        SLICE_EXECUTOR_CONCURRENCY: "1.5",
        ORDER_SPLIT_TIMEOUT_MINUTES: "soon",
        LIMIT_PRICE_COLLAR_PERCENT: "0.0",
        LIMIT_VOLUME_SHARE_PERCENT: "100.1",
        LOG_FORMAT: "xml",
        MOCK_BROKER_SCENARIOS: "success,explosion",
        MOCK_BROKER_FAULT_RATE: "1.1",
        BROKER_TYPE: "zerodha",
        ZERODHA_API_SECRET: "two words",
        ZERODHA_URL: "ftp://kite",
        ZERODHA_MARKET_PROTECTION: "101"
      })
      assert.deepStrictEqual(
        [...problems],
        [
          "DATABASE_URL must be a URL such as postgres://user:password@host:5432/database",
          'DATABASE_POOL_SIZE must be a whole number from 3 to 200, not "2"',
          'ORDER_SPLIT_TIMEOUT_MINUTES must be a number from 0.01 to 1440, not "soon"',
          'LIMIT_PRICE_COLLAR_PERCENT must be a percentage above 0 and up to 100, such as 5 or 2.5, not "0.0"',
          'LIMIT_VOLUME_SHARE_PERCENT must be a percentage above 0 and up to 100, such as 5 or 2.5, not "100.1"',
          'SLICE_EXECUTOR_CONCURRENCY must be a whole number from 1 to 1000, not "1.5"',
          "ZERODHA_API_SECRET must be one word of plain characters, without spaces or line breaks",
          'ZERODHA_URL must be a URL such as https://api.kite.trade, not "ftp://kite"',
          'ZERODHA_MARKET_PROTECTION must be auto or a percentage up to 100, not "101"',
          'MOCK_BROKER_SCENARIOS must be a comma-separated list of success, partial_fill, rejection, late_rejection, network_error, timeout, not "success,explosion"',
          'MOCK_BROKER_FAULT_RATE must be a number from 0 to 1, not "1.1"',
          'LOG_FORMAT must be one of json, pretty, not "xml"',
          "ZERODHA_API_KEY must be set when BROKER_TYPE is zerodha: it is shown on developers.kite.trade"
        ]
      )
    })
  )

  it.effect("takes numbers in plain digits only", () =>
    Effect.gen(function* () {
      const numbers = [
        "0x10",
        "1e1",
        "1e309",
        "NaN",
        "Infinity",
        "-0",
        "-1",
        "+5",
        "1_0",
        "5.",
        "٣",
        "9".repeat(400),
        "1 0"
      ]
      for (const name of [
        "DATABASE_POOL_SIZE",
        "SHUTDOWN_GRACE_SECONDS",
        "ZERODHA_MARKET_PROTECTION",
        "LIMIT_ORDER_VALUE"
      ]) {
        for (const text of numbers) {
          const problems = yield* problemsOf({ [name]: text })
          assert.lengthOf(problems, 1, `${name}=${text}`)
          assert.isTrue(problems[0]?.startsWith(`${name} must be `), problems[0])
          assert.isBelow(problems[0]?.length ?? 0, 400)
        }
      }
      const config = yield* load({
        DATABASE_POOL_SIZE: " 10\n",
        SHUTDOWN_GRACE_SECONDS: "0",
        BROKER_TIMEOUT_SECONDS: ".5"
      })
      assert.strictEqual(config.databasePoolSize, 10)
      assert.deepStrictEqual(config.brokerTimeout, Duration.millis(500))
    })
  )

  it.effect("limits the length of every value, and takes only visible characters", () =>
    Effect.gen(function* () {
      for (const { name, isSecret } of settings) {
        const [long] = yield* problemsOf({ [name]: `1${"0".repeat(1_000_000)}` })
        assert.match(long ?? "", new RegExp(`^${name} must have at most \\d+ characters, not 1000001$`))
        for (const text of ["a\u001bb", "a\u202eb", "a\u0000b", "a\nb", "a\u200bb", "a\ud800b"]) {
          const problems = yield* problemsOf({ [name]: text })
          assert.lengthOf(problems, 1, name)
          assert.match(problems[0] ?? "", new RegExp(`^${name} must be one line of visible characters`))
          assert.notMatch(problems[0] ?? "", /[\p{Cc}\p{Cf}\p{Cs}]/u)
          if (isSecret === true) assert.notInclude(problems[0], "not")
        }
      }
      const manyNames = Array.from({ length: 5000 }, (_, n) => `NSE:A${n}`).join(",")
      assert.strictEqual((yield* load({ LIMIT_INSTRUMENTS: manyNames })).limits.instruments.length, 5000)
      assert.lengthOf(yield* problemsOf({ LIMIT_INSTRUMENTS: `NSE:${"A".repeat(100)}` }), 1)
    })
  )

  it.effect("shows no credentials of a URL, wherever they are", () =>
    Effect.gen(function* () {
      const urls = [
        "https://joe:secret-word@h",
        "https://h/?token=secret-word",
        "https://h/#secret-word",
        "postgres://u:12/secret-word@h/db",
        "postgres://u:12?secret-word@h/db",
        "postgres://u:12#secret-word@h/db"
      ]
      for (const { name } of settings) {
        for (const url of urls) {
          // A webhook's URL may well have a query or a user, and a path may have anything.
          const result = yield* Effect.result(load({ [name]: url }))
          if (Result.isFailure(result)) assert.notInclude(result.failure.message, "secret-word", name)
        }
      }
      for (const url of urls.slice(3)) assert.include(yield* problemsOf({ DATABASE_URL: url }), escapesNeeded)
      for (const url of urls.slice(0, 3)) {
        for (const name of ["ZERODHA_URL", "ZERODHA_LOGIN_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"]) {
          assert.lengthOf(yield* problemsOf({ [name]: url }), 1, `${name} ${url}`)
        }
      }
      const slashes = yield* load({ ZERODHA_URL: `https://h/${"/".repeat(5000)}` })
      assert.strictEqual(slashes.zerodhaUrl, "https://h")
    })
  )

  it.effect("requires a quarantine for real orders that outlasts a slow order list", () =>
    Effect.gen(function* () {
      const short = { BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key", RECONCILE_QUARANTINE_SECONDS: "119" }
      const [problem] = yield* problemsOf(short)
      assert.include(problem, "RECONCILE_QUARANTINE_SECONDS must be at least 120 with https://api.kite.trade")
      yield* load({ ...short, RECONCILE_QUARANTINE_SECONDS: "120" })
      for (const url of ["http://localhost:8765/", "http://127.0.0.1:8765", "http://[::1]:8765"]) {
        yield* load({ ...short, ZERODHA_URL: url })
      }
      for (const url of ["https://API.KITE.TRADE", "https://api.kite.trade:443", "https://127.0.0.1.nip.io"]) {
        assert.lengthOf(yield* problemsOf({ ...short, ZERODHA_URL: url }), 1, url)
      }
    })
  )

  it.effect("requires a lease longer than polling, claiming ahead and the call together", () =>
    Effect.gen(function* () {
      const [problem] = yield* problemsOf({ SLICE_EXECUTION_TIMEOUT_MINUTES: "0.2" })
      assert.include(problem ?? "", "SLICE_EXECUTION_TIMEOUT_MINUTES must be longer than")
      assert.include(problem ?? "", "(12s)")
      yield* load({ SLICE_EXECUTION_TIMEOUT_MINUTES: "0.21" })
    })
  )

  it.effect("requires an interval of quotes within their maximum age if a limit needs them", () =>
    Effect.gen(function* () {
      const rare = { QUOTES_POLL_INTERVAL_SECONDS: "61" }
      yield* load(rare)
      yield* load({ ...rare, LIMIT_PRICE_COLLAR_PERCENT: "5", LIMIT_QUOTE_AGE_SECONDS: "61" })
      const [problem] = yield* problemsOf({ ...rare, LIMIT_VOLUME_SHARE_PERCENT: "5" })
      assert.include(problem ?? "", "QUOTES_POLL_INTERVAL_SECONDS must not be longer than LIMIT_QUOTE_AGE_SECONDS (1m)")
    })
  )

  it.effect("reads OpenTelemetry's variables as specified", () =>
    Effect.gen(function* () {
      const { telemetry } = yield* load({
        OTEL_EXPORTER_OTLP_ENDPOINT: "https://otlp.example.com:4318/base/",
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=s%3Decret, x-tenant=desk one",
        OTEL_RESOURCE_ATTRIBUTES: "team=fx%2C spot,deployment.environment.name=staging",
        OTEL_SDK_DISABLED: "True",
        OTEL_METRIC_EXPORT_INTERVAL: "15000"
      })
      assert.deepStrictEqual(telemetry.endpoint, Option.some("https://otlp.example.com:4318/base"))
      assert.deepStrictEqual(Redacted.value(telemetry.headers), { "api-key": "s=ecret", "x-tenant": "desk one" })
      assert.deepStrictEqual(telemetry.resourceAttributes, {
        team: "fx, spot",
        "deployment.environment.name": "staging"
      })
      assert.isTrue(telemetry.isDisabled)
      assert.deepStrictEqual(telemetry.metricInterval, Duration.seconds(15))
      assert.notInclude(JSON.stringify(telemetry), "ecret")
    })
  )

  it.effect("says what OpenTelemetry's variables must be, without showing headers or URLs", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://joe:secret-word@h:4318",
        OTEL_EXPORTER_OTLP_HEADERS: "secret-word",
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        OTEL_RESOURCE_ATTRIBUTES: "team=%E0",
        OTEL_TRACES_SAMPLER: "sometimes",
        OTEL_TRACES_SAMPLER_ARG: "2",
        OTEL_SDK_DISABLED: "yes"
      })
      assert.deepStrictEqual(
        [...problems],
        [
          'OTEL_SDK_DISABLED must be true or false, not "yes"',
          "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://localhost:4318; credentials belong in OTEL_EXPORTER_OTLP_HEADERS",
          "OTEL_EXPORTER_OTLP_HEADERS must be headers such as api-key=secret,x-tenant=desk, with %20 for a space",
          'OTEL_EXPORTER_OTLP_PROTOCOL must be one of http/json, http/protobuf, not "grpc"',
          'OTEL_RESOURCE_ATTRIBUTES must be attributes such as deployment.environment.name=production,team=desk, not "team=%E0"',
          'OTEL_TRACES_SAMPLER must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio, not "sometimes"',
          'OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, not "2"'
        ]
      )
    })
  )

  it.effect("reads each secret from the file that NAME_FILE names, without its line break", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = (name: string, text: string, mode = 0o600) =>
        Effect.promise(async () => {
          await writeFile(join(folder, name), text)
          await chmod(join(folder, name), mode)
          return join(folder, name)
        })
      const url = yield* file("url", "postgres://u:p@h/db\r\n")
      const config = yield* load({
        DATABASE_URL_FILE: url,
        DATABASE_URL: "",
        ZERODHA_API_SECRET_FILE: yield* file("secret", "from-a-file\n", 0o644),
        OTEL_EXPORTER_OTLP_HEADERS_FILE: yield* file("headers", "api-key=hidden", 0o440)
      })
      assert.strictEqual(config.database?.user, "u")
      assert.deepStrictEqual(Option.map(config.zerodhaApiSecret, Redacted.value), Option.some("from-a-file"))
      assert.deepStrictEqual(Redacted.value(config.telemetry.headers), { "api-key": "hidden" })
      assert.deepStrictEqual([...config.readableSecretFiles], ["ZERODHA_API_SECRET_FILE"])

      const missing = join(folder, "missing")
      const open = yield* file("open", "a-secret", 0o606)
      const empty = yield* file("empty", "\n")
      const bad = yield* file("bad", "two words")
      assert.deepStrictEqual(
        [
          ...(yield* problemsOf({
            DATABASE_URL: "postgres://u:p@h/db",
            DATABASE_URL_FILE: url,
            ZERODHA_API_KEY_FILE: missing,
            ZERODHA_API_SECRET_FILE: open,
            ZERODHA_ACCESS_TOKEN_FILE: empty,
            CREDENTIAL_KEY_FILE: bad,
            NOTIFY_WEBHOOK_URL_FILE: folder
          }))
        ],
        [
          "DATABASE_URL and DATABASE_URL_FILE must not both be set",
          `ZERODHA_API_KEY_FILE must name a file with the secret, and "${missing}" cannot be read: ENOENT: no such file or directory, open '${missing}'`,
          `ZERODHA_API_SECRET_FILE must name a file with the secret, and "${open}" may be written by every account: chmod 600 it`,
          `ZERODHA_ACCESS_TOKEN_FILE must name a file with the secret, and "${empty}" is empty`,
          `NOTIFY_WEBHOOK_URL_FILE must name a file with the secret, and "${folder}" must be a file, not a folder, a device or a pipe`,
          "CREDENTIAL_KEY must be 32 bytes in base64 or in hexadecimal digits, as `openssl rand -base64 32` prints them"
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("takes a key of 32 bytes, in base64 or hexadecimal digits", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from(Array.from({ length: 32 }, (_, at) => at * 8))
      for (const text of [bytes.toString("base64"), bytes.toString("hex"), bytes.toString("hex").toUpperCase()]) {
        const { credentialKey } = yield* load({ CREDENTIAL_KEY: text })
        assert.deepStrictEqual(Option.map(credentialKey, Redacted.value), Option.some(new Uint8Array(bytes)))
      }
      const [b64, hex] = [bytes.toString("base64"), bytes.toString("hex")]
      for (const text of [b64.slice(0, -1), b64.slice(4), `${hex}00`, hex.slice(1), "passphrase"]) {
        const [problem = "", ...more] = yield* problemsOf({ CREDENTIAL_KEY: text })
        assert.include(problem, "CREDENTIAL_KEY must be 32 bytes")
        assert.notInclude(problem, text)
        assert.isEmpty(more)
      }
    })
  )

  it.effect("refuses addresses of the broker in plain text, but for a simulator's", () =>
    Effect.gen(function* () {
      const plain = {
        ZERODHA_URL: "http://kite-simulator:8765",
        ZERODHA_LOGIN_URL: "http://kite-simulator:8765/login",
        ZERODHA_ORDER_FEED_URL: "ws://kite-simulator:8765/feed"
      }
      const problems = yield* problemsOf(plain)
      assert.lengthOf(problems, 3)
      assert.match(problems[0] ?? "", /^ZERODHA_URL must begin with https:, because http: shows the access token/)
      assert.match(problems[2] ?? "", /^ZERODHA_ORDER_FEED_URL must begin with wss:/)
      yield* load({ ...plain, ZERODHA_SIMULATOR_HOST: "Kite-Simulator" })
      assert.lengthOf(yield* problemsOf({ ...plain, ZERODHA_SIMULATOR_HOST: "simulator" }), 3)
      yield* load({ ZERODHA_URL: "http://127.0.0.1:1", ZERODHA_ORDER_FEED_URL: "ws://[::1]:1" })
      for (const url of ["http://127.0.0.1.nip.io", "http://localhost.example", "http://[::ffff:1.2.3.4]"]) {
        assert.lengthOf(yield* problemsOf({ ZERODHA_URL: url }), 1, url)
      }
      for (const host of [
        "api.kite.trade",
        "KITE.TRADE",
        "kite.zerodha.com",
        "ws.kite.trade.",
        "a b",
        "http://h",
        "h:1"
      ]) {
        assert.lengthOf(yield* problemsOf({ ZERODHA_SIMULATOR_HOST: host }), 1, host)
      }
    })
  )
})
