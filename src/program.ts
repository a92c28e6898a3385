import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit } from "effect"
import { CliError } from "effect/cli"
import { cli } from "./cli/Cli.ts"
import { CommandFailed } from "./cli/shared/environment.ts"
import { shown } from "./cli/terminal/text.ts"
import { ConfigurationError } from "./config/Configuration.ts"

/** The messages of these are written in lines; a line break in any other message comes from what it quotes. */
const isInLines = (error: Error): boolean => error instanceof CommandFailed || error instanceof ConfigurationError

const failureText = (error: Error): string => shown(isInLines(error) ? error.message.split("\n") : error.message)

/** Failures are told to people on stderr, in the words of the error; a bug is shown whole. */
const report = (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    if (Cause.hasInterruptsOnly(cause)) return
    for (const reason of cause.reasons) {
      if (Cause.isFailReason(reason) && CliError.isCliError(reason.error)) continue
      const isExpected = Cause.isFailReason(reason) && reason.error instanceof Error
      const text = isExpected ? failureText(reason.error) : shown(Cause.pretty(Cause.fromReasons([reason])).split("\n"))
      process.stderr.write(`${text}\n`)
    }
  })

/**
 * Told to stop and stopped in order is success for the daemon, which says so in process.exitCode. An interrupted command
 * has not done what it was asked.
 */
const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number | string => {
  if (Exit.isSuccess(exit)) return 0
  return Cause.hasInterruptsOnly(exit.cause) ? (process.exitCode ?? 130) : 1
}

// A log that cannot be written (a full disk, a reader that is gone) must not stop placements.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)

cli.pipe(
  Effect.tapCause(report),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // Ended here and now, because an open stdin or an unused timer of some library would keep a finished command waiting.
    teardown: (exit) => process.exit(exitCodeOf(exit))
  })
)
