import { Config, Context, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { needsQuotes } from "../domain/limits/marketLimits.ts"
import type { TradingCalendar } from "../domain/market/TradingCalendar.ts"
import type { PlanningRules } from "../domain/planning/planOrder.ts"
import { otlpEndpoint, otlpHeaders, resourceAttributes, samplers, sdkDisabled } from "./otelSettings.ts"
import {
  listOf,
  millis,
  minutes,
  money,
  oneOf,
  optional,
  percent,
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

/** Every problem with the environment variables, at once, one a line. */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return ["The configuration is not valid:", ...this.problems.map((problem) => `  ${problem}`)].join("\n")
  }
}

/** -1 lets the exchange's rules decide; a percentage sets how far from the last price a MARKET order may trade. */
const marketProtection: Setting<number> = {
  name: "ZERODHA_MARKET_PROTECTION",
  defaultText: "auto",
  defaultValue: -1,
  decode: (given) => {
    if (given === "auto") return Result.succeed(-1)
    const percent = Number(given)
    return percent > 0 && percent <= 100 ? Result.succeed(percent) : Result.fail("auto or a percentage up to 100")
  }
}

/** What the mock broker can be told to do with a placement. */
export const mockScenarios = [
  "success",
  "partial_fill",
  "rejection",
  "late_rejection",
  "network_error",
  "timeout"
] as const
export type MockScenario = (typeof mockScenarios)[number]

