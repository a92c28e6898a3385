import { DateTime, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { RestoreStore } from "../../stores/operations/RestoreStore.ts"
import { CommandLayer, reason, say } from "../shared/environment.ts"
import { as, askedFor } from "../shared/operator.ts"

/**
 * For a database that comes from a backup, before the first daemon starts on it. Daemons find out by themselves after a
 * recovery to a point in time and on another server, but not where a dump was loaded into the same server.
 */
export const restoredCommand = Command.make(
  "restored",
  { as, reason },
  Effect.fnUntraced(
    function* (given) {
      yield* (yield* RestoreStore).restored(yield* askedFor(given), yield* DateTime.now)
      yield* say(
        "Noted: nothing is placed until a daemon has looked up what the broker has. It begins when the claims, the calls and the " +
          'quarantine of the lost time are over; "doctor" says how far it is'
      )
    },
    Effect.provide(RestoreStore.layer.pipe(Layer.provideMerge(CommandLayer)))
  )
).pipe(
  Command.withDescription(
    "Say that the database was restored from a backup, before daemons start: nothing is placed twice"
  )
)
