import { Config, Context, Duration, Effect, Layer, Option, Redacted, Result, Schema } from "effect"

/** Every problem with the environment variables, at once, one a line. */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return ["The configuration is not valid:", ...this.problems.map((problem) => `  ${problem}`)].join("\n")
  }
}

/** One environment variable: how its text is read, and what holds when it is not set. */
export interface Setting<A> {
  readonly name: string
  /** As it would be written in the environment; empty when there is none. */
  readonly defaultText: string
  readonly defaultValue: A
  readonly isSecret?: true
  /** Fails with what the text must be, in words that complete "NAME must be …". */
  readonly decode: (text: string) => Result.Result<A, string>
}

const number =
  (isWhole: boolean, minimum: number, maximum: number) =>
  (text: string): Result.Result<number, string> => {
    const value = Number(text)
    return text.trim() !== "" && value >= minimum && value <= maximum && (!isWhole || Number.isInteger(value))
      ? Result.succeed(value)
      : Result.fail(`a ${isWhole ? "whole " : ""}number from ${minimum} to ${maximum}`)
  }

const durationIn =
  (toDuration: (amount: number) => Duration.Duration) =>
  (name: string, value: number, minimum: number, maximum: number): Setting<Duration.Duration> => ({
    name,
    defaultText: `${value}`,
    defaultValue: toDuration(value),
    decode: (text) => Result.map(number(false, minimum, maximum)(text), toDuration)
  })

const millis = durationIn(Duration.millis)
const seconds = durationIn(Duration.seconds)
const minutes = durationIn(Duration.minutes)

const whole = (name: string, value: number, minimum: number, maximum: number): Setting<number> => ({
  name,
  defaultText: `${value}`,
  defaultValue: value,
  decode: number(true, minimum, maximum)
})

const share = (name: string, value: number): Setting<number> => ({
  name,
  defaultText: `${value}`,
  defaultValue: value,
  decode: number(false, 0, 1)
})

const oneOf = <const A extends string>(name: string, value: NoInfer<A>, choices: ReadonlyArray<A>): Setting<A> => ({
  name,
  defaultText: value,
  defaultValue: value,
  decode: (text) =>
    Result.fromNullishOr(
      choices.find((choice) => choice === text),
      () => `one of ${choices.join(", ")}`
    )
})

const listOf = <const A extends string>(
  name: string,
  value: ReadonlyArray<NoInfer<A>>,
  choices: ReadonlyArray<A>
): Setting<ReadonlyArray<A>> => ({
  name,
  defaultText: value.join(","),
  defaultValue: value,
  decode: (text) => {
    const words = text.split(",").map((word) => word.trim())
    const known = choices.filter((choice) => words.includes(choice))
    return words.every((word) => known.some((choice) => choice === word))
      ? Result.succeed(words.flatMap((word) => known.filter((choice) => choice === word)))
      : Result.fail(`a comma-separated list of ${choices.join(", ")}`)
  }
})

const text = (name: string, value: string): Setting<string> => ({
  name,
  defaultText: value,
  defaultValue: value,
  decode: (given) => (given.trim() === "" ? Result.fail("non-empty") : Result.succeed(given))
})

const optional = <A>(setting: Setting<A>): Setting<Option.Option<A>> => ({
  name: setting.name,
  defaultText: "",
  defaultValue: Option.none(),
  decode: (given) => Result.map(setting.decode(given), Option.some)
})

const databaseUrl: Setting<Option.Option<Redacted.Redacted>> = {
  name: "DATABASE_URL",
  defaultText: "",
  defaultValue: Option.none(),
  isSecret: true,
  decode: (given) =>
    URL.canParse(given) && /^postgres(ql)?:$/.test(new URL(given).protocol)
      ? Result.succeed(Option.some(Redacted.make(given)))
      : Result.fail("a URL such as postgres://user:password@host:5432/database")
}

