import { spawn } from "node:child_process"
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Mutation, mutations } from "./mutations.ts"

const root = dirname(fileURLToPath(new URL(".", import.meta.url)))

/** A mutation, and how its simulation went: the seed and the problem that gave it away, or null when it was not missed. */
export interface Canary {
  readonly mutation: Mutation
  readonly caughtBy: string | null
}

/** Runs up to so many seeds on a copy of the code without the guard. */
export const tryMutation = async (mutation: Mutation, seeds: number): Promise<Canary> => {
  const folder = join(root, ".pulse-background", "canaries", `${mutations.indexOf(mutation)}-${process.pid}`)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  try {
    for (const part of ["src", "simulation", "package.json"]) {
      await cp(join(root, part), join(folder, part), { recursive: true })
    }
    for (const edit of mutation.edits) await apply(folder, mutation, edit)
    return { mutation, caughtBy: await firstFailure(folder, seeds) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const apply = async (folder: string, { name }: Mutation, { file, text, becomes }: Mutation["edits"][number]) => {
  const path = join(folder, file)
  const before = await readFile(path, "utf8")
  const found = before.split(text).length - 1
  if (found !== 1) throw new Error(`Mutation "${name}" does not fit ${file}: its text is there ${found} times`)
  await writeFile(path, before.replace(text, () => becomes))
}

/** What a simulation in this folder says of its first failing seed; null when none of them failed. */
const firstFailure = (folder: string, seeds: number): Promise<string | null> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [join(folder, "simulation", "main.ts"), "--seeds", `1..${seeds}`, "--stop-at-first"],
      { stdio: ["ignore", "pipe", "pipe"] }
    )
    let said = ""
    let complaints = ""
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => {
      const failure = /seed \d+ FAILS:\n[^\n]*/.exec(said)
      if (failure !== null) resolve(failure[0].replaceAll(/\s+/g, " "))
      else if (code === 0) resolve(null)
      else reject(new Error(`The simulation ended with ${code}: ${complaints}`))
    })
  })