/** Every setting of the service. `doc/guides/config.md` explains them; a test holds the two together. */
const readSettings = (read: <A>(setting: Setting<A>) => A) => ({
  databaseUrl: read(
    secretUrl("DATABASE_URL", ["postgres:", "postgresql:"], "postgres://user:password@host:5432/database")
  ),
  databasePoolSize: read(whole("DATABASE_POOL_SIZE", 10, 3, 200)),
  databaseStatementTimeout: read(seconds("DATABASE_STATEMENT_TIMEOUT_SECONDS", 10, 0.1, 600)),
  embeddedPostgresFolder: read(text("EMBEDDED_POSTGRES_FOLDER", ".pulse-background")),

  orderSplitterPollInterval: read(seconds("ORDER_SPLITTER_POLL_INTERVAL_SECONDS", 5, 0.05, 3600)),
  orderSplitterBatchSize: read(whole("ORDER_SPLITTER_BATCH_SIZE", 100, 1, 1000)),
  orderSplitTimeout: read(minutes("ORDER_SPLIT_TIMEOUT_MINUTES", 5, 0.01, 1440)),
  orderSplitMaxAttempts: read(whole("ORDER_SPLIT_MAX_ATTEMPTS", 3, 1, 100)),
  orderMaxSliceQuantity: read(optional(whole("ORDER_MAX_SLICE_QUANTITY", 0, 1, 2_147_483_647))),
  orderMinGap: read(millis("ORDER_LEAST_GAP_MILLIS", 0, 0, 3_600_000)),
  orderCompletionLead: read(seconds("ORDER_COMPLETION_LEAD_SECONDS", 60, 0, 3600)),
  limits: {
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
  },
  quotesPollInterval: read(seconds("QUOTES_POLL_INTERVAL_SECONDS", 5, 1, 3600)),
  orderWindowGrace: read(minutes("ORDER_WINDOW_GRACE_MINUTES", 10, 0.01, 1440)),

  tradingCalendar: read(optional(oneOf("TRADING_CALENDAR", "off", ["off", "on"]))),
  tradingCalendarFile: read(optional(text("TRADING_CALENDAR_FILE", ""))),

  sliceExecutorPollInterval: read(seconds("SLICE_EXECUTOR_POLL_INTERVAL_SECONDS", 1, 0.05, 3600)),
  sliceExecutorClaimAhead: read(seconds("SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS", 1, 0, 60)),
  sliceExecutorClaimLimit: read(whole("SLICE_EXECUTOR_CLAIM_LIMIT", 500, 1, 10_000)),
  sliceExecutorConcurrency: read(whole("SLICE_EXECUTOR_CONCURRENCY", 32, 1, 1000)),
  sliceExecutionTimeout: read(minutes("SLICE_EXECUTION_TIMEOUT_MINUTES", 2, 0.01, 1440)),
  sliceMaxAttempts: read(whole("SLICE_MAX_ATTEMPTS", 10, 1, 1000)),

  timeoutMonitorPollInterval: read(seconds("TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS", 30, 0.05, 3600)),

  brokerType: read(oneOf("BROKER_TYPE", "mock", ["mock", "zerodha"])),
  dryRun: read(oneOf("DRY_RUN", "false", ["false", "true"])) === "true",
  brokerPollInterval: read(seconds("BROKER_POLL_INTERVAL_SECONDS", 2, 0.05, 3600)),
  brokerTimeout: read(seconds("BROKER_TIMEOUT_SECONDS", 10, 0.05, 120)),
  brokerCircuitFailures: read(whole("BROKER_CIRCUIT_FAILURES", 5, 1, 1000)),
  brokerCircuitPause: read(seconds("BROKER_CIRCUIT_PAUSE_SECONDS", 15, 0.05, 3600)),
  reconcileQuarantine: read(optional(seconds("RECONCILE_QUARANTINE_SECONDS", 0, 0, 3600))),

  zerodhaApiKey: read(secret("ZERODHA_API_KEY")),
  zerodhaApiSecret: read(secret("ZERODHA_API_SECRET")),
  zerodhaAccessToken: read(secret("ZERODHA_ACCESS_TOKEN")),
  zerodhaUrl: read(url("ZERODHA_URL", "https://api.kite.trade", ["https:", "http:"])),
  zerodhaLoginUrl: read(url("ZERODHA_LOGIN_URL", "https://kite.zerodha.com/connect/login", ["https:", "http:"])),
  zerodhaOrderFeed: read(oneOf("ZERODHA_ORDER_FEED", "off", ["off", "on"])) === "on",
  zerodhaOrderFeedUrl: read(url("ZERODHA_ORDER_FEED_URL", "wss://ws.kite.trade", ["wss:", "ws:"])),
  zerodhaMarketProtection: read(marketProtection),
  zerodhaOrdersPerSecond: read(whole("ZERODHA_ORDERS_PER_SECOND", 10, 1, 10_000)),
  zerodhaOrdersPerMinute: read(whole("ZERODHA_ORDERS_PER_MINUTE", 400, 1, 100_000)),
  zerodhaOrdersPerDay: read(whole("ZERODHA_ORDERS_PER_DAY", 5000, 1, 10_000_000)),
  zerodhaRateLimitMargin: read(millis("ZERODHA_RATE_LIMIT_MARGIN_MILLIS", 250, 0, 10_000)),
  zerodhaDailyLimitPolicy: read(oneOf("ZERODHA_DAILY_LIMIT_POLICY", "wait", ["wait", "skip"])),

  mockBrokerBook: read(oneOf("MOCK_BROKER_BOOK", "table", ["table", "memory"])),
  mockBrokerSeed: read(text("MOCK_BROKER_SEED", "pulse")),
  mockBrokerFillDelay: read(millis("MOCK_BROKER_FILL_DELAY_MILLIS", 500, 0, 3_600_000)),
  mockBrokerLatency: read(millis("MOCK_BROKER_LATENCY_MILLIS", 20, 0, 60_000)),
  mockBrokerLatencyJitter: read(millis("MOCK_BROKER_LATENCY_JITTER_MILLIS", 10, 0, 60_000)),
  mockBrokerRateLimit: read(whole("MOCK_BROKER_RATE_LIMIT_PER_SECOND", 0, 0, 100_000)),
  mockBrokerScenarios: read(listOf("MOCK_BROKER_SCENARIOS", ["success"], mockScenarios)),
  mockBrokerFaultRate: read(share("MOCK_BROKER_FAULT_RATE", 0)),

  notifyWebhookUrl: read(
    secretUrl("NOTIFY_WEBHOOK_URL", ["https:", "http:"], "https://hooks.example.com/services/T0/B0/key")
  ),
  notifyWebhookFormat: read(oneOf("NOTIFY_WEBHOOK_FORMAT", "json", ["json", "slack"])),

  clockSyncInterval: read(seconds("CLOCK_SYNC_INTERVAL_SECONDS", 10, 0.1, 3600)),
  clockOffsetLimit: read(millis("CLOCK_OFFSET_LIMIT_MILLIS", 500, 1, 3_600_000)),
  shutdownGrace: read(seconds("SHUTDOWN_GRACE_SECONDS", 15, 0, 600)),
  logLevel: read(oneOf("LOG_LEVEL", "info", ["debug", "info", "warn", "error"])),
  logFormat: read(oneOf("LOG_FORMAT", "json", ["json", "pretty"])),

  telemetry: {
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
  }
})

type Values = Readonly<ReturnType<typeof readSettings>>

/** The settings as a list, in the order of the reference page. */
export const settings: ReadonlyArray<Setting<unknown>> = (() => {
  const list: Array<Setting<unknown>> = []
  readSettings((setting) => {
    list.push(setting)
    return setting.defaultValue
  })
  return list
})()

/** The service's settings, read once from the environment and valid. */
export class Configuration extends Context.Service<Configuration, Values>()("pulse-background/Configuration") {
  static readonly layer: Layer.Layer<Configuration, ConfigurationError> = Layer.effect(
    Configuration,
    Effect.suspend(() => load)
  )
}

