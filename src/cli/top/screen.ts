import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import { Effect, Stream } from "effect"
import { lineOver } from "../terminal/output.ts"
import { type Line, paint, plain } from "../terminal/styledLine.ts"

/** A key, a resize, or the end of the terminal. */
export type Input =
  | { readonly _tag: "Key"; readonly name: string }
  | { readonly _tag: "Resized"; readonly columns: number; readonly rows: number }
  /** No more input follows: Ctrl-C was pressed, or the terminal is gone. */
  | { readonly _tag: "Ended" }

// Enter the alternate screen and hide the cursor; leave it and show the cursor.
const enter = "\u001b[?1049h\u001b[?25l\u001b[2J"
const leave = "\u001b[0m\u001b[?25h\u001b[?1049l"

/**
 * Takes over the terminal until the scope closes, then restores it, however the process ends. `inputs` begins with the
 * terminal's size.
 */
export const openScreen = Effect.fnUntraced(function* (hasColour: boolean) {
  // Escape does not quit: over a slow line the keys that begin with it arrive in pieces.
  const terminal = yield* NodeTerminal.make(({ key }) => key.ctrl && (key.name === "c" || key.name === "d"))
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      // process.exit and errors outside of every fiber run no finalizer.
      const onExit = () => process.stdout.write(leave)
      process.once("exit", onExit)
      process.stdout.write(enter)
      return onExit
    }),
    (onExit) =>
      Effect.sync(() => {
        process.off("exit", onExit)
        process.stdout.write(leave)
      })
  )
  const keys = yield* terminal.readInput
  const sizes = yield* terminal.size
  const inputs: Stream.Stream<Input> = Stream.merge(
    Stream.fromQueue(keys).pipe(
      Stream.map(({ key }): Input => ({ _tag: "Key", name: key.ctrl ? `ctrl-${key.name}` : key.name })),
      Stream.concat(Stream.make<[Input]>({ _tag: "Ended" }))
    ),
    Stream.fromQueue(sizes).pipe(Stream.map((size): Input => ({ _tag: "Resized", ...size })))
  )
  return {
    inputs,
    /** Draws one line for each row of the screen, from the top. */
    draw: (lines: ReadonlyArray<Line>) =>
      Effect.ignore(
        terminal.display(
          // Each line is cleared before it is written: clearing a full line afterwards would erase its last character.
          `\u001b[H${lines.map((line) => lineOver(hasColour ? paint(line) : plain(line))).join("\r\n")}`
        )
      )
  }
})
