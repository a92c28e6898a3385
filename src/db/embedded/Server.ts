import { Clock, Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { constants } from "node:fs"
import { copyFile, open, readFile, rm, stat, truncate } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import {
  type Address,
  makeAddress,
  pidFile,
  readPidFile,
  removeAddress,
  type RunningServer,
  socketOf
} from "./Address.ts"
import { type Binaries, cannotRun } from "./Binaries.ts"
import { lastLines } from "./Cluster.ts"
import { attempt, codeOf, type EmbeddedPostgresError, failWith, unlessMissing } from "./Failure.ts"
import type { Place } from "./Place.ts"
import { isServerOf, signal, spawnOptions, startOf } from "./Processes.ts"
import { giveToOwnerOf } from "./Users.ts"

export type ServerSettings = Readonly<Record<string, string | number>>

/** Long enough for crash recovery, which comes before "ready" and would start over if it were interrupted. */
const startTimeoutMillis = 120_000
const fastStopTimeoutMillis = 20_000
const immediateStopTimeoutMillis = 10_000
const pollInterval = "5 millis"
const logLimitBytes = 10_000_000

/** The live server of a data folder, in any state. */
export const findServer = (place: Place): Effect.Effect<RunningServer | undefined, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const noted = yield* attempt(`read ${pidFile(place)}`, () => readPidFile(place))
    if (noted === undefined) return undefined
    const isOurs = yield* attempt(`look at process ${noted.pid}`, () => isServerOf(noted.pid, place.dataFolder))
    if (isOurs === "unsure") {
      return yield* failWith(
        `Process ${noted.pid} is a PostgreSQL server, and nobody can tell whether it is the one of ${place.dataFolder}. ` +
          `Stop it; if it belongs to something else, delete ${pidFile(place)}.`
      )
    }
    return isOurs === "yes" ? noted : undefined
  })

/** False when nothing listens at the server's address. A server too busy to answer counts as reachable. */
export const isReachable = (server: RunningServer): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const address = process.platform === "win32" ? { host: server.host, port: server.port } : { path: socketOf(server) }
    const socket = connect(address)
    const answer = (isThere: boolean) => {
      socket.destroy()
      resume(Effect.succeed(isThere))
    }
    socket.once("connect", () => answer(true))
    socket.once("error", (error) => answer(!["ENOENT", "ECONNREFUSED", "ENOTSOCK"].includes(codeOf(error) ?? "")))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.succeed(true) }))

/** Waits until a starting server is ready. Undefined: it has ended instead. */
export const waitUntilReady = (place: Place): Effect.Effect<RunningServer | undefined, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const lastLook = (yield* Clock.currentTimeMillis) + startTimeoutMillis
    for (;;) {
      const server = yield* findServer(place)
      if (server?.state !== "starting") return server
      if ((yield* Clock.currentTimeMillis) > lastLook) return yield* startTakesTooLong(place)
      yield* Effect.sleep(pollInterval)
    }
  })

/**
 * Starts the server of a data folder and waits until it is ready. Undefined: it ended because another server has the folder.
 * An interruption or failure stops it. The caller must have control of the folder.
 */
export const startServer = (
  place: Place,
  binaries: Binaries,
  settings: ServerSettings
): Effect.Effect<RunningServer | undefined, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    yield* attempt(`clear ${pidFile(place)}`, () => clearStalePidFile(place))
    yield* rotateLog(place)
    const lastTry = (yield* Clock.currentTimeMillis) + startTimeoutMillis
    for (;;) {
      const outcome = yield* startOnce(place, binaries, settings, lastTry)
      if (outcome !== "older processes remain") return outcome
      yield* Effect.sleep("100 millis")
    }
  })

const startOnce = (place: Place, binaries: Binaries, settings: ServerSettings, lastLook: number) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const address = yield* attempt("make a folder for its socket", () => makeAddress(place))
      const logStart = yield* attempt(`write its log ${logFile(place)}`, () => sizeOf(logFile(place)))
      const child = yield* attempt(`run ${binaries.postgres}`, () =>
        spawnServer(place, binaries, serverArguments(place, address, settings))
      )
      const stopAgain = Effect.ignore(stopProcess(place, child.process.pid))
      const server = yield* restore(waitForChild(place, child.process, lastLook)).pipe(Effect.onError(() => stopAgain))
      if (server !== undefined) return server
      yield* attempt(`delete ${address.socketFolder}`, () => removeAddress(place, address.socketFolder))
      if (child.failure.message !== "") {
        return yield* failWith(cannotRun(binaries.postgres, child.failure.message, place.account))
      }
      return yield* explainEnd(place, logStart, lastLook)
    })
  )

/** Waits until the started server is ready; undefined when it has ended. */
const waitForChild = (place: Place, child: ChildProcess, lastLook: number) =>
  Effect.gen(function* () {
    for (;;) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return undefined
      const noted = yield* attempt(`read ${pidFile(place)}`, () => readPidFile(place))
      if (noted?.pid === child.pid && noted.state === "ready") return noted
      if ((yield* Clock.currentTimeMillis) > lastLook) return yield* startTakesTooLong(place)
      yield* Effect.sleep(pollInterval)
    }
  })

