import { Config, Context, Duration, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { homedir, userInfo } from "node:os"
import { needsQuotes } from "../domain/limits/marketLimits.ts"
import type { SessionMargins } from "../domain/market/SessionMargins.ts"
import type { TradingCalendar } from "../domain/market/TradingCalendar.ts"
import type { PlanningRules } from "../domain/planning/planOrder.ts"
import { safe } from "../domain/text/safe.ts"
import { shortened } from "../domain/text/shortened.ts"
import { type AddressDefaults, type DatabaseAddress, readDatabaseAddress } from "./databaseAddress.ts"
import { parameterVariables } from "./databaseParameters.ts"
import { isLoopback, isThroughHttpProxy, proxyOf } from "./proxies.ts"
import { fileVariable, readSecretFile } from "./secretFile.ts"
import { type Setting, usualLength } from "./Setting.ts"
import { readSettings } from "./settings.ts"

/** The characters that a message has of each problem. */
const maxProblem = 1000

/** All problems with the environment variables, one per line. Each line is safe to show. */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const listed = this.problems.map((problem) => `  ${safe(shortened(problem, maxProblem))}`)
    return ["The configuration is not valid:", ...listed].join("\n")
  }
}

type Settings = Readonly<ReturnType<typeof readSettings>>

/** The settings, and what DATABASE_URL means together with the variables of libpq; null without it. */
type Values = Settings & {
  readonly database: DatabaseAddress | null
  /** The variables whose secrets stand in files that every account of this host may read. */
  readonly readableSecretFiles: ReadonlyArray<string>
}

/** The settings as a list, in the order of the reference page. */
export const settings: ReadonlyArray<Setting<unknown>> = (() => {
  const list: Array<Setting<unknown>> = []
  readSettings((setting) => {
    list.push(setting)
    return setting.defaultValue
  })
  return list
})()

/**
 * The service's settings, read once from the environment when the process starts. They are valid, each alone and together;
 * otherwise the process ends with every problem at once. Secrets are redacted and never appear in a message. Every layer that
 * needs a setting takes it from here; nothing else reads settings from the environment.
 */
export class Configuration extends Context.Service<Configuration, Values>()("pulse-background/Configuration") {
  static readonly layer: Layer.Layer<Configuration, ConfigurationError> = Layer.effect(
    Configuration,
    Effect.suspend(() => load)
  )
}

const load: Effect.Effect<Values, ConfigurationError> = Effect.gen(function* () {
  const { given, problems, readableSecretFiles } = yield* readTexts
  const values = readSettings((setting) => {
    const text = given.get(setting.name)
    if (text === undefined) return setting.defaultValue
    const decoded = decode(setting, text)
    if (Result.isSuccess(decoded)) return decoded.success
    problems.push(`${setting.name} must ${decoded.failure}`)
    return setting.defaultValue
  })

  const database = yield* readDatabase(values)
  if (Result.isFailure(database)) problems.unshift(...database.failure)
  problems.push(...contradictions(values))
  if (problems.length > 0 || Result.isFailure(database)) return yield* new ConfigurationError({ problems })
  return { ...values, database: database.success, readableSecretFiles }
})

/** The texts of the settings that are set, those of secrets also from the files that other variables name. */
const readTexts = Effect.gen(function* () {
  const given = new Map<string, string>()
  const problems: Array<string> = []
  const readableSecretFiles: Array<string> = []
  for (const { alias, isSecret, name } of settings) {
    const text = (alias === undefined ? null : yield* variable(alias)) ?? (yield* variable(name))
    const file = fileVariable(name)
    const path = isSecret === true ? yield* variable(file) : null
    if (text !== null) given.set(name, text)
    if (path === null) continue
    if (text !== null) {
      problems.push(`${name} and ${file} must not both be set`)
      continue
    }
    const read = yield* Effect.result(readSecretFile(path))
    if (Result.isSuccess(read)) {
      given.set(name, read.success.text)
      if (read.success.isReadable) readableSecretFiles.push(file)
    } else problems.push(`${file} must name a file with the secret, and ${quoted(path)} ${read.failure}`)
  }
  return { given, problems, readableSecretFiles }
})

/** An empty variable counts as not set, because compose files and shells often write NAME= for that. */
const variable = (name: string): Effect.Effect<string | null> =>
  Effect.map(Effect.option(Config.String(name)), (text) =>
    Option.isSome(text) && text.value !== "" ? text.value.trim() : null
  )

const readDatabase = Effect.fnUntraced(function* ({ databaseCaFile, databaseUrl }: Settings) {
  if (Option.isNone(databaseUrl)) return Result.succeed(null)
  return readDatabaseAddress(Redacted.value(databaseUrl.value), {
    variables: yield* libpqVariables,
    authorityFile: Option.getOrNull(databaseCaFile),
    ...account()
  })
})

/** LOG_FORMAT alone, for what has to be said when the settings are not valid. */
export const logFormat: Effect.Effect<Settings["logFormat"]> = Effect.map(
  Effect.option(Config.String("LOG_FORMAT")),
  (text) => (Option.isSome(text) && text.value.trim() === "pretty" ? "pretty" : "json")
)

/** The variables of libpq that are set, which mean something only beside DATABASE_URL. */
export const libpqVariables = Effect.gen(function* () {
  const given = new Map<string, string>()
  for (const name of parameterVariables) {
    const text = yield* Effect.option(Config.String(name))
    if (Option.isSome(text) && text.value !== "") given.set(name, text.value)
  }
  return given
})

/** The account of this process and its home, which may have no names, as in containers. */
const account = (): Pick<AddressDefaults, "account" | "home"> => ({
  account: orNull(() => userInfo().username),
  home: orNull(homedir)
})