const brokerType: Setting<"mock"> = {
  name: "BROKER_TYPE",
  defaultText: "mock",
  defaultValue: "mock",
  decode: (given) =>
    given === "mock"
      ? Result.succeed("mock")
      : Result.fail(given === "zerodha" ? "mock (this version has no Zerodha broker yet)" : "mock")
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
  databaseUrl: read(databaseUrl),
  databasePoolSize: read(whole("DATABASE_POOL_SIZE", 10, 3, 200)),
  databaseStatementTimeout: read(seconds("DATABASE_STATEMENT_TIMEOUT_SECONDS", 10, 0.1, 600)),
  embeddedPostgresFolder: read(text("EMBEDDED_POSTGRES_FOLDER", ".pulse-background")),

  orderSplitterPollInterval: read(seconds("ORDER_SPLITTER_POLL_INTERVAL_SECONDS", 5, 0.05, 3600)),
  orderSplitterBatchSize: read(whole("ORDER_SPLITTER_BATCH_SIZE", 100, 1, 1000)),
  orderSplitTimeout: read(minutes("ORDER_SPLIT_TIMEOUT_MINUTES", 5, 0.01, 1440)),
  orderSplitMaxAttempts: read(whole("ORDER_SPLIT_MAX_ATTEMPTS", 3, 1, 100)),
  orderWindowGrace: read(minutes("ORDER_WINDOW_GRACE_MINUTES", 10, 0, 1440)),

  sliceExecutorPollInterval: read(seconds("SLICE_EXECUTOR_POLL_INTERVAL_SECONDS", 1, 0.05, 3600)),
  sliceExecutorClaimAhead: read(seconds("SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS", 1, 0, 60)),
  sliceExecutorClaimLimit: read(whole("SLICE_EXECUTOR_CLAIM_LIMIT", 500, 1, 10_000)),
  sliceExecutorConcurrency: read(whole("SLICE_EXECUTOR_CONCURRENCY", 32, 1, 1000)),
  sliceExecutionTimeout: read(minutes("SLICE_EXECUTION_TIMEOUT_MINUTES", 2, 0.01, 1440)),
  sliceMaxAttempts: read(whole("SLICE_MAX_ATTEMPTS", 10, 1, 1000)),

  timeoutMonitorPollInterval: read(seconds("TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS", 30, 0.05, 3600)),

  brokerType: read(brokerType),
  brokerPollInterval: read(seconds("BROKER_POLL_INTERVAL_SECONDS", 2, 0.05, 3600)),
  brokerTimeout: read(seconds("BROKER_TIMEOUT_SECONDS", 10, 0.05, 120)),
  reconcileQuarantine: read(optional(seconds("RECONCILE_QUARANTINE_SECONDS", 0, 0, 3600))),

  mockBrokerBook: read(oneOf("MOCK_BROKER_BOOK", "table", ["table", "memory"])),
  mockBrokerSeed: read(text("MOCK_BROKER_SEED", "pulse")),
  mockBrokerFillDelay: read(millis("MOCK_BROKER_FILL_DELAY_MILLIS", 500, 0, 3_600_000)),
  mockBrokerLatency: read(millis("MOCK_BROKER_LATENCY_MILLIS", 20, 0, 60_000)),
  mockBrokerLatencyJitter: read(millis("MOCK_BROKER_LATENCY_JITTER_MILLIS", 10, 0, 60_000)),
  mockBrokerRateLimit: read(whole("MOCK_BROKER_RATE_LIMIT_PER_SECOND", 0, 0, 100_000)),
  mockBrokerScenarios: read(listOf("MOCK_BROKER_SCENARIOS", ["success"], mockScenarios)),
  mockBrokerFaultRate: read(share("MOCK_BROKER_FAULT_RATE", 0)),

  clockSyncInterval: read(seconds("CLOCK_SYNC_INTERVAL_SECONDS", 30, 0.1, 3600)),
  clockOffsetLimit: read(millis("CLOCK_OFFSET_LIMIT_MILLIS", 500, 1, 3_600_000)),
  shutdownGrace: read(seconds("SHUTDOWN_GRACE_SECONDS", 15, 0, 600)),
  logLevel: read(oneOf("LOG_LEVEL", "info", ["debug", "info", "warn", "error"])),
  logFormat: read(oneOf("LOG_FORMAT", "json", ["json", "pretty"]))
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
  if (problems.length > 0) return yield* new ConfigurationError({ problems })
  return values
})
