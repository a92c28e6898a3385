import { type Console, Effect } from "effect"
import { format } from "node:util"
import { safeOutput } from "../../domain/text/safe.ts"
import { shortened } from "../../domain/text/shortened.ts"
import { maxLine } from "./text.ts"

// The one way from this process to a terminal: what commands print, errors and the log go through `terminalConsole`, what
// is drawn over earlier lines through `lineOver`. Both mask whatever a terminal obeys, other than colours, so that a text of a
// row does no harm even where nobody has made it safe.

const masked =
  (print: (text: string) => void) =>
  (...values: ReadonlyArray<unknown>): void =>
    print(safeOutput(format(...values)))

const toStdout = masked((text) => console.log(text))
/** Errors quote what was given, which may be of any length. */
const toStderr = masked((text) =>
  console.error(
    text
      .split("\n")
      .map((line) => shortened(line, maxLine))
      .join("\n")
  )
)

/** The console of the program, and of Effect's command line: each output is safe for a terminal. */
export const terminalConsole: Console.Console = {
  ...console,
  log: toStdout,
  info: toStdout,
  debug: toStdout,
  error: toStderr,
  warn: toStderr,
  trace: toStderr
}

const written = (stream: NodeJS.WriteStream): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    // Called as well when the reader is gone.
    stream.write("", () => resume(Effect.void))
  })

const allWritten: Effect.Effect<void> = Effect.andThen(written(process.stdout), written(process.stderr))

/**
 * Ends when all that the program has printed is written: a pipe holds 64 KiB, and what its reader has not taken by the exit
 * would be lost. The reader of a result may take its time; one that does not read a log any more must not keep a daemon
 * that was told to stop.
 */
export const untilWritten = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  program.pipe(
    Effect.exit,
    Effect.tap(() => allWritten),
    Effect.flatten,
    Effect.onInterrupt(() => Effect.timeoutOption(allWritten, "1 second"))
  )

/** A line that replaces what its row of the screen shows. */
export const lineOver = (line: string): string => `\u001b[2K${safeOutput(line).replaceAll("\n", "?")}`

/** Draws lines over the `before` lines that were drawn last, and clears what is below. */
export const drawOver = (before: number, lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.sync(() => {
    const up = before === 0 ? "" : `\u001b[${before}A`
    process.stdout.write(`${up}${lines.map((line) => `${lineOver(line)}\n`).join("")}\u001b[J`)
  })