const orNull = (look: () => string): string | null => {
  try {
    return look()
  } catch {
    return null
  }
}

/** Fails with words that complete "NAME must …". They end with the value, where it is no secret. */
const decode = <A>(setting: Setting<A>, text: string): Result.Result<A, string> => {
  const { maxLength = usualLength } = setting
  if (text.length > maxLength) return Result.fail(`have at most ${maxLength} characters, not ${text.length}`)
  const shown = setting.isSecret === true || hasUrlWithMore(text) ? "" : `, not ${quoted(text)}`
  if (safe(text) !== text) return Result.fail(`be one line of visible characters${shown}`)
  return Result.mapError(setting.decode(text), (right) => `be ${right}${shown}`)
}

/** Whether the text has a URL with credentials, a query or a fragment: it may have got here by mistake. */
const hasUrlWithMore = (text: string): boolean => {
  const at = text.indexOf("://")
  return at >= 0 && /[@?#]/.test(text.slice(at))
}

const quoted = (text: string): string => safe(JSON.stringify(shortened(text, maxShown)))
const maxShown = 200

export const sessionMargins = (values: Pick<Settings, "sessionOpenMargin" | "sessionCloseMargin">): SessionMargins => ({
  openMillis: Duration.toMillis(values.sessionOpenMargin),
  closeMillis: Duration.toMillis(values.sessionCloseMargin)
})

export const planningRules = (values: Settings, calendar: TradingCalendar | null): PlanningRules => ({
  maxSliceQuantity: Option.getOrNull(values.orderMaxSliceQuantity),
  leastGapMillis: Duration.toMillis(values.orderMinGap),
  hiding: values.scheduleHiding,
  preTrade: values.limits,
  isFreezeLimited: values.brokerType === "zerodha",
  calendar,
  margins: sessionMargins(values),
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

/** How long an order may take to appear in Zerodha's order list, with a margin: 90 s has been observed. */
export const zerodhaQuarantine = Duration.minutes(2)

/** Whoever is between this host and the broker could read the access token, and answer in the broker's place. */
const plainAddresses = (values: Settings): ReadonlyArray<string> => {
  const simulator = Option.getOrNull(values.zerodhaSimulatorHost)
  return [
    ["ZERODHA_URL", values.zerodhaUrl] as const,
    ["ZERODHA_LOGIN_URL", values.zerodhaLoginUrl] as const,
    ["ZERODHA_ORDER_FEED_URL", values.zerodhaOrderFeedUrl] as const
  ].flatMap(([name, address]) => {
    const { hostname, protocol } = new URL(address)
    if (protocol === "https:" || protocol === "wss:" || isLoopback(hostname) || hostname === simulator) return []
    return [
      `${name} must begin with ${protocol === "ws:" ? "wss:" : "https:"}, because ${protocol} shows the access token to the ` +
        "network. It is for a simulator on this host, or on the host that ZERODHA_SIMULATOR_HOST names"
    ]
  })
}

/** Problems between settings that are valid alone. */
const contradictions = (values: Settings): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (Option.isSome(values.databaseCaFile) && Option.isNone(values.databaseUrl)) {
    problems.push("DATABASE_CA_FILE must not be set without DATABASE_URL: the service's own PostgreSQL needs none")
  }
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
  problems.push(...proxyProblems(values))
  problems.push(...plainAddresses(values))
  if (values.brokerType !== "zerodha") return problems
  if (Option.isNone(values.zerodhaApiKey)) {
    problems.push("ZERODHA_API_KEY must be set when BROKER_TYPE is zerodha: it is shown on developers.kite.trade")
  }
  // A simulator on this host may be quicker. Any other address may be Zerodha.
  const isReal = !isLoopback(new URL(values.zerodhaUrl).hostname)
  if (isReal && Option.exists(values.reconcileQuarantine, Duration.isLessThan(zerodhaQuarantine))) {
    problems.push(
      `RECONCILE_QUARANTINE_SECONDS must be at least ${Duration.toSeconds(zerodhaQuarantine)} with ${values.zerodhaUrl}: ` +
        "its order list may show an order that late, and a slice placed again before that would be placed twice"
    )
  }
  return problems
}

/** What a proxy is asked for that this service cannot do. */
const proxyProblems = (values: Settings): ReadonlyArray<string> => {
  const { brokerType, notifyWebhookUrl, proxies, telemetry, zerodhaIpFamily, zerodhaOrderFeed, zerodhaOrderFeedUrl } =
    values
  const isZerodha = brokerType === "zerodha"
  const addresses: ReadonlyArray<readonly [name: string, address: string]> = [
    ...(isZerodha ? [["ZERODHA_URL", values.zerodhaUrl] as const] : []),
    ...(isZerodha && zerodhaOrderFeed ? [["ZERODHA_ORDER_FEED_URL", zerodhaOrderFeedUrl] as const] : []),
    ...Option.toArray(notifyWebhookUrl).map((url) => ["NOTIFY_WEBHOOK_URL", Redacted.value(url)] as const),
    ...Option.toArray(telemetry.endpoint).map((url) => ["OTEL_EXPORTER_OTLP_ENDPOINT", url] as const)
  ]
  const problems = addresses
    .filter(([, address]) => isThroughHttpProxy(proxies, address))
    .map(
      ([name]) =>
        `${name} must not be an address without TLS behind HTTP_PROXY, which would see all that is sent: write its host into ` +
        "NO_PROXY to reach it directly, or use an address with https:"
    )
  if (isZerodha && zerodhaIpFamily !== "auto" && Option.isSome(proxyOf(proxies, values.zerodhaUrl))) {
    problems.push("ZERODHA_IP_FAMILY must be auto behind HTTPS_PROXY: the proxy chooses the address that Zerodha sees")
  }
  return problems
}
