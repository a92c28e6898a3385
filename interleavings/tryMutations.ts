import { Effect } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { mutatedCode, MutationFailed } from "../simulation/mutatedCode.ts"
import { type LockMutation, mutations } from "./mutations.ts"

/** A mutation, with the problem by which its case found it; null when it did not. */
export interface MutationResult {
  readonly mutation: LockMutation
  readonly caughtBy: string | null
}

/** Tries the mutations whose name contains `only` (`all`: every one), two at a time, and reports each result as it comes. */
export const tryMutations = (only: string, seeds: string | null, tell: (result: MutationResult) => void) =>
  Effect.forEach(
    mutations.filter(({ name }) => only === "all" || name.includes(only)),
    (mutation) => Effect.map(tryMutation(mutation, seeds), tell),
    { concurrency: 2, discard: true }
  )

/** Runs the case of a mutation on a mutated copy of the code: with a range of seeds, or as far as the tests run it. */
export const tryMutation = (
  mutation: LockMutation,
  seeds: string | null = null
): Effect.Effect<MutationResult, MutationFailed> =>
  Effect.gen(function* () {
    const folder = yield* mutatedCode(`lock-${mutations.indexOf(mutation)}-${process.pid}`, mutation.edits)
    return { mutation, caughtBy: yield* firstFinding(folder, mutation, seeds) }
  }).pipe(Effect.scoped)

const firstFinding = (folder: string, { foundBy }: LockMutation, seeds: string | null) =>
  Effect.callback<string | null, MutationFailed>((resume) => {
    const main = join(folder, "interleavings", "main.ts")
    const child = spawn(process.execPath, [main, "--case", foundBy, ...(seeds === null ? [] : ["--seeds", seeds])], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.on("close", (code) => {
      const found = /[^\n]* FAILS:\n[^\n]*/.exec(said)
      if (found !== null) resume(Effect.succeed(found[0].replaceAll(/\s+/g, " ")))
      else if (code === 0) resume(Effect.succeed(null))
      else resume(Effect.fail(new MutationFailed({ message: `The run ended with ${code}: ${said}` })))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })
