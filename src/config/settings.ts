import { Option, Redacted, Result, Schema } from "effect"
import { AlgoId } from "../domain/model/Order.ts"
import { operatorName } from "../domain/operations/operatorName.ts"
import { otlpEndpoint, otlpHeaders, resourceAttributes, samplers, sdkDisabled } from "./otelSettings.ts"
import { noProxy, proxyUrl } from "./proxies.ts"
import {
  listOf,
  millis,
  minutes,
  money,
  oneOf,
  optional,
  path,
  percent,
  plainNumber,
  seconds,
  secret,
  secretUrl,
  type Setting,
  share,
  text,
  url,
  whole,
  wordList
} from "./Setting.ts"

/** The instructions that the mock broker takes for a placement. */
const mockScenarios = ["success", "partial_fill", "rejection", "late_rejection", "network_error", "timeout"] as const
export type MockScenario = (typeof mockScenarios)[number]

/** How far from the last price a MARKET order may trade, in percent. -1: the exchange's rules decide. */
const marketProtection: Setting<number> = {
  name: "ZERODHA_MARKET_PROTECTION",
  defaultText: "auto",
  defaultValue: -1,
  decode: (given) => {
    if (given === "auto") return Result.succeed(-1)
    const percent = plainNumber(given)
    return percent !== null && percent > 0 && percent <= 100
      ? Result.succeed(percent)
      : Result.fail("auto or a percentage up to 100")
  }
}

const isAlgoId = Schema.is(AlgoId)

/** The algorithm id that the exchange gave, for orders that name none. */
const algoId: Setting<Option.Option<string>> = {
  name: "ZERODHA_ALGO_ID",
  defaultText: "",
  defaultValue: Option.none(),
  decode: (given) =>
    isAlgoId(given)
      ? Result.succeed(Option.some(given))
      : Result.fail("1 to 64 printable ASCII characters, without spaces around them")
}

/** A simulator's host; never one of the broker. */
const simulatorHost: Setting<Option.Option<string>> = {
  name: "ZERODHA_SIMULATOR_HOST",
  defaultText: "",
  defaultValue: Option.none(),
  decode: (given) => {
    const host = given.toLowerCase()
    return /^[a-z0-9][a-z0-9.-]*$/.test(host) && !/(?:^|\.)(?:kite\.trade|zerodha\.com)\.?$/.test(host)
      ? Result.succeed(Option.some(host))
      : Result.fail("the name of a simulator's host such as kite-simulator")
  }
}

