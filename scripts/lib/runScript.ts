import { Console, Effect, Exit, Option } from "effect"
import { StagingFailed } from "./stagingProcesses.ts"

/** The most problems that are printed. */
const maxPrinted = 50

/** Prints what a test with real processes found wrong, and fails if there is anything. The logs are in `folder`. */
export const expectNothingWrong = Effect.fnUntraced(function* (problems: ReadonlyArray<string>, folder: string) {
  for (const problem of problems.slice(0, maxPrinted)) yield* Console.log(`WRONG: ${problem}`)
  if (problems.length > 0) {
    return yield* new StagingFailed({ message: `${problems.length} things are wrong; logs are in ${folder}` })
  }
})

/**
 * Runs a script until it ends or a signal interrupts it, and ends this process: with exit code 0 if the script succeeded, else with 1
 * and its message.
 */
export const runToExit = async (script: Effect.Effect<unknown, { readonly message: string }>): Promise<never> => {
  const stop = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort())
  const exit = await Effect.runPromiseExit(script, { signal: stop.signal })
  if (Exit.isFailure(exit)) {
    const error = Exit.findErrorOption(exit)
    console.error(Option.isSome(error) ? error.value.message : String(exit.cause))
  }
  process.exit(Exit.isSuccess(exit) ? 0 : 1)
}
