import { Effect, Layer } from "effect"
import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dbAt, freshDatabase } from "./database.ts"

const projectFolder = join(import.meta.dirname, "../../migrations")

export const projectFiles = Effect.promise(async () => (await readdir(projectFolder)).toSorted())

/** A folder with the project's first migrations and the test's own files. */
export const folderWith = (options: { readonly first: number; readonly own?: Readonly<Record<string, string>> }) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-migrations-"))),
      (folder) => Effect.promise(() => rm(folder, { recursive: true }))
    )
    for (const name of (yield* projectFiles).slice(0, options.first)) {
      yield* Effect.promise(() => copyFile(join(projectFolder, name), join(folder, name)))
    }
    for (const [name, text] of Object.entries(options.own ?? {})) {
      yield* Effect.promise(() => writeFile(join(folder, name), text))
    }
    return folder
  })

/** Db on a database without any migration. */
export const emptyDatabase = Layer.unwrap(Effect.map(freshDatabase("empty"), (name) => Layer.orDie(dbAt(name))))
