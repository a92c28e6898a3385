import { Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Mutation, mutations } from "./mutations.ts"

const root = dirname(fileURLToPath(new URL(".", import.meta.url)))

/** A mutation could not be tried: its text is not in the code exactly once, or its simulation crashed. */
export class MutationFailed extends Schema.TaggedError<MutationFailed>()("MutationFailed", {
  message: Schema.String
}) {}

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
  Effect.acquireUseRelease(
    copyOfTheCode(`${mutations.indexOf(mutation)}-${process.pid}`),
    (folder) =>
      Effect.gen(function* () {
        yield* Effect.forEach(mutation.edits, (edit) => apply(folder, mutation, edit), { discard: true })
        return { mutation, caughtBy: yield* firstFailure(folder, options) }
      }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

const copyOfTheCode = (name: string) =>
  Effect.promise(async () => {
    const folder = join(root, ".pulse-background", "mutations", name)
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    const parts = ["src", "simulation", "migrations", "package.json"]
    await Promise.all(parts.map((part) => cp(join(root, part), join(folder, part), { recursive: true })))
    return folder
  })

const apply = Effect.fnUntraced(function* (folder: string, { name }: Mutation, edit: Mutation["edits"][number]) {
  const path = join(folder, edit.file)
  const before = yield* Effect.promise(() => readFile(path, "utf8"))
  const found = before.split(edit.text).length - 1
  if (found !== 1) {
    return yield* new MutationFailed({
      message: `"${name}" does not fit ${edit.file}: its text is there ${found} times`
    })
  }
  yield* Effect.promise(() =>
    writeFile(
      path,
      before.replace(edit.text, () => edit.becomes)
    )
  )
})

/** Runs the simulation of a folder; returns its first failure, null when every seed passed. */
const firstFailure = (
  folder: string,
  { seeds, store }: MutationOptions
): Effect.Effect<string | null, MutationFailed> =>
  Effect.callback<string | null, MutationFailed>((resume) => {
    const main = join(folder, "simulation", "main.ts")
    const child = spawn(process.execPath, [main, "--seeds", `1..${seeds}`, "--store", store, "--stop-at-first"], {
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
