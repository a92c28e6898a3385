import { DateTime, type Duration, Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { Configuration } from "../../config/Configuration.ts"
import { problemWithApproval } from "../../domain/operations/approval.ts"
import { OperatorActionStore } from "../../stores/operations/OperatorActionStore.ts"
import type { Asked } from "../../stores/sql/insertActions.ts"
import { timeText } from "../terminal/moments.ts"
import { CommandFailed } from "./environment.ts"
import { wholeFlag } from "./flags.ts"
import { type As, askedFor, personOf } from "./operator.ts"

/** Approves what another person has asked for: a flag of every command that needs a second person. */
export const approve = wholeFlag("approve", { minimum: 1, maximum: Number.MAX_SAFE_INTEGER }).pipe(
  Flag.withMetavar("NUMBER"),
  Flag.withDescription("Do what another person has asked for under this number (SECOND_PERSON_REQUIRED)"),
  Flag.optional
)

/** A change that may need a second person. */
export interface Change {
  /** The command without its arguments, such as `slice placed`. */
  readonly command: string
  /** The command as it is typed. */
  readonly typed: string
  readonly orderId?: string
  readonly sliceId?: string
  /** What it would do, to the rows as they are: an approval holds for exactly this. */
  readonly what: Readonly<Record<string, string | number | null>>
}

interface Given {
  readonly as: As
  readonly reason: string
  readonly approve: Option.Option<number>
}

/**
 * The operators and the reason of a change that may be made now. Where SECOND_PERSON_REQUIRED asks for it, the change is only
 * recorded as asked for, and the command fails with what another person has to type; with `--approve` that person's approval is
 * recorded, before anything is changed.
 */
export const agreed = Effect.fnUntraced(function* (given: Given, change: Change) {
  const asked = yield* askedFor(given)
  const config = yield* Configuration
  if (Option.isNone(given.approve) && !config.secondPersonRequired) return asked
  const person = Option.getOrNull(yield* personOf(given.as))
  if (person === null) {
    return yield* new CommandFailed({
      message: `"${change.command}" needs two people, each by name: say who you are with --as NAME. Nothing was changed.`
    })
  }
  return Option.isSome(given.approve)
    ? yield* approved(given.approve.value, person, asked, change)
    : yield* request(person, asked, change, config.secondPersonWithin)
})

const request = Effect.fnUntraced(function* (person: string, asked: Asked, change: Change, within: Duration.Duration) {
  const now = yield* DateTime.now
  const until = DateTime.addDuration(now, within)
  const id = yield* (yield* OperatorActionStore).request({ ...change, person, until }, asked, now)
  return yield* new CommandFailed({
    message: [
      `Nothing was changed yet: "${change.command}" needs a second person. Until ${timeText(until)} (UTC) another person may type`,
      `  node dist/main.js ${change.typed} --approve ${id} --as NAME`
    ]
  })
})

const approved = Effect.fnUntraced(function* (id: number, person: string, asked: Asked, change: Change) {
  const actions = yield* OperatorActionStore
  const now = yield* DateTime.now
  const found = Option.getOrNull(yield* actions.findRequest(id, change.what))
  const problem = problemWithApproval(found, { command: change.command, person, now })
  if (found !== null && problem === null && (yield* actions.approve(id, change, asked, now))) {
    return { by: `${found.operator}, approved by ${asked.by}`, reason: found.reason }
  }
  return yield* new CommandFailed({
    message: `Request ${id} cannot be approved: ${problem ?? "it was approved already"}. Nothing was changed.`
  })
})
