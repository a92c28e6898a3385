import { Clock, Effect } from "effect"
import { randomBytes } from "node:crypto"
import { chown, mkdir, readdir, rename, rm, rmdir, stat, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { attempt, codeOf, type EmbeddedPostgresError, failWith, unlessMissing } from "./Failure.ts"
import { startOf } from "./Processes.ts"

/*
 * The users of a folder are recorded in files, each named after its process:
 *
 *   users/daemon.<pid>.<start>.<random>       one for each user of the server, in `users/`
 *   control.lock/<kind>.<pid>.<start>.<random> the one process that is now starting or stopping the server
 *
 * A file whose process is gone is stale. Any process may delete it, because its name is unique.
 */

export type UserKind = "daemon" | "command"

export interface User {
  readonly file: string
  readonly kind: UserKind
  readonly pid: number
}

const lockTimeoutMillis = 60_000
const lockPollInterval = "10 millis"

const nameOwnFile = async (kind: UserKind): Promise<string> =>
  `${kind}.${process.pid}.${(await startOf(process.pid)) ?? "unknown"}.${randomBytes(6).toString("hex")}`

const userOf = (file: string): (User & { readonly start: string }) | undefined => {
  const [, kind, pid, start] = /^(daemon|command)\.(\d+)\.([^.]*)\.[0-9a-f]+$/.exec(file) ?? []
  if ((kind !== "daemon" && kind !== "command") || pid === undefined || start === undefined) return undefined
  return { file, kind, pid: Number(pid), start }
}

/** The live processes among a folder's files. Stale files are deleted. */
const liveUsers = async (folder: string): Promise<ReadonlyArray<User>> => {
  const files = await unlessMissing(readdir(folder), [])
  const users = await Promise.all(
    files.map(async (file) => {
      const user = userOf(file)
      if (user === undefined) return []
      if ((await startOf(user.pid)) === user.start) return [user]
      await unlessMissing(unlink(join(folder, file)), undefined)
      return []
    })
  )
  return users.flat()
}

/** When root creates something in another account's folder, it gives it to that account. */
export const giveToOwnerOf = async (folder: string, path: string): Promise<void> => {
  if (process.getuid?.() !== 0) return
  const owner = await stat(folder)
  await chown(path, owner.uid, owner.gid)
}

/**
 * Runs `use` with control of the folder: no other process starts or stops its server meanwhile. Waits for at most a minute.
 * Both the wait and `use` are interruptible where the caller is.
 */
export const withControlOf =
  (folder: string, kind: UserKind) =>
  <A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E | EmbeddedPostgresError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const file = yield* takeControl(folder, kind, restore(Effect.sleep(lockPollInterval)))
        return yield* restore(use).pipe(
          Effect.ensuring(Effect.ignore(attempt("leave its folder", () => leaveControl(folder, file))))
        )
      })
    )

const controlFolder = (folder: string): string => join(folder, "control.lock")

const takeControl = (
  folder: string,
  kind: UserKind,
  pause: Effect.Effect<void>
): Effect.Effect<string, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const file = yield* attempt("read its own start time", () => nameOwnFile(kind))
    const prepared = `${controlFolder(folder)}.${file}`
    yield* attempt(`write in ${folder}`, async () => {
      await mkdir(prepared)
      await writeFile(join(prepared, file), "")
      await giveToOwnerOf(folder, prepared)
    })
    const lastTry = (yield* Clock.currentTimeMillis) + lockTimeoutMillis
    return yield* Effect.gen(function* () {
      for (;;) {
        const turn = yield* attempt(`write in ${folder}`, () => tryToTakeControl(folder, prepared))
        if (turn === "taken") return file
        if ((yield* Clock.currentTimeMillis) > lastTry) return yield* failWith(hangs(folder, turn))
        yield* pause
      }
    }).pipe(Effect.onError(() => Effect.promise(() => rm(prepared, { recursive: true, force: true }).catch(() => {}))))
  })

const hangs = (folder: string, holder: User | undefined): string =>
  `Process ${holder?.pid ?? "?"} has been starting or stopping PostgreSQL in ${folder} for a minute. If it hangs, end it and start again.`

/**
 * Renaming a folder onto a non-empty one fails, and onto an empty one replaces it, atomically. So exactly one of many
 * contenders wins, even when all of them find the same stale lock.
 */
const tryToTakeControl = async (folder: string, prepared: string): Promise<"taken" | User | undefined> => {
  const lock = controlFolder(folder)
  try {
    await rename(prepared, lock)
    return "taken"
  } catch (error) {
    const isHeld = ["ENOTEMPTY", "EEXIST"].includes(codeOf(error) ?? "")
    // Windows never renames onto a folder, not even an empty one; it fails with EPERM.
    if (!isHeld && process.platform !== "win32") throw error
  }
  const [holder] = await liveUsers(lock)
  // rmdir removes only an empty folder, never a lock that is held.
  if (holder === undefined) await rmdir(lock).catch(() => {})
  return holder
}

const leaveControl = async (folder: string, file: string): Promise<void> => {
  await unlink(join(controlFolder(folder), file))
  await rmdir(controlFolder(folder)).catch(() => {})
}

/** Registers this process as a user of the server; returns its file. The caller must have control of the folder. */
export const register = async (folder: string, kind: UserKind): Promise<string> => {
  const users = join(folder, "users")
  await mkdir(users, { recursive: true })
  await giveToOwnerOf(folder, users)
  const file = join(users, await nameOwnFile(kind))
  await writeFile(file, "", { flag: "wx" })
  await giveToOwnerOf(folder, file)
  return file
}

export const unregister = (file: string): Promise<void> => rm(file, { force: true })

/** The current users of the server. The caller must have control of the folder. */
export const usersOf = (folder: string): Promise<ReadonlyArray<User>> => liveUsers(join(folder, "users"))

/** Deletes the unfinished files and folders, named by `nameUnfinished`, of processes that are gone. */
export const removeLeftovers = async (folder: string): Promise<void> => {
  const files = await unlessMissing(readdir(folder), [])
  await Promise.all(
    files.map(async (file) => {
      const user = userOf(file.replace(/^.*\.(?=(daemon|command)\.\d)/, ""))
      if (user === undefined || (await startOf(user.pid)) === user.start) return
      await rm(join(folder, file), { recursive: true, force: true }).catch(() => {})
    })
  )
}

/** A path for an unfinished file or folder, which `removeLeftovers` deletes once this process is gone. */
export const nameUnfinished = async (path: string): Promise<string> => `${path}.${await nameOwnFile("command")}`