const load: Effect.Effect<Values, ConfigurationError> = Effect.gen(function* () {
  const given = new Map<string, string>()
  for (const { name } of settings) {
    const text = yield* Effect.option(Config.String(name))
    // An empty variable means "not set": compose files and shells often write NAME= for that.
    if (Option.isSome(text) && text.value !== "") given.set(name, text.value)
  }

  const problems: Array<string> = []
  const values = readSettings((setting) => {
    const text = given.get(setting.name)
    if (text === undefined) return setting.defaultValue
    const decoded = setting.decode(text)
    if (Result.isSuccess(decoded)) return decoded.success
    const shown = setting.isSecret ? "" : `, not ${JSON.stringify(text)}`
    problems.push(`${setting.name} must be ${decoded.failure}${shown}`)
    return setting.defaultValue
  })

  problems.push(...contradictions(values))
  if (problems.length > 0) return yield* new ConfigurationError({ problems })
  return values
})

export const planningRules = (values: Values, calendar: TradingCalendar | null): PlanningRules => ({
  maxSliceQuantity: Option.getOrNull(values.orderMaxSliceQuantity),
  leastGapMillis: Duration.toMillis(values.orderMinGap),
  preTrade: values.limits,
  isFreezeLimited: values.brokerType === "zerodha",
  calendar,
  completionLeadMillis: Duration.toMillis(values.orderCompletionLead),
  rate:
    values.brokerType === "zerodha"
      ? {
          perSecond: values.zerodhaOrdersPerSecond,
          perMinute: values.zerodhaOrdersPerMinute,
          perDay: values.zerodhaOrdersPerDay,
          marginMillis: Duration.toMillis(values.zerodhaRateLimitMargin)
        }
      : null
})

/** The mock broker never closes; real exchanges do. */
export const isTradingCalendarOn = (values: Pick<Values, "tradingCalendar" | "brokerType">): boolean =>
  Option.getOrElse(values.tradingCalendar, () => (values.brokerType === "zerodha" ? "on" : "off")) === "on"

/** How long an order may take to turn up in Zerodha's book, with a margin: 90 s has been seen. */
export const zerodhaQuarantine = Duration.minutes(2)

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname)

/** What is wrong with settings that are each valid alone. */
const contradictions = (values: Values): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const claimToDone = Duration.sum(
    Duration.sum(values.sliceExecutorPollInterval, values.sliceExecutorClaimAhead),
    values.brokerTimeout
  )
  if (Duration.isGreaterThanOrEqualTo(claimToDone, values.sliceExecutionTimeout)) {
    problems.push(
      "SLICE_EXECUTION_TIMEOUT_MINUTES must be longer than SLICE_EXECUTOR_POLL_INTERVAL_SECONDS, " +
        "SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS and BROKER_TIMEOUT_SECONDS together " +
        `(${Duration.format(claimToDone)}): a slice is claimed that far ahead, and its call must end within the claim`
    )
  }
  if (Option.isSome(values.tradingCalendarFile) && !isTradingCalendarOn(values)) {
    problems.push(
      "TRADING_CALENDAR_FILE must not be set while the trading calendar is off " +
        `(${Option.isSome(values.tradingCalendar) ? "TRADING_CALENDAR is off" : "BROKER_TYPE is mock"}): ` +
        "set TRADING_CALENDAR=on, or leave the file out"
    )
  }
  if (needsQuotes(values.limits) && Duration.isGreaterThan(values.quotesPollInterval, values.limits.quoteAge)) {
    problems.push(
      "QUOTES_POLL_INTERVAL_SECONDS must not be longer than LIMIT_QUOTE_AGE_SECONDS " +
        `(${Duration.format(values.limits.quoteAge)}): prices would not be known most of the time, and not limited`
    )
  }
  if (values.brokerType !== "zerodha") return problems
  if (Option.isNone(values.zerodhaApiKey)) {
    problems.push("ZERODHA_API_KEY must be set when BROKER_TYPE is zerodha: it is shown on developers.kite.trade")
  }
  // A simulator on this host may be quicker; whatever else is behind an address may be Zerodha.
  const isReal = !isLoopback(new URL(values.zerodhaUrl).hostname)
  if (isReal && Option.exists(values.reconcileQuarantine, Duration.isLessThan(zerodhaQuarantine))) {
    problems.push(
      `RECONCILE_QUARANTINE_SECONDS must be at least ${Duration.toSeconds(zerodhaQuarantine)} with ${values.zerodhaUrl}: ` +
        "its order book may show an order that late, and a slice placed again before that would be placed twice"
    )
  }
  return problems
}
