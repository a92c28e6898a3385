import { Cause, Effect, Exit } from "effect"
import { inspect } from "node:util"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { Configuration, ConfigurationError, settings as allSettings } from "../../src/config/Configuration.ts"
import { configurationOf } from "../harness/configurationOf.ts"
import { pureArea } from "../harness/pureArea.ts"
import { boundaryNumbers, hostileText } from "../harness/texts.ts"

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>

const secretMark = "S3CR3T"

const names = allSettings.map(({ name }) => name)
const secrets = new Set(allSettings.flatMap(({ name, isSecret }) => (isSecret === true ? [name] : [])))

const values = [
  "1",
  "0",
  "-1",
  " 5 ",
  "1e3",
  "0x10",
  "1_000",
  "true",
  "on",
  "zerodha",
  "mock",
  "https://user:pass@example.com/x?y=1",
  "postgres://u:p@h:5432/d",
  "http://[::1]:99999",
  "javascript:alert(1)",
  "a=b,c=d",
  "a=%ZZ",
  "BUY,SELL",
  "NSE:*",
  "NSE:INFY,"
] as const

const valueOf = (choices: SeededChoices, name: string): string => {
  const value = choices.hits(0.5)
    ? choices.oneOf(values)
    : choices.hits(0.5)
      ? String(choices.oneOf(boundaryNumbers))
      : hostileText(choices, { max: 131_072 })
  // An environment variable ends at U+0000.
  return `${secrets.has(name) && choices.hits(0.8) ? `${secretMark}${value}` : value}`.replaceAll("\u0000", "")
}

/** Settings: a configuration, or every problem by its name, and never a secret. */
export const settings = pureArea({
  name: "settings",
  generate: (choices): Environment =>
    Object.fromEntries(
      Array.from({ length: choices.whole(1, 5) }, () => {
        const name = names[choices.whole(0, names.length - 1)] ?? "LOG_LEVEL"
        return [name, valueOf(choices, name)]
      })
    ),
  read: (environment) =>
    Effect.runSyncExit(
      Effect.provide(
        Effect.map(Configuration, (values) => values),
        configurationOf(environment),
        { local: true }
      )
    ),
  verdict: (environment, exit) => {
    if (Exit.isSuccess(exit)) {
      return `${inspect(exit.value, { depth: 10 })}${JSON.stringify(exit.value)}`.includes(secretMark)
        ? "a secret is shown"
        : null
    }
    const [reason, ...more] = exit.cause.reasons
    const error = reason !== undefined && Cause.isFailReason(reason) && more.length === 0 ? reason.error : null
    if (!(error instanceof ConfigurationError)) return `a defect: ${Cause.pretty(exit.cause).slice(0, 500)}`
    if (error.message.includes(secretMark)) return "a secret is shown in the message"
    const unnamed = error.problems.find((problem) => !names.some((name) => problem.includes(name)))
    if (unnamed !== undefined) return `a problem names no setting: ${unnamed.slice(0, 200)}`
    const strange = error.problems.find((problem) => !Object.keys(environment).some((name) => problem.includes(name)))
    if (strange !== undefined && !isAboutOthers(strange))
      return `a problem is of no setting that is set: ${strange.slice(0, 200)}`
    const longest = error.problems.reduce((max, problem) => Math.max(max, problem.length), 0)
    return longest > 2000 ? `a problem has ${longest} characters` : null
  }
})

/** Some settings need others, which then are not set. */
const isAboutOthers = (problem: string): boolean =>
  /must be set when|must be longer than|must not be longer than/.test(problem)
