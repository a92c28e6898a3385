import { Effect, Option, Result } from "effect"
import { Flag } from "effect/cli"
import { hostname, userInfo } from "node:os"
import { Configuration } from "../../config/Configuration.ts"
import { operatorName } from "../../domain/operations/operatorName.ts"
import type { Asked } from "../../stores/sql/insertActions.ts"
import { CommandFailed } from "./environment.ts"
import { maxIdLength, textFlag } from "./flags.ts"

/** Who acts: a flag of every command that changes something. */
export const as = textFlag("as", maxIdLength).pipe(
  Flag.filterMap(
    (text) => Result.getSuccess(operatorName(text)),
    (text) => Option.getOrElse(Result.getFailure(operatorName(text)), () => "")
  ),
  Flag.withMetavar("NAME"),
  Flag.withDescription("Who you are, for the record; PULSE_OPERATOR if left out"),
  Flag.optional
)

export type As = Option.Option<string>

/** The account of this process. The uid stands in for an account without a name, as in containers. */
export const accountName = (): string => {
  try {
    return userInfo().username
  } catch {
    return `${process.getuid?.() ?? "somebody"}`
  }
}

/** The name that a person gave with `--as`, or in PULSE_OPERATOR. */
export const personOf = (given: As) => Effect.map(Configuration, ({ operator }) => Option.orElse(given, () => operator))

/**
 * Who is recorded with a change: `Asha (node@pulse-0)`, or `account@host` without a name. No name has a bracket in it, so
 * that one is not taken for the other. Fails without a name where OPERATOR_REQUIRED asks for one.
 */
export const operator = Effect.fnUntraced(function* (given: As) {
  const { operatorRequired } = yield* Configuration
  const account = `${accountName()}@${hostname()}`
  const person = Option.getOrNull(yield* personOf(given))
  if (person !== null) return `${person} (${account})`
  if (!operatorRequired) return account
  return yield* new CommandFailed({
    message: "Say who you are: --as NAME, or set PULSE_OPERATOR. Nothing was changed."
  })
})

/** The operator and the reason that are recorded with a change. */
export const askedFor = ({ as, reason }: { readonly as: As; readonly reason: string }) =>
  Effect.map(operator(as), (by): Asked => ({ by, reason: reason.trim() }))
