import { Cause, Clock, Console, Effect, Layer, Logger, References, Schedule } from "effect"
import { Configuration } from "../config/Configuration.ts"
import { safe, safeJson } from "../domain/text/safe.ts"
import { shortened } from "../domain/text/shortened.ts"
import { type LogEntry, LogFolding } from "./LogFolding.ts"

type Options = Logger.Options<unknown>

const entryOf = ({ cause, date, fiber, logLevel, message }: Options): LogEntry => {
  const words: Array<string> = []
  const fields: Record<string, unknown> = {}
  for (const part of Array.isArray(message) ? message : [message]) {
    if (typeof part === "object" && part !== null && !(part instanceof Error)) {
      for (const [name, value] of Object.entries(part))
        fields[reserved.has(name) ? `its_${name}` : name] = bounded(value)
    } else words.push(part instanceof Error ? part.message : String(part))
  }
  for (const [name, value] of Object.entries(fiber.getRef(References.CurrentLogAnnotations))) {
    if (value !== null && value !== undefined) fields[name] = bounded(value)
  }
  if (cause.reasons.length > 0) fields["cause"] = shortened(Cause.pretty(cause), maxCause)
  return { date, level: logLevel.toLowerCase(), message: shortened(words.join(" "), maxText), fields }
}

/** The characters of a message, a field and a cause that a line has: rows and brokers may bring texts of any length. */
const maxText = 2000
const maxCause = 6000

const bounded = (value: unknown): unknown => (typeof value === "string" ? shortened(value, maxText) : value)

/** The fields of the line itself, which a detail must not replace. */
const reserved: ReadonlySet<string> = new Set(["timestamp", "level", "message"])

const jsonText = ({ date, level, message, fields }: LogEntry): string =>
  safeJson(JSON.stringify({ timestamp: date.toISOString(), level, message, ...fields }))

/** One JSON object per line: timestamp, level, message, then the annotations. */
export const jsonLine = Logger.make((options: Options) => jsonText(entryOf(options)))

/** The fields shown after the message, in this order. */
const shownFields: ReadonlyArray<readonly [name: string, words: (value: string) => string]> = [
  ["order_id", (value) => `order ${value}`],
  ["order_ids", (value) => `orders ${value}`],
  ["slice_ids", (value) => `slices ${value}`],
  ["quantity", (value) => `quantity ${value}`],
  ["broker_order_id", (value) => `broker order ${value}`],
  ["lateness_millis", (value) => `${value} ms late`],
  ["code", (value) => value],
  ["its_message", (value) => value]
]

const marks: Readonly<Record<string, readonly [mark: string, color: string]>> = {
  debug: ["", "2"],
  info: ["", ""],
  warn: ["WARN  ", "33"],
  error: ["ERROR ", "31"],
  fatal: ["FATAL ", "1;97;41"]
}

const prettyText =
  (isColored: boolean) =>
  ({ date, level, message, fields }: LogEntry): string => {
    const colored = (color: string, text: string) =>
      isColored && color !== "" && text !== "" ? `\u001b[${color}m${text}\u001b[0m` : text
    const [mark, color] = marks[level] ?? [`${level.toUpperCase()} `, ""]
    const details = shownFields.flatMap(([name, words]) =>
      fields[name] === undefined ? [] : [words(safe(String(fields[name])))]
    )
    const time = colored("2", date.toISOString().slice(11, 23))
    const tail = details.length === 0 ? "" : colored("2", ` (${details.join(", ")})`)
    const text = `${time} ${safe(String(fields["worker"] ?? "service")).padEnd(8)} ${colored(color, `${mark}${safeLines(message)}`)}${tail}`
    return [text, ...(fields["cause"] === undefined ? [] : [safeLines(String(fields["cause"]))])].join(margin)
  }

/** The lines of a text, each of them safe. They are indented, so that none passes for a line of the log. */
const safeLines = (text: string): string => text.split("\n").map(safe).join(margin)

const margin = `\n${" ".repeat("15:20:28.000 executor ".length)}`

/** For people: time, worker, level if above info, message, and the few fields that identify a slice. */
export const prettyLine = Logger.make((options: Options) => prettyText(false)(entryOf(options)))

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

const flushInterval = "1 second"

/** A logger that folds bursts of a warning or error. Its finalizer writes the remaining summaries. */
export const foldingLogger = Effect.fnUntraced(function* (textOf: (entry: LogEntry) => string) {
  // The clock of this scope, because the logging fiber's is the database's, which may be set back.
  const clock = yield* Clock.Clock
  const folding = new LogFolding()
  const nowMillis = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  const writeAll = (entries: ReadonlyArray<LogEntry>) =>
    Effect.forEach(entries, (entry) => Console.log(textOf(entry)), { discard: true })
  yield* Effect.suspend(() => writeAll(folding.due(nowMillis()))).pipe(
    Effect.repeat(Schedule.spaced(flushInterval)),
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() => writeAll(folding.rest(nowMillis())))
  return Logger.make((options: Options) => {
    const entry = entryOf(options)
    if (folding.admits(entry, nowMillis)) options.fiber.getRef(Console.Console).log(textOf(entry))
  })
})

/** Turns log entries into the text of a format. */
export const textIn = (format: "json" | "pretty"): ((entry: LogEntry) => string) =>
  format === "json" ? jsonText : prettyText(process.stdout.isTTY && process.stdout.hasColors())

/**
 * Logs to stdout in the configured format, from the configured level up. Each line carries the annotations of its fiber; see
 * `annotate.ts` for the ids of orders and slices. Provided by the daemon and by the commands.
 */
export const LoggingLayer: Layer.Layer<never, never, Configuration> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    return Layer.merge(
      Logger.layer([yield* foldingLogger(textIn(config.logFormat))]),
      Layer.succeed(References.MinimumLogLevel, levels[config.logLevel])
    )
  })
)
