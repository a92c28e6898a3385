import { Effect } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { MutationFailed, mutatedCode } from "./mutatedCode.ts"
import { type Mutation, mutations } from "./mutations.ts"

/** A mutation, with the seed and the problem that caught it; null when none did. */
export interface MutationResult {
  readonly mutation: Mutation
  readonly caughtBy: string | null
}

export interface MutationOptions {
  readonly seeds: number
  readonly store: string
}

/** Tries the mutations whose name contains `only` (`all`: every one), two at a time, and reports each result as it comes. */
export const tryMutations = (only: string, options: MutationOptions, tell: (result: MutationResult) => void) =>
  Effect.forEach(
    mutations.filter(({ name }) => only === "all" || name.includes(only)),
    (mutation) => Effect.map(tryMutation(mutation, options), tell),
    { concurrency: 2, discard: true }
  )

/** Runs the simulation on a mutated copy of the code until a seed fails, at most `seeds` of them. */
export const tryMutation = (
  mutation: Mutation,
  options: MutationOptions
): Effect.Effect<MutationResult, MutationFailed> =>
  Effect.gen(function* () {
    const folder = yield* mutatedCode(`${mutations.indexOf(mutation)}-${process.pid}`, mutation.edits)
    return { mutation, caughtBy: yield* firstFailure(folder, options, mutation.needs ?? []) }
  }).pipe(Effect.scoped)

/** Runs the simulation of a folder; returns its first failure, null when every seed passed. */
const firstFailure = (
  folder: string,
  { seeds, store }: MutationOptions,
  needs: ReadonlyArray<string>
): Effect.Effect<string | null, MutationFailed> =>
  Effect.callback<string | null, MutationFailed>((resume) => {
    const main = join(folder, "simulation", "main.ts")
    const args = [main, "--seeds", `1..${seeds}`, "--store", store, "--stop-at-first", ...needs]
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.on("close", (code) => {
      const failure = /seed \d+ FAILS:\n[^\n]*/.exec(said)
      if (failure !== null) resume(Effect.succeed(failure[0].replaceAll(/\s+/g, " ")))
      else if (code === 0) resume(Effect.succeed(null))
      else resume(new MutationFailed({ message: `The simulation ended with ${code}: ${said}` }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })
