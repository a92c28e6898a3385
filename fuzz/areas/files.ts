import { Cause, Effect, Exit, Layer } from "effect"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { ConfigurationError } from "../../src/config/Configuration.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import type { Area, Finding, Sample } from "../harness/Area.ts"
import { configurationOf } from "../harness/configurationOf.ts"
import { millisSince } from "../harness/Effort.ts"
import { FuzzRun } from "../harness/FuzzRun.ts"
import { hostileText, inReport } from "../harness/texts.ts"
import { calendarText } from "./calendar.ts"

/** What stands where TRADING_CALENDAR_FILE points to. */
export interface FileInput {
  readonly kind: "text" | "bytes" | "folder" | "nothing" | "device" | "large"
  readonly text: string
}

const generate = (choices: SeededChoices): FileInput => {
  const kind = choices.oneOf<FileInput["kind"]>(["text", "text", "text", "bytes", "folder", "nothing", "device"])
  if (choices.hits(0.005)) return { kind: "large", text: choices.oneOf(["[", " ", '"', "0"]) }
  return { kind, text: choices.hits(0.7) ? calendarText(choices) : hostileText(choices) }
}

const write = async (path: string, { kind, text }: FileInput): Promise<string> => {
  switch (kind) {
    case "text":
      await writeFile(path, text)
      return path
    case "bytes":
      await writeFile(path, Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe, 0, 0xc3, 0x28])]))
      return path
    case "large":
      await writeFile(path, text.repeat(5_000_000))
      return path
    case "folder":
      await mkdir(path)
      return path
    case "nothing":
      return path
    case "device":
      return "/dev/zero"
  }
}

const wrongExit = (exit: Exit.Exit<unknown, unknown>): string | null => {
  if (Exit.isSuccess(exit)) return null
  const [reason] = exit.cause.reasons
  const error = reason !== undefined && Cause.isFailReason(reason) ? reason.error : null
  if (!(error instanceof ConfigurationError)) return `a defect: ${Cause.pretty(exit.cause).slice(0, 500)}`
  const unnamed = error.problems.find((problem) => !problem.includes("TRADING_CALENDAR_FILE"))
  if (unnamed !== undefined) return `a problem does not name the setting: ${unnamed.slice(0, 200)}`
  return error.message.length > 100_000 ? `the message has ${error.message.length} characters` : null
}

/** Files that settings name: read up to a limit, or refused with the setting's name. */
export const files: Area<FileInput> = {
  name: "files",
  batchSize: 20,
  inFlight: 1,
  weight: 0.2,
  generate,
  shown: (input) => inReport(JSON.stringify(input)),
  open: Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-fuzz-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    let count = 0

    const judgeOne = Effect.fnUntraced(function* ({ index, input }: Sample<FileInput>) {
      const { effort } = yield* FuzzRun
      const path = join(folder, `${count++}`)
      const given = yield* Effect.promise(() => write(path, input))
      const before = process.threadCpuUsage()
      const hours = Layer.fresh(TradingHours.layer).pipe(
        Layer.provide(configurationOf({ TRADING_CALENDAR: "on", TRADING_CALENDAR_FILE: given }))
      )
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(hours)))
      const costly = effort.note(index, millisSince(before))
      yield* Effect.promise(() => rm(path, { recursive: true, force: true }))
      const what = wrongExit(exit) ?? costly
      return what === null ? [] : [{ index, what }]
    })

    return (samples) => Effect.map(Effect.forEach(samples, judgeOne), (found): ReadonlyArray<Finding> => found.flat())
  })
}
