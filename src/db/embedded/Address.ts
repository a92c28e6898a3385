import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { unlessMissing } from "./Failure.ts"
import type { Place } from "./Place.ts"
import type { Account } from "./Processes.ts"

/** A server, as described by its `postmaster.pid`. */
export interface RunningServer {
  readonly pid: number
  /** The folder of the unix socket; on Windows the loopback address. */
  readonly host: string
  readonly port: number
  readonly state: "starting" | "ready" | "stopping"
}

/** macOS has the shortest limit for the path of a socket, 103 bytes; PostgreSQL appends the file name to the folder. */
const maxSocketFolderBytes = 103 - "/.s.PGSQL.65535".length
const socketPort = 5432
const temporaryPrefix = "pulse-background-"

/** The file in which the server of a data folder describes itself. */
export const pidFile = (place: Place): string => join(place.dataFolder, "postmaster.pid")

export const readPidFile = async (place: Place): Promise<RunningServer | undefined> => {
  const lines = (await unlessMissing(readFile(pidFile(place), "utf8"), "")).split("\n").map((line) => line.trim())
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  const state = lines[7] === "ready" || lines[7] === "stopping" ? lines[7] : "starting"
  return { pid, host: lines[4] || lines[5] || "", port: Number(lines[3] ?? 0), state }
}

export const socketOf = (server: RunningServer): string => join(server.host, `.s.PGSQL.${server.port}`)

export interface Address {
  /** Empty on Windows, where the server listens on 127.0.0.1. */
  readonly socketFolder: string
  readonly port: number
}

/** A new folder for the socket, or on Windows a free port. */
export const makeAddress = async (place: Place): Promise<Address> => {
  if (process.platform === "win32") return { socketFolder: "", port: await findFreePort() }
  const socketFolder = await makeSocketFolder(place)
  await chmod(socketFolder, 0o700)
  if (place.account !== undefined) await chown(socketFolder, place.account.uid, place.account.gid)
  return { socketFolder, port: socketPort }
}

/** A folder beside the data, or, where that path is too long for a socket, among the temporary files. */
const makeSocketFolder = async (place: Place): Promise<string> => {
  const beside = besideData(place)
  await rm(beside, { recursive: true, force: true })
  if (Buffer.byteLength(beside) <= maxSocketFolderBytes) {
    await mkdir(beside, { mode: 0o700 })
    return beside
  }
  const last = (await readPidFile(place))?.host ?? ""
  // The last folder is reused, so that connected daemons find the server at the same address.
  if (await isOurTemporaryFolder(last, place.account)) {
    await rm(join(last, `.s.PGSQL.${socketPort}`), { force: true })
    await rm(join(last, `.s.PGSQL.${socketPort}.lock`), { force: true })
    return last
  }
  const parent = [process.getuid?.() === 0 ? "/run" : tmpdir(), "/tmp"].find(
    (folder) => Buffer.byteLength(join(folder, `${temporaryPrefix}XXXXXX`)) <= maxSocketFolderBytes
  )
  return mkdtemp(join(parent ?? "/tmp", temporaryPrefix))
}

/** Deletes the socket folder of a server that has ended. */
export const removeAddress = async (place: Place, socketFolder: string): Promise<void> => {
  const isOurs = socketFolder === besideData(place) || basename(socketFolder).startsWith(temporaryPrefix)
  if (isOurs) await rm(socketFolder, { recursive: true, force: true })
}

const besideData = (place: Place): string => join(place.folder, "socket")

const isOurTemporaryFolder = async (folder: string, account: Account | undefined): Promise<boolean> => {
  if (!basename(folder).startsWith(temporaryPrefix)) return false
  const info = await lstat(folder).catch(() => undefined)
  const owner = account?.uid ?? process.getuid?.()
  return info !== undefined && info.isDirectory() && info.uid === owner && (info.mode & 0o077) === 0
}

const findFreePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
