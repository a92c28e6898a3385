import { Effect, Schema } from "effect"
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(fileURLToPath(new URL(".", import.meta.url)))

/** A textual change of a file. `text` must occur exactly once. */
export interface Edit {
  readonly file: string
  readonly text: string
  readonly becomes: string
}

/** A mutation could not be tried: its text is not in the code exactly once, or its run crashed. */
export class MutationFailed extends Schema.TaggedError<MutationFailed>()("MutationFailed", {
  message: Schema.String
}) {}

/** A copy of the code with these edits, until the scope closes; returns its folder. `name` must be unique on this machine. */
export const mutatedCode = Effect.fnUntraced(function* (name: string, edits: ReadonlyArray<Edit>) {
  const folder = yield* Effect.acquireRelease(copyOfTheCode(name), (folder) =>
    Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )
  yield* Effect.forEach(edits, (edit) => apply(folder, edit), { discard: true })
  return folder
})

const copyOfTheCode = (name: string) =>
  Effect.promise(async () => {
    const folder = join(root, ".pulse-background", "mutations", name)
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    const parts = ["src", "simulation", "interleavings", "migrations", "package.json"]
    await Promise.all(parts.map((part) => cp(join(root, part), join(folder, part), { recursive: true })))
    return folder
  })

const apply = Effect.fnUntraced(function* (folder: string, { file, text, becomes }: Edit) {
  const path = join(folder, file)
  const before = yield* Effect.promise(() => readFile(path, "utf8"))
  const found = before.split(text).length - 1
  if (found !== 1) {
    return yield* new MutationFailed({
      message: `A mutation does not fit ${file}: its text is there ${found} times: ${text}`
    })
  }
  yield* Effect.promise(() =>
    writeFile(
      path,
      before.replace(text, () => becomes)
    )
  )
})
