import { Effect, type Redacted, Schedule, type Scope } from "effect"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import type { RunningServer } from "./embedded/Address.ts"
import { findBinaries, findPackage } from "./embedded/Binaries.ts"
import { database, prepareData, username } from "./embedded/Cluster.ts"
import { type EmbeddedPostgresError, failWith, attempt } from "./embedded/Failure.ts"
import { findPlace, type Place } from "./embedded/Place.ts"
import {
  findServer,
  isReachable,
  rotateLog,
  type ServerSettings,
  startServer,
  stopServer,
  waitUntilReady
} from "./embedded/Server.ts"
import { register, removeLeftovers, unregister, type UserKind, usersOf, withControlOf } from "./embedded/Users.ts"

/*
 * The service's own PostgreSQL: a real server from an npm package, whose data survive restarts. At most one daemon uses a
 * folder, with any number of commands beside it. Its users are recorded in the folder, and the last one to leave stops the
 * server. A killed daemon leaves the server running, and the next user takes it over. Called by `DbLayer` when
 * DATABASE_URL is not set.
 *
 * It uses node:child_process instead of effect/process, because PostgreSQL refuses to run as root and only the former can
 * change the account.
 */

export interface EmbeddedServer {
  /** The folder of the server's unix socket; on Windows 127.0.0.1. */
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Redacted.Redacted
  readonly database: string
  /** The actual data folder. For root it may differ from the configured one. */
  readonly dataFolder: string
  /** The process id of the server. */
  readonly pid: number
  /** False when it was already running. */
  readonly startedByUs: boolean
}

export interface EmbeddedOptions {
  /** The configured folder, which identifies the data; relative to the working directory. Created when missing. */
  readonly folder: string
  /** Server settings to add or change, such as `fsync`. They apply only to a server that this call starts. */
  readonly settings?: ServerSettings
  /** For root: the folder for programs and data that PostgreSQL's account cannot reach elsewhere. */
  readonly systemFolder?: string
  /** The npm package of another version of PostgreSQL, for tests. */
  readonly packageFolder?: string | undefined
}

/**
 * For the daemon: starts the server or takes over a running one, restarts it if it dies, and stops it when the scope closes,
 * unless a command still uses it. Fails when another daemon uses the folder.
 */
export const ownServer = (
  options: EmbeddedOptions
): Effect.Effect<EmbeddedServer, EmbeddedPostgresError, Scope.Scope> => haveServer("daemon", options)

/**
 * For a command: uses the running server or starts one, and stops it when the scope closes, unless a daemon or another command
 * uses it.
 */
export const useServer = (
  options: EmbeddedOptions
): Effect.Effect<EmbeddedServer, EmbeddedPostgresError, Scope.Scope> => haveServer("command", options)

const defaultSystemFolder = "/var/lib/pulse-background"
const tendingInterval = "1 second"
const maxTries = 5

const haveServer = Effect.fnUntraced(function* (kind: UserKind, options: EmbeddedOptions) {
  const systemFolder = options.systemFolder ?? defaultSystemFolder
  // Checked first: without the package, as in the container image, the error must ask for DATABASE_URL, not for a folder.
  if (options.packageFolder === undefined) yield* findPackage
  const place = yield* findPlace(options.folder, systemFolder)
  const binaries = yield* findBinaries(place.account, systemFolder, options.packageFolder)
  const inControl = withControlOf(place.folder, kind)

  const ensureRunning = inControl(
    Effect.gen(function* () {
      const password = yield* prepareData(place, binaries)
      for (let tries = 1; tries <= maxTries; tries++) {
        const running = yield* findUsableServer(place, kind)
        if (running !== undefined) return describe(place, running, password, false)
        const started = yield* startServer(place, binaries, options.settings ?? {})
        if (started !== undefined) return describe(place, started, password, true)
      }
      return yield* failWith(`Another program keeps starting and stopping PostgreSQL in ${place.dataFolder}. End it.`)
    })
  )

  const entering = inControl(Effect.uninterruptible(enter(place, kind)))
  yield* Effect.acquireRelease(entering, (file) => leave(place, file, inControl), { interruptible: true })
  const server: EmbeddedServer = yield* ensureRunning
  if (kind === "daemon") yield* Effect.forkScoped(tend(place, server, ensureRunning))
  return server
})

