import { Clock, DateTime, Duration, Effect, Option, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import { type Halt, HaltStore } from "../../stores/operations/HaltStore.ts"
import type { Asked } from "../../stores/sql/insertActions.ts"
import { CommandFailed, CommandLayer, json, print, reason, warn } from "../shared/environment.ts"
import { waitFlag } from "../shared/flags.ts"
import { as, askedFor } from "../shared/operator.ts"
import { agreed, approve } from "../shared/secondPerson.ts"

const wait = (seconds: number) => waitFlag(seconds, "For how many seconds to wait until every worker has acknowledged")

/**
 * The default wait outlasts SLICE_EXECUTION_TIMEOUT_MINUTES, two by default, after which a dead daemon's claims end.
 */
export const haltCommand = Command.make(
  "halt",
  { as, reason, json, wait: wait(150) },
  Effect.fnUntraced(function* (given) {
    yield* request(true, yield* askedFor(given), given)
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Stop all placements on all replicas; exit 0 when every live worker has acknowledged"))

export const resumeCommand = Command.make(
  "resume",
  { as, reason: Flag.withDefault(reason, "resumed"), approve, json, wait: wait(30) },
  Effect.fnUntraced(function* (given) {
    // Of a halt that is newer than the request nobody has approved that it ends.
    const halt = Option.getOrNull(Option.map(yield* (yield* HaltStore).current, ({ id }) => id))
    const asked = yield* agreed(given, { command: "resume", typed: "resume", what: { halt } })
    yield* request(false, asked, given)
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Let placements go on after a halt"))

const request = Effect.fnUntraced(function* (
  isHalted: boolean,
  { by: requestedBy, reason }: Asked,
  given: { readonly wait: number; readonly json: boolean }
) {
  const halts = yield* HaltStore
  const requestedAt = yield* DateTime.now
  const halt = yield* halts.request({ isHalted, reason, requestedBy, requestedAt })
  const waitingFor = yield* untilAcknowledged(halt, Duration.seconds(given.wait)).pipe(
    Effect.onInterrupt(() =>
      warn(`Interrupted. The ${isHalted ? "halt" : "resume"} stands, but not every worker is known to obey yet.`)
    )
  )
  yield* print(given.json, { ...halt, waitingFor }, () =>
    isHalted
      ? 'Halted: nothing is claimed any more. "resume" lets placements go on'
      : "Resumed: what is due is placed, unless its window is over"
  )
  if (waitingFor.length > 0) {
    return yield* new CommandFailed({
      message:
        `${waitingFor.join(", ")} did not acknowledge within ${given.wait} s. ` +
        (isHalted
          ? "What it has claimed it may still place until its claims end; stop it by hand to be sure."
          : 'The resume stands, but it places nothing until it hears of it: see "health" and its log, or start it anew.')
    })
  }
})

/** Waits until every live worker has acknowledged, or the timeout ends. Returns the instances that have not. */
const untilAcknowledged = Effect.fnUntraced(function* (halt: Halt, timeout: Duration.Duration) {
  const halts = yield* HaltStore
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
  return yield* Effect.flatMap(DateTime.now, (now) => halts.waitingFor(halt, now)).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("200 millis"),
      while: (waitingFor) => Effect.map(Clock.currentTimeMillis, (now) => now < deadline && waitingFor.length > 0)
    })
  )
})
