import { Effect, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { chmod, chown, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { type Binaries, cannotRun, majorVersion } from "./Binaries.ts"
import { attempt, type EmbeddedPostgresError, failWith, unlessMissing } from "./Failure.ts"
import type { Place } from "./Place.ts"
import { run } from "./Processes.ts"
import { giveToOwnerOf, nameUnfinished } from "./Users.ts"

export const username = "pulse_background"
export const database = "pulse_background"

/** Creates the data folder or checks the existing one. Returns the password. The caller must have control of the folder. */
export const prepareData = (
  place: Place,
  binaries: Binaries
): Effect.Effect<Redacted.Redacted, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const version = yield* attempt(`read its data in ${place.dataFolder}`, () =>
      unlessMissing(readFile(join(place.dataFolder, "PG_VERSION"), "utf8"), undefined)
    )
    const known = yield* attempt("read its password", () =>
      unlessMissing(readFile(passwordFile(place), "utf8"), undefined)
    )
    if (version === undefined) {
      const password = known ?? (yield* makePassword(place))
      yield* makeData(place, binaries, password)
      return Redacted.make(password)
    }
    if (version.trim() !== majorVersion) {
      return yield* failWith(
        `The data in ${place.dataFolder} were written by PostgreSQL ${version.trim()}, and this version of the service ships ` +
          `PostgreSQL ${majorVersion}, which cannot read them. Dump them with PostgreSQL ${version.trim()} and load them into a new folder, ` +
          "or point EMBEDDED_POSTGRES_FOLDER at an empty folder to start without them."
      )
    }
    return known === undefined
      ? yield* failWith(
          `The data in ${place.dataFolder} are there, but their password file ${passwordFile(place)} is not. Put it back.`
        )
      : Redacted.make(known)
  })

const passwordFile = (place: Place): string => join(place.folder, "password")

const makePassword = (place: Place) =>
  attempt(`write in ${place.folder}`, async () => {
    const password = randomBytes(24).toString("base64url")
    const unfinished = await nameUnfinished(passwordFile(place))
    await writeDurably(unfinished, password)
    await giveToOwnerOf(place.folder, unfinished)
    await rename(unfinished, passwordFile(place))
    return password
  })

const writeDurably = async (path: string, text: string): Promise<void> => {
  const file = await open(path, "wx", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Builds the data in a temporary folder and moves it in place when complete, so that a killed process leaves no partial data. */
const makeData = (place: Place, binaries: Binaries, password: string) =>
  Effect.gen(function* () {
    const workshop = yield* attempt(`write in ${place.folder}`, () => makeWorkshop(place, password))
    yield* Effect.gen(function* () {
      const data = join(workshop, "data")
      yield* runInitdb(place, binaries, [
        `--pgdata=${data}`,
        `--username=${username}`,
        `--pwfile=${join(workshop, "password")}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        // Synced once, below, together with the database.
        "--no-sync"
      ])
      yield* makeDatabase(place, binaries, data)
      yield* runInitdb(place, binaries, [`--pgdata=${data}`, "--sync-only"])
      yield* attempt(`write in ${place.folder}`, async () => {
        await rename(data, place.dataFolder)
        await syncFolder(dirname(place.dataFolder))
      })
    }).pipe(Effect.ensuring(Effect.promise(() => rm(workshop, { recursive: true, force: true }).catch(() => {}))))
  })

const makeWorkshop = async (place: Place, password: string): Promise<string> => {
  const workshop = await nameUnfinished(join(place.folder, "unfinished"))
  const pwfile = join(workshop, "password")
  await mkdir(workshop, { mode: 0o700 })
  await chmod(workshop, 0o700)
  await writeFile(pwfile, password, { mode: 0o600 })
  if (place.account !== undefined) {
    await chown(pwfile, place.account.uid, place.account.gid)
    await chown(workshop, place.account.uid, place.account.gid)
  }
  return workshop
}

const runInitdb = (place: Place, binaries: Binaries, args: ReadonlyArray<string>) =>
  Effect.flatMap(run(binaries.initdb, args, { account: place.account }), ({ exitCode, output }) => {
    if (exitCode === 0) return Effect.void
    return failWith(
      exitCode === null || output === ""
        ? cannotRun(binaries.initdb, output, place.account)
        : `PostgreSQL could not make its data folder in ${place.folder}: ${lastLines(output)}`
    )
  })

const makeDatabase = (place: Place, binaries: Binaries, data: string) =>
  Effect.flatMap(
    run(binaries.postgres, ["--single", "-F", "-D", data, "postgres"], {
      account: place.account,
      input: `CREATE DATABASE ${database};\n`
    }),
    ({ exitCode, output }) =>
      exitCode === 0 && !/\b(ERROR|FATAL|PANIC):/.test(output)
        ? Effect.void
        : failWith(`PostgreSQL could not make its database in ${place.folder}: ${lastLines(output)}`)
  )

/** Without this sync a power failure could undo the rename, and with it everything committed since. */
const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === "win32") return
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The end of a program's output or of a log, on one line, preceded by the remedy if it is known. */
export const lastLines = (text: string): string => {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .slice(-8)
    .join(" | ")
  return text.includes("No space left on device") ? `the disk is full, free some space. ${lines}` : lines
}