const describe = (
  place: Place,
  { host, pid, port }: RunningServer,
  password: Redacted.Redacted,
  startedByUs: boolean
): EmbeddedServer => ({ host, port, pid, username, password, database, dataFolder: place.dataFolder, startedByUs })

/** The running server if clients can reach it; one that is stopping or unreachable is stopped. */
const findUsableServer = (place: Place, kind: UserKind) =>
  Effect.gen(function* () {
    const found = yield* findServer(place)
    const server = found?.state === "starting" ? yield* waitUntilReady(place) : found
    if (server === undefined) return undefined
    if (server.state === "ready") {
      if (yield* isReachable(server)) return server
      const users = yield* attempt("see who uses it", () => usersOf(place.folder))
      const daemon = users.find((user) => user.kind === "daemon")
      if (kind === "command" && daemon !== undefined) {
        return yield* failWith(
          `PostgreSQL runs in ${place.dataFolder}, but its socket in ${server.host} is gone. ` +
            `The daemon (pid ${daemon.pid}) is about to start it again: try once more.`
        )
      }
    }
    yield* stopServer(place, server)
    return undefined
  })

const enter = (place: Place, kind: UserKind): Effect.Effect<string, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    yield* attempt(`clear up in ${place.folder}`, () => removeLeftovers(place.folder))
    const users = yield* attempt(`see who uses ${place.folder}`, () => usersOf(place.folder))
    const daemon = users.find((user) => user.kind === "daemon")
    if (kind === "daemon" && daemon !== undefined) {
      return yield* failWith(
        `Another daemon (pid ${daemon.pid}) already uses the data in ${place.folder}. ` +
          "Stop it, or give this one a folder of its own with EMBEDDED_POSTGRES_FOLDER."
      )
    }
    return yield* attempt(`write in ${place.folder}`, () => register(place.folder, kind))
  })

const leave = (place: Place, file: string, inControl: ReturnType<typeof withControlOf>): Effect.Effect<void> =>
  inControl(
    Effect.gen(function* () {
      yield* attempt(`leave ${place.folder}`, () => unregister(file))
      if ((yield* attempt("see who uses it", () => usersOf(place.folder))).length > 0) return
      const server = yield* findServer(place)
      if (server !== undefined) yield* stopServer(place, server)
    })
  ).pipe(
    Effect.catch((error) => Effect.logError(`The service's own PostgreSQL was not stopped: ${error.message}`)),
    Effect.ensuring(Effect.ignore(attempt(`leave ${place.folder}`, () => unregister(file))))
  )

/** While the daemon runs: keeps the log short, and restarts a server that has died or lost its socket. */
const tend = (
  place: Place,
  server: EmbeddedServer,
  ensureRunning: Effect.Effect<EmbeddedServer, EmbeddedPostgresError>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* rotateLog(place)
    const running = yield* findServer(place)
    if (running !== undefined && (yield* isReachable(running))) return
    yield* Effect.logWarning(`PostgreSQL in ${place.dataFolder} is gone: starting it again`)
    const again = yield* ensureRunning
    if (again.host === server.host && again.port === server.port) return
    yield* Effect.logError(`PostgreSQL is back at another address, ${again.host}: restart the service`)
  }).pipe(
    Effect.catch((error) => Effect.logError(error.message)),
    logAndContinue("Could not look after PostgreSQL"),
    Effect.repeat(Schedule.spaced(tendingInterval)),
    Effect.asVoid
  )
