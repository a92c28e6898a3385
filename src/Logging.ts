import { Cause, Effect, Layer, Logger, References } from "effect"
import { Configuration } from "./Configuration.ts"

type Options = Logger.Options<unknown>

/** One log line's parts, the same for both formats. */
const partsOf = ({ cause, fiber, logLevel, message }: Options) => {
  const words: Array<string> = []
  const fields: Record<string, unknown> = {}
  for (const part of Array.isArray(message) ? message : [message]) {
    if (typeof part === "object" && part !== null && !(part instanceof Error)) Object.assign(fields, part)
    else words.push(part instanceof Error ? part.message : String(part))
  }
  for (const [name, value] of Object.entries(fiber.getRef(References.CurrentLogAnnotations))) {
    if (value !== null && value !== undefined) fields[name] = value
  }
  if (cause.reasons.length > 0) fields["cause"] = Cause.pretty(cause)
  return { level: logLevel.toLowerCase(), message: words.join(" "), fields }
}

/** One JSON object a line: timestamp, level, message, then whatever the event is annotated with. */
export const jsonLine = Logger.make((options: Options) => {
  const { level, message, fields } = partsOf(options)
  return JSON.stringify({ timestamp: options.date.toISOString(), level, message, ...fields })
})

/** For people: the time, the level where it matters, the message, and the few fields that tell slices apart. */
export const prettyLine = Logger.make((options: Options) => {
  const { level, message, fields } = partsOf(options)
  const { worker, order_id, lateness_millis, cause } = fields
  const mark = level === "info" || level === "debug" ? "" : `${level.toUpperCase()} `
  const details = [
    ...(order_id === undefined ? [] : [`order ${String(order_id)}`]),
    ...(lateness_millis === undefined ? [] : [`${String(lateness_millis)} ms late`])
  ]
  const tail = details.length === 0 ? "" : ` (${details.join(", ")})`
  const text = `${options.date.toISOString().slice(11, 23)} ${String(worker ?? "service").padEnd(8)} ${mark}${message}${tail}`
  return cause === undefined ? text : `${text}\n${String(cause)}`
})

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

/** Logs go to stdout, in the configured format, from the configured level up. */
export const LoggingLayer: Layer.Layer<never, never, Configuration> = Layer.unwrap(
  Effect.map(Configuration, (config) =>
    Layer.merge(
      Logger.layer([Logger.withConsoleLog(config.logFormat === "json" ? jsonLine : prettyLine)]),
      Layer.succeed(References.MinimumLogLevel, levels[config.logLevel])
    )
  )
)