/** Why a server ended at its start: another one is there, older processes remain and it may be tried again, or as logged. */
const explainEnd = (place: Place, logStart: number, lastTry: number) =>
  Effect.gen(function* () {
    const log = yield* readLog(place, logStart)
    if ((yield* findServer(place)) !== undefined) return undefined
    // PostgreSQL says this until the last processes of a killed server are gone.
    const mayTryAgain = log.includes("pre-existing shared memory block") && (yield* Clock.currentTimeMillis) < lastTry
    if (mayTryAgain) return "older processes remain" as const
    return yield* failWith(`PostgreSQL did not start in ${place.dataFolder}. Its log says: ${lastLines(log)}`)
  })

const startTakesTooLong = (place: Place) =>
  Effect.flatMap(readLog(place, 0), (log) =>
    failWith(
      `PostgreSQL in ${place.dataFolder} was not ready after ${startTimeoutMillis / 1000} seconds. Its log says: ${lastLines(log)}`
    )
  )

/** PostgreSQL notices that the process named in the file is gone, but not that its id belongs to another process now. */
const clearStalePidFile = async (place: Place): Promise<void> => {
  const noted = await readPidFile(place)
  if (noted === undefined || !signal(noted.pid, 0)) return
  if ((await isServerOf(noted.pid, place.dataFolder)) === "no") await rm(pidFile(place), { force: true })
}

const serverArguments = (place: Place, address: Address, settings: ServerSettings): ReadonlyArray<string> => {
  const usesSocket = address.socketFolder !== ""
  const all: ServerSettings = {
    max_connections: 100,
    timezone: "UTC",
    log_timezone: "UTC",
    log_line_prefix: "%m [%p] ",
    log_statement: "none",
    // The text of a statement may contain data that do not belong in a log.
    log_min_error_statement: "panic",
    log_checkpoints: "off",
    ...settings,
    port: address.port,
    listen_addresses: usesSocket ? "" : "127.0.0.1",
    unix_socket_directories: usesSocket ? `"${address.socketFolder.replaceAll('"', '""')}"` : "",
    unix_socket_permissions: "0700"
  }
  return ["-D", place.dataFolder, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])]
}

const spawnServer = async (place: Place, binaries: Binaries, args: ReadonlyArray<string>) => {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants
  const log = await open(logFile(place), O_WRONLY | O_CREAT | O_APPEND | (O_NOFOLLOW ?? 0), 0o600)
  try {
    await giveToOwnerOf(place.folder, logFile(place))
    const child = spawn(binaries.postgres, [...args], {
      ...spawnOptions(place.account),
      stdio: ["ignore", log.fd, log.fd]
    })
    const failure = { message: "" }
    child.once("error", (error) => {
      failure.message = error.message
    })
    // The server survives a killed daemon, and must not keep this process from ending.
    child.unref()
    return { process: child, failure }
  } finally {
    await log.close()
  }
}

/** Stops a server and deletes its socket folder. Clients are disconnected. The caller must have control of the folder. */
export const stopServer = (place: Place, server: RunningServer): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    yield* stopProcess(place, server.pid)
    yield* attempt(`delete ${server.host}`, () => removeAddress(place, server.host))
  }).pipe(Effect.uninterruptible)

/** A "fast" shutdown, then an "immediate" one, after which the next start recovers. */
const stopProcess = (place: Place, pid: number | undefined): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    if (pid === undefined) return
    if (yield* signalAndWait(pid, "SIGINT", fastStopTimeoutMillis)) return
    yield* Effect.logWarning(`PostgreSQL (pid ${pid}) did not stop in 20 seconds: stopping it at once`)
    if (yield* signalAndWait(pid, "SIGQUIT", immediateStopTimeoutMillis)) return
    return yield* failWith(
      `PostgreSQL (pid ${pid}) in ${place.dataFolder} does not stop: end that process, then start again.`
    )
  })

const signalAndWait = (pid: number, name: NodeJS.Signals, timeoutMillis: number) =>
  Effect.gen(function* () {
    const readStart = attempt(`look at process ${pid}`, () => startOf(pid))
    const start = yield* readStart
    if (start === undefined) return true
    signal(pid, name)
    const lastLook = (yield* Clock.currentTimeMillis) + timeoutMillis
    while ((yield* readStart) === start) {
      if ((yield* Clock.currentTimeMillis) > lastLook) return false
      yield* Effect.sleep(pollInterval)
    }
    return true
  })

const logFile = (place: Place): string => join(place.folder, "postgresql.log")

const sizeOf = (file: string): Promise<number> =>
  unlessMissing(
    stat(file).then(({ size }) => size),
    0
  )

const readLog = (place: Place, fromByte: number): Effect.Effect<string> =>
  Effect.promise(async () => {
    const log = await readFile(logFile(place)).catch(() => Buffer.alloc(0))
    return log.subarray(Math.max(fromByte, log.length - 8_000)).toString("utf8")
  })

/** Keeps the log and its predecessor below a limit. PostgreSQL appends, so it continues at the start of the emptied file. */
export const rotateLog = (place: Place): Effect.Effect<void> =>
  Effect.ignore(
    attempt("shorten its log", async () => {
      if ((await sizeOf(logFile(place))) <= logLimitBytes) return
      const previous = `${logFile(place)}.1`
      await rm(previous, { force: true })
      await copyFile(logFile(place), previous, constants.COPYFILE_EXCL)
      await giveToOwnerOf(place.folder, previous)
      await truncate(logFile(place))
    })
  )