/** 32 bytes, which encrypt the access tokens in the database. */
const credentialKey: Setting<Option.Option<Redacted.Redacted<Uint8Array>>> = {
  ...secret("CREDENTIAL_KEY"),
  defaultValue: Option.none(),
  decode: (given) => {
    const bytes = Buffer.from(given, /^[0-9a-f]{64}$/i.test(given) ? "hex" : "base64")
    const isWhole = /^(?:[0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/i.test(given)
    return isWhole && bytes.length === 32
      ? Result.succeed(Option.some(Redacted.make(new Uint8Array(bytes))))
      : Result.fail("32 bytes in base64 or in hexadecimal digits, as `openssl rand -base64 32` prints them")
  }
}

const personOf: Setting<string> = {
  ...text("PULSE_OPERATOR", ""),
  decode: operatorName
}

/** HH:MM in India; null for never. */
const syncTime: Setting<string | null> = {
  name: "INSTRUMENT_SYNC_TIME",
  defaultText: "08:35",
  defaultValue: "08:35",
  decode: (given) =>
    given === "off" || /^([01]\d|2[0-3]):[0-5]\d$/.test(given)
      ? Result.succeed(given === "off" ? null : given)
      : Result.fail("a time of day in India such as 08:35, or off")
}

/** Read as a whole by `readDatabaseAddress`, together with the variables of libpq. */
const databaseUrl: Setting<Option.Option<Redacted.Redacted>> = {
  ...secret("DATABASE_URL"),
  decode: (given) => Result.succeed(Option.some(Redacted.make(given)))
}

/** Turns a setting into its value. Called once for each setting, in the order of the reference page. */
type Read = <A>(setting: Setting<A>) => A

const database = (read: Read) => ({
  databaseUrl: read(databaseUrl),
  databaseCaFile: read(optional(path("DATABASE_CA_FILE", ""))),
  databasePoolSize: read(whole("DATABASE_POOL_SIZE", 10, 3, 200)),
  databaseStatementTimeout: read(seconds("DATABASE_STATEMENT_TIMEOUT_SECONDS", 10, 0.1, 600)),
  embeddedPostgresFolder: read(path("EMBEDDED_POSTGRES_FOLDER", ".pulse-background"))
})

const splitting = (read: Read) => ({
  orderSplitterPollInterval: read(seconds("ORDER_SPLITTER_POLL_INTERVAL_SECONDS", 5, 0.05, 3600)),
  orderSplitterBatchSize: read(whole("ORDER_SPLITTER_BATCH_SIZE", 100, 1, 1000)),
  orderSplitTimeout: read(minutes("ORDER_SPLIT_TIMEOUT_MINUTES", 5, 0.01, 1440)),
  orderSplitMaxAttempts: read(whole("ORDER_SPLIT_MAX_ATTEMPTS", 3, 1, 100)),
  orderMaxSliceQuantity: read(optional(whole("ORDER_MAX_SLICE_QUANTITY", 0, 1, 2_147_483_647))),
  orderMinGap: read(millis("ORDER_LEAST_GAP_MILLIS", 0, 0, 3_600_000)),
  scheduleHiding: read(oneOf("SCHEDULE_HIDING", "tight", ["tight", "loose"])),
  orderCompletionLead: read(seconds("ORDER_COMPLETION_LEAD_SECONDS", 60, 0, 3600))
})

const limits = (read: Read) => ({
  orderQuantity: read(optional(whole("LIMIT_ORDER_QUANTITY", 0, 1, 2_147_483_647))),
  orderValue: read(money("LIMIT_ORDER_VALUE")),
  sliceQuantity: read(optional(whole("LIMIT_SLICE_QUANTITY", 0, 1, 2_147_483_647))),
  sliceValue: read(money("LIMIT_SLICE_VALUE")),
  instruments: read(wordList("LIMIT_INSTRUMENTS", /^[A-Z]{2,10}:[A-Z0-9&_.-]*\*?$/, "NSE:INFY,NFO:NIFTY*")),
  sides: read(listOf("LIMIT_SIDES", [], ["BUY", "SELL"])),
  ordersPerDay: read(optional(whole("LIMIT_ORDERS_PER_DAY", 0, 1, 10_000_000))),
  valuePerDay: read(money("LIMIT_VALUE_PER_DAY")),
  collarPercent: read(percent("LIMIT_PRICE_COLLAR_PERCENT")),
  volumeSharePercent: read(percent("LIMIT_VOLUME_SHARE_PERCENT")),
  volumePeriod: read(minutes("LIMIT_VOLUME_MINUTES", 5, 1, 45)),
  quoteAge: read(seconds("LIMIT_QUOTE_AGE_SECONDS", 60, 1, 600))
})

/** Prices, the time after a window, and the trading calendar. */
const market = (read: Read) => ({
  quotesPollInterval: read(seconds("QUOTES_POLL_INTERVAL_SECONDS", 5, 1, 3600)),
  selfTradePolicy: read(oneOf("SELF_TRADE_POLICY", "warn", ["warn", "refuse", "allow"])),
  orderWindowGrace: read(minutes("ORDER_WINDOW_GRACE_MINUTES", 10, 0.01, 1440)),
  tradingCalendar: read(optional(oneOf("TRADING_CALENDAR", "off", ["off", "on"]))),
  tradingCalendarFile: read(optional(path("TRADING_CALENDAR_FILE", ""))),
  instrumentSyncTime: read(syncTime),
  sessionOpenMargin: read(seconds("SESSION_OPEN_MARGIN_SECONDS", 5, 0, 300)),
  sessionCloseMargin: read(seconds("SESSION_CLOSE_MARGIN_SECONDS", 15, 0, 300))
})

/** The executor and the monitor. */
const workers = (read: Read) => ({
  sliceExecutorPollInterval: read(seconds("SLICE_EXECUTOR_POLL_INTERVAL_SECONDS", 1, 0.05, 3600)),
  sliceExecutorClaimAhead: read(seconds("SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS", 1, 0, 60)),
  sliceExecutorClaimLimit: read(whole("SLICE_EXECUTOR_CLAIM_LIMIT", 500, 1, 10_000)),
  sliceExecutorConcurrency: read(whole("SLICE_EXECUTOR_CONCURRENCY", 32, 1, 1000)),
  sliceExecutionTimeout: read(minutes("SLICE_EXECUTION_TIMEOUT_MINUTES", 2, 0.01, 1440)),
  sliceMaxAttempts: read(whole("SLICE_MAX_ATTEMPTS", 10, 1, 1000)),
  afterDatabaseLoss: read(oneOf("AFTER_DATABASE_LOSS", "continue", ["continue", "halt"])),
  timeoutMonitorPollInterval: read(seconds("TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS", 30, 0.05, 3600))
})

const broker = (read: Read) => ({
  brokerType: read(oneOf("BROKER_TYPE", "mock", ["mock", "zerodha"])),
  dryRun: read(oneOf("DRY_RUN", "false", ["false", "true"])) === "true",
  brokerPollInterval: read(seconds("BROKER_POLL_INTERVAL_SECONDS", 2, 0.05, 3600)),
  brokerTimeout: read(seconds("BROKER_TIMEOUT_SECONDS", 10, 0.05, 120)),
  brokerCircuitFailures: read(whole("BROKER_CIRCUIT_FAILURES", 5, 1, 1000)),
  brokerCircuitPause: read(seconds("BROKER_CIRCUIT_PAUSE_SECONDS", 15, 0.05, 3600)),
  reconcileQuarantine: read(optional(seconds("RECONCILE_QUARANTINE_SECONDS", 0, 0, 3600)))
})

const zerodha = (read: Read) => ({
  zerodhaApiKey: read(secret("ZERODHA_API_KEY")),
  zerodhaApiSecret: read(secret("ZERODHA_API_SECRET")),
  zerodhaAccessToken: read(secret("ZERODHA_ACCESS_TOKEN")),
  credentialKey: read(credentialKey),
  zerodhaUrl: read(url("ZERODHA_URL", "https://api.kite.trade", ["https:", "http:"])),
  zerodhaLoginUrl: read(url("ZERODHA_LOGIN_URL", "https://kite.zerodha.com/connect/login", ["https:", "http:"])),
  zerodhaSimulatorHost: read(simulatorHost),
  zerodhaOrderFeed: read(oneOf("ZERODHA_ORDER_FEED", "off", ["off", "on"])) === "on",
  zerodhaOrderFeedUrl: read(url("ZERODHA_ORDER_FEED_URL", "wss://ws.kite.trade", ["wss:", "ws:"])),
  zerodhaIpFamily: read(oneOf("ZERODHA_IP_FAMILY", "auto", ["auto", "4", "6"])),
  zerodhaMarketProtection: read(marketProtection),
  zerodhaAlgoId: read(algoId),
  zerodhaOrdersPerSecond: read(whole("ZERODHA_ORDERS_PER_SECOND", 10, 1, 10_000)),
  zerodhaOrdersPerMinute: read(whole("ZERODHA_ORDERS_PER_MINUTE", 400, 1, 100_000)),
  zerodhaOrdersPerDay: read(whole("ZERODHA_ORDERS_PER_DAY", 5000, 1, 10_000_000)),
  zerodhaRateLimitMargin: read(millis("ZERODHA_RATE_LIMIT_MARGIN_MILLIS", 250, 0, 10_000)),
  zerodhaDailyLimitPolicy: read(oneOf("ZERODHA_DAILY_LIMIT_POLICY", "wait", ["wait", "skip"]))
})

const mockBroker = (read: Read) => ({
  mockBrokerBook: read(oneOf("MOCK_BROKER_BOOK", "table", ["table", "memory"])),
  mockBrokerSeed: read(text("MOCK_BROKER_SEED", "pulse")),
  mockBrokerFillDelay: read(millis("MOCK_BROKER_FILL_DELAY_MILLIS", 500, 0, 3_600_000)),
  mockBrokerLots: read(oneOf("MOCK_BROKER_LOTS", "off", ["off", "on"])) === "on",
  mockBrokerLatency: read(millis("MOCK_BROKER_LATENCY_MILLIS", 20, 0, 60_000)),
  mockBrokerLatencyJitter: read(millis("MOCK_BROKER_LATENCY_JITTER_MILLIS", 10, 0, 60_000)),
  mockBrokerRateLimit: read(whole("MOCK_BROKER_RATE_LIMIT_PER_SECOND", 0, 0, 100_000)),
  mockBrokerScenarios: read(listOf("MOCK_BROKER_SCENARIOS", ["success"], mockScenarios)),
  mockBrokerFaultRate: read(share("MOCK_BROKER_FAULT_RATE", 0))
})

const notifications = (read: Read) => ({
  notifyWebhookUrl: read(
    secretUrl("NOTIFY_WEBHOOK_URL", ["https:", "http:"], "https://hooks.example.com/services/T0/B0/key")
  ),
  notifyWebhookFormat: read(oneOf("NOTIFY_WEBHOOK_FORMAT", "json", ["json", "slack"]))
})

/** The way to the broker, the webhook and the collector. */
const proxies = (read: Read) => ({
  httpsProxy: read(proxyUrl("HTTPS_PROXY")),
  httpProxy: read(proxyUrl("HTTP_PROXY")),
  noProxy: read(noProxy)
})

/** Who acts by the commands, and who must agree. */
const operators = (read: Read) => ({
  operator: read(optional(personOf)),
  operatorRequired: read(oneOf("OPERATOR_REQUIRED", "off", ["off", "on"])) === "on",
  secondPersonRequired: read(oneOf("SECOND_PERSON_REQUIRED", "off", ["off", "on"])) === "on",
  secondPersonWithin: read(minutes("SECOND_PERSON_WITHIN_MINUTES", 15, 1, 1440))
})

const clockAndLogs = (read: Read) => ({
  clockSyncInterval: read(seconds("CLOCK_SYNC_INTERVAL_SECONDS", 10, 0.1, 3600)),
  clockOffsetLimit: read(millis("CLOCK_OFFSET_LIMIT_MILLIS", 500, 1, 3_600_000)),
  shutdownGrace: read(seconds("SHUTDOWN_GRACE_SECONDS", 15, 0, 600)),
  logLevel: read(oneOf("LOG_LEVEL", "info", ["debug", "info", "warn", "error"])),
  logFormat: read(oneOf("LOG_FORMAT", "json", ["json", "pretty"]))
})

const telemetry = (read: Read) => ({
  isDisabled: read(sdkDisabled),
  endpoint: read(otlpEndpoint),
  headers: read(otlpHeaders),
  protocol: read(oneOf("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", ["http/json", "http/protobuf"])),
  timeout: read(millis("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, 1, 600_000)),
  serviceName: read(optional(text("OTEL_SERVICE_NAME", ""))),
  resourceAttributes: read(resourceAttributes),
  exportsMetrics: read(oneOf("OTEL_METRICS_EXPORTER", "otlp", ["otlp", "none"])) === "otlp",
  metricInterval: read(millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000, 100, 3_600_000)),
  exportsTraces: read(oneOf("OTEL_TRACES_EXPORTER", "otlp", ["otlp", "none"])) === "otlp",
  sampler: read(oneOf("OTEL_TRACES_SAMPLER", "parentbased_always_on", samplers)),
  samplerShare: read(share("OTEL_TRACES_SAMPLER_ARG", 1))
})

/** Every setting of the service, in the order of the reference page `doc/guides/config.md`, which a test holds to it. */
export const readSettings = (read: Read) => ({
  ...database(read),
  ...splitting(read),
  limits: limits(read),
  ...market(read),
  ...workers(read),
  ...broker(read),
  ...zerodha(read),
  ...mockBroker(read),
  ...notifications(read),
  proxies: proxies(read),
  ...operators(read),
  ...clockAndLogs(read),
  telemetry: telemetry(read)
})
