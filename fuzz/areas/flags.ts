import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, ConfigProvider, Console, Effect, Exit, Option, Stdio } from "effect"
import { CliError } from "effect/cli"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { cli } from "../../src/cli/Cli.ts"
import { terminalConsole } from "../../src/cli/terminal/output.ts"
import type { Area, Finding, Sample } from "../harness/Area.ts"
import { millisSince } from "../harness/Effort.ts"
import { FuzzRun } from "../harness/FuzzRun.ts"
import { boundaryNumbers, hostileText, inReport, rawCharacterIn } from "../harness/texts.ts"

/** The words after the program's name. */
export interface FlagsInput {
  readonly args: ReadonlyArray<string>
}

/**
 * Commands that end by themselves when there is no database: neither the daemon and the simulator, which go on, nor those that
 * read a token from the terminal.
 */
const commands = [
  ["order", "submit"],
  ["order", "list"],
  ["order", "show"],
  ["order", "cancel"],
  ["order", "amend"],
  ["plan"],
  ["explain"],
  ["report"],
  ["audit"],
  ["profile", "set"],
  ["slice", "retry"],
  ["slice", "placed"],
  ["halt"],
  ["resume"],
  ["actions"],
  ["prune"],
  ["settle"],
  ["instruments", "show"],
  ["workers"],
  ["migrate"],
  ["nonsense"],
  ["order", "nonsense"]
] as const

const flags = [
  "--instrument",
  "--side",
  "--quantity",
  "--splits",
  "--duration",
  "--limit-price",
  "--weights",
  "--seed",
  "--start",
  "--reason",
  "--limit",
  "--wait",
  "--older-than",
  "--filled",
  "--price",
  "--at",
  "--json",
  "--help",
  "--version",
  "--no-randomize",
  "--strange",
  "-x",
  "--"
] as const

const generate = (choices: SeededChoices): FlagsInput => {
  const value = () =>
    choices.hits(0.4) ? String(choices.oneOf(boundaryNumbers)) : hostileText(choices, { max: 131_072 })
  const words = Array.from({ length: choices.whole(0, 6) }, () => {
    const flag = choices.oneOf(flags)
    const kind = choices.whole(0, 3)
    if (kind === 0) return [value()]
    return kind === 1 ? [`${flag}=${value()}`] : kind === 2 ? [flag, value()] : [flag]
  })
  // An argument of a process ends at U+0000.
  return {
    args: [...choices.oneOf<ReadonlyArray<string>>(commands), ...words.flat()].map((word) =>
      word.replaceAll("\u0000", "")
    )
  }
}

const password = "S3CR3T-password"
/** Nothing listens on this port, so that no command gets to its work. */
const environment = { DATABASE_URL: `postgres://user:${password}@127.0.0.1:1/none` }

const run = (args: ReadonlyArray<string>) =>
  cli.pipe(
    Effect.provideService(Console.Console, terminalConsole),
    Effect.provide(Stdio.layerTest({ args: Effect.succeed(args) })),
    Effect.provide(NodeServices.layer),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
  )

/** Runs work, and passes on what reaches the terminal meanwhile instead of showing it. */
const listening = <A, E, R>(say: (text: string) => void, work: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { log, error } = console
      console.log = console.error = (...texts: ReadonlyArray<unknown>) => say(texts.join(" "))
      return { log, error }
    }),
    () => work,
    ({ log, error }) => Effect.sync(() => Object.assign(console, { log, error }))
  )

/** The most that a command says without a database: its help. */
const maxSaid = 20_000

/** What a terminal may be sent besides texts and line breaks. */
const color = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g")

const wrongExit = (exit: Exit.Exit<unknown, unknown>, said: string): string | null => {
  const odd = rawCharacterIn(said.replaceAll("\n", "").replaceAll(color, ""))
  if (odd !== null) return `a raw ${odd} is shown`
  if (said.length > maxSaid) return `${said.length} characters are shown`
  if (said.includes(password)) return "the password is shown"
  if (Exit.isSuccess(exit)) return null
  for (const reason of exit.cause.reasons) {
    if (!Cause.isFailReason(reason)) return `a defect: ${Cause.pretty(exit.cause).slice(0, 500)}`
    if (CliError.isCliError(reason.error)) continue
    if (!(reason.error instanceof Error) || reason.error.message === "") return "it fails without a message"
    if (reason.error.message.includes(password)) return "the password is shown"
    if (reason.error.message.length > maxSaid) return `the message has ${reason.error.message.length} characters`
  }
  return null
}

/** The command line: words are understood or refused in words that can be shown, whatever they are. */
export const flagsArea: Area<FlagsInput> = {
  name: "flags",
  batchSize: 20,
  inFlight: 1,
  weight: 0.2,
  generate,
  shown: (input) => inReport(JSON.stringify(input), 1000),
  open: Effect.sync(() => {
    const judgeOne = Effect.fnUntraced(function* ({ index, input }: Sample<FlagsInput>) {
      const { effort } = yield* FuzzRun
      let said = ""
      const before = process.threadCpuUsage()
      const ended = yield* Effect.timeoutOption(
        Effect.exit(listening((text) => void (said += `${text}\n`), run(input.args))),
        "20 seconds"
      )
      const costly = effort.note(index, millisSince(before))
      const what = Option.isNone(ended) ? "it does not end" : (wrongExit(ended.value, said) ?? costly)
      return what === null ? [] : [{ index, what }]
    })
    return (samples) => Effect.map(Effect.forEach(samples, judgeOne), (found): ReadonlyArray<Finding> => found.flat())
  })
}
