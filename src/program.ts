import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, DateTime, Effect, Exit, Runtime } from "effect"
import { CliError } from "effect/cli"
import { cli } from "./cli/Cli.ts"
import { CommandFailed } from "./cli/shared/environment.ts"
import { terminalConsole, untilWritten } from "./cli/terminal/output.ts"
import { maxLine, shown } from "./cli/terminal/text.ts"
import { ConfigurationError, logFormat } from "./config/Configuration.ts"
import { shortened } from "./domain/text/shortened.ts"
import { textIn } from "./runtime/Logging.ts"

/**
 * Only these messages have line breaks of their own; in any other message a line break comes from a text that it
 * quotes.
 */
const isInLines = (error: Error): boolean => error instanceof CommandFailed || error instanceof ConfigurationError

const failureText = (error: Error): string => shown(isInLines(error) ? error.message.split("\n") : error.message)

/** Whether the process was started as the daemon, and not for a command. */
const isDaemon = (process.argv[2] ?? "run") === "run"

/**
 * Writes expected failures to stderr as their message alone, and bugs with their stack. Those of the daemon are lines of its
 * log, which may be JSON.
 */
const report = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function* () {
    if (Cause.hasInterruptsOnly(cause)) return
    const asJson = isDaemon && (yield* logFormat) === "json"
    const date = DateTime.toDate(yield* DateTime.now)
    for (const reason of cause.reasons) {
      if (Cause.isFailReason(reason) && CliError.isCliError(reason.error)) continue
      const isExpected = Cause.isFailReason(reason) && reason.error instanceof Error
      const text = isExpected ? failureText(reason.error) : shown(Cause.pretty(Cause.fromReasons([reason])).split("\n"))
      // Short enough to stay whole on its way to the terminal, also when it is quoted.
      const line = textIn("json")({ date, level: "fatal", message: shortened(text, maxLine / 2), fields: {} })
      terminalConsole.error(asJson ? line : text)
    }
  })

/** A daemon that was told to stop has succeeded, at any time. An interrupted command has not done what it was asked. */
const interruptedCode = isDaemon ? 0 : 130

const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number | string => {
  if (Exit.isSuccess(exit)) return 0
  return Cause.hasInterruptsOnly(exit.cause) ? (process.exitCode ?? interruptedCode) : 1
}

/** Runs the command line, which `stop` interrupts. Called by main.ts. */
export const start = (stop: AbortSignal): void => {
  // Nothing has begun: all that would be interrupted does not even connect.
  if (stop.aborted) process.exit(interruptedCode)
  // A log that cannot be written, because the disk is full or the reader is gone, must not stop placements.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)
  const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
    stop.addEventListener("abort", () => fiber.interruptUnsafe(fiber.id))
    fiber.addObserver((exit) => teardown(exit, (code) => process.exit(code)))
  })
  cli.pipe(
    Effect.tapCause(report),
    untilWritten,
    Effect.provideService(Console.Console, terminalConsole),
    Effect.provide(NodeServices.layer),
    runMain({
      disableErrorReporting: true,
      // Exits at once: an open stdin or a library's idle timer would keep a finished command waiting.
      teardown: (exit) => process.exit(exitCodeOf(exit))
    })
  )
}
