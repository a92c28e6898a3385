import { Console, DateTime, Duration, Effect } from "effect"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import { CommandFailed, json, printJson } from "../shared/environment.ts"
import { paint, plain } from "../terminal/styledLine.ts"
import { frame } from "../top/frame.ts"
import { showLive } from "../top/live.ts"
import { SnapshotLayer, takeSnapshot } from "../top/Snapshot.ts"

/** The width of a frame when stdout is not a terminal. */
const defaultColumns = 120

export const topCommand = Command.make(
  "top",
  {
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("Print what there is to see, once and in full, instead of taking over the screen"),
      Flag.withDefault(false)
    ),
    interval: Flag.Finite("interval").pipe(
      Flag.filter(
        (seconds) => seconds >= 0.2 && seconds <= 3600,
        (seconds) => `must be from 0.2 to 3600 seconds, not ${seconds}`
      ),
      Flag.withDescription("How many seconds pass between two looks at the database"),
      Flag.withDefault(1)
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const { canAnimate, canColor } = yield* TerminalCapabilities.TerminalCapabilities
    if (given.json || given.once) return yield* Effect.provide(showOnce(given.json, canColor), SnapshotLayer)
    if (!canAnimate || !process.stdin.isTTY) return yield* new CommandFailed({ message: noTerminal })
    yield* Effect.scoped(
      showLive(takeSnapshot, { interval: Duration.seconds(given.interval), hasColour: canColor })
    ).pipe(
      Effect.provide(SnapshotLayer),
      // An interrupt is the usual way to end it, and no failure.
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          process.exitCode = 0
        })
      )
    )
  })
).pipe(
  Command.withDescription("Watch everything, full screen: orders, slices, daemons, limits, and what to type about them")
)

const showOnce = Effect.fnUntraced(function* (asJson: boolean, hasColour: boolean) {
  const snapshot = yield* takeSnapshot
  if (asJson) return yield* printJson(snapshot)
  const size = { columns: process.stdout.columns || defaultColumns, rows: null }
  const lines = frame({ snapshot, failure: null, selected: null, oldAfterMillis: Infinity }, size, yield* DateTime.now)
  // Not through `say`, which would mask the colour codes. The spans of a frame are safe already.
  yield* Console.log(lines.map(hasColour ? paint : plain).join("\n"))
})

const noTerminal =
  'top needs a terminal, and this is none. "top --once" prints what there is to see, "top --json" the same for programs; ' +
  '"order watch", "workers" and "doctor" tell parts of it'
