import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type EmbeddedServer, ownServer, useServer } from "../../src/db/EmbeddedPostgres.ts"
import type { Holding } from "../support/embeddedPostgresHolder.ts"
import { makeDataFolder, makeSystemFolder } from "../support/folders.ts"
import { eventually } from "../support/processes.ts"

const isRoot = process.getuid?.() === 0
const holderScript = join(import.meta.dirname, "../support/embeddedPostgresHolder.ts")

/** The options of a server in a new folder that PostgreSQL's account can enter. */
const freshOptions = (...path: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => ({ folder: await makeDataFolder(), systemFolder: await makeSystemFolder() })),
      (folders) =>
        Effect.promise(() =>
          Promise.all(Object.values(folders).map((folder) => rm(folder, { recursive: true, force: true })))
        )
    ),
    ({ folder, systemFolder }) => ({ folder: join(folder, ...path, "pulse"), systemFolder })
  )

const sharedFolder = join(tmpdir(), `pulse-embedded-shared-${process.pid}`)
const sharedOptions = {
  folder: join(sharedFolder, `O'Brien, "quoted" ünd so`),
  systemFolder: join(sharedFolder, "system")
}
const stopSharedServer = Effect.ignore(Effect.scoped(useServer(sharedOptions)))

beforeAll(async () => {
  await mkdir(sharedFolder)
  await chmod(sharedFolder, 0o755)
  await Effect.runPromise(stopSharedServer)
})

afterAll(() => rm(sharedFolder, { recursive: true, force: true }))

/** Options on data that several tests share, because new data take a second to make; no server is running. */
const usedOptions = Effect.acquireRelease(Effect.succeed(sharedOptions), ({ folder }) =>
  existsSync(join(folder, "data", "postmaster.pid")) ? stopSharedServer : Effect.void
)

type Options = Effect.Success<ReturnType<typeof freshOptions>>

const connect = (server: EmbeddedServer, password = server.password) =>
  PgClient.makeClient({
    host: server.host,
    port: server.port,
    username: server.username,
    password,
    database: server.database
  }).pipe(Effect.provide(Reactivity.layer))

const writeMark = (server: EmbeddedServer) =>
  Effect.scoped(Effect.flatMap(connect(server), (sql) => sql`create table if not exists mark as select 42 as mark`))

const readMark = (server: EmbeddedServer) =>
  Effect.scoped(
    Effect.map(
      Effect.flatMap(connect(server), (sql) => sql<{ readonly mark: number }>`select mark from mark`),
      (rows) => rows[0]?.mark
    )
  )

/** Whether a process runs; a zombie does not. */
const isAlive = (pid: number): Promise<boolean> =>
  process.platform === "linux"
    ? readFile(`/proc/${pid}/stat`, "utf8").then(
        (status) => !/\) [ZX] /.test(status),
        () => false
      )
    : Promise.resolve().then(
        () => process.kill(pid, 0),
        () => false
      )

const waitUntil = (what: string, check: () => Promise<boolean>) => eventually(what, Effect.promise(check), Boolean)

const waitUntilGone = (pid: number) => waitUntil(`process ${pid} is gone`, async () => !(await isAlive(pid)))

/** Starts another process that holds the folder's server; it is ended with the test. */
const spawnHolder = (kind: "own" | "use", options: Options) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [holderScript, kind, options.folder, options.systemFolder], {
        stdio: ["ignore", "pipe", "inherit"],
        detached: true
      })
    ),
    (holder) => endWith(holder, "SIGTERM")
  )

const endWith = (holder: ChildProcess, signal: NodeJS.Signals) =>
  Effect.promise(async () => {
    if (holder.exitCode !== null || holder.signalCode !== null) return
    const ended = once(holder, "exit")
    // The whole process group gets the signal, as with Ctrl-C in a terminal.
    process.kill(-(holder.pid ?? 0), signal)
    await ended
  })

const readHolding = (holder: Effect.Success<ReturnType<typeof spawnHolder>>) =>
  Effect.promise(async (): Promise<Holding> => {
    for await (const line of createInterface(holder.stdout)) return JSON.parse(line)
    return { has: "error", message: "ended without a word" }
  })

const expectServer = (holding: Holding) =>
  holding.has === "server" ? Effect.succeed(holding) : Effect.die(`no server: ${holding.message}`)

const holdServer = (kind: "own" | "use", options: Options) =>
  Effect.gen(function* () {
    const holder = yield* spawnHolder(kind, options)
    return { holder, server: yield* Effect.flatMap(readHolding(holder), expectServer) }
  })

/** Ends a holder by kill -9 while its server keeps running. */
const orphanServer = (options: Options) =>
  Effect.gen(function* () {
    const { holder, server } = yield* holdServer("own", options)
    yield* endWith(holder, "SIGKILL")
    return server
  })

/** A folder whose holder was killed while it made the data; it tries again when a holder was too quick to be killed then. */
const unfinishedOptions: ReturnType<typeof freshOptions> = Effect.gen(function* () {
  const options = yield* freshOptions()
  const begun = async () => {
    const files = existsSync(options.folder) ? await readdir(options.folder) : []
    const data = files.filter((file) => file.startsWith("unfinished")).map((file) => join(options.folder, file, "data"))
    return data.filter((folder) => existsSync(join(folder, "base")))
  }
  const isFinished = () => existsSync(join(options.folder, "data"))
  const holder = yield* spawnHolder("own", options)
  yield* waitUntil("initdb is at work, or done", async () => (await begun()).length > 0 || isFinished())
  yield* endWith(holder, "SIGKILL")
  return isFinished() ? yield* unfinishedOptions : options
})

describe("EmbeddedPostgres", () => {
  it.live("makes a database at the first start, keeps it, and stops without leftovers", () =>
    Effect.gen(function* () {
      const options = yield* freshOptions()
      const first = yield* Effect.scoped(Effect.tap(ownServer(options), writeMark))
      assert.isTrue(first.startedByUs)
      assert.isFalse(yield* Effect.promise(() => isAlive(first.pid)))
      assert.isFalse(existsSync(first.host))
      assert.strictEqual((yield* Effect.promise(() => stat(join(options.folder, "password")))).mode & 0o777, 0o600)

      assert.strictEqual(yield* Effect.scoped(Effect.flatMap(ownServer(options), readMark)), 42)
      assert.deepStrictEqual((yield* Effect.promise(() => readdir(options.folder))).toSorted(), [
        "data",
        "password",
        "postgresql.log",
        "users"
      ])
    })
  )

  it.live("is durable, uses UTF-8 and UTC, requires a password and opens no port", () =>
    Effect.gen(function* () {
      const server = yield* ownServer(yield* usedOptions)
      const sql = yield* connect(server)
      const names = ["server_encoding", "TimeZone", "fsync", "listen_addresses", "log_statement", "max_connections"]
      const rows = yield* sql<{ readonly value: string }>`
        select current_setting(name) as value from unnest(${names}::text[]) with ordinality as wanted(name, place)
        order by place`
      assert.deepStrictEqual(
        rows.map(({ value }) => value),
        ["UTF8", "UTC", "on", process.platform === "win32" ? "127.0.0.1" : "", "none", "100"]
      )
      const intruder = yield* Effect.exit(connect(server, Redacted.make("guess")))
      assert.isTrue(Exit.isFailure(intruder))
    })
  )

  it.live("accepts settings for tests", () =>
    Effect.gen(function* () {
      const server = yield* useServer({ ...(yield* usedOptions), settings: { fsync: "off", max_connections: 7 } })
      const sql = yield* connect(server)
      const rows = yield* sql`select current_setting('fsync') as fsync, current_setting('max_connections') as most`
      assert.deepStrictEqual({ ...rows[0] }, { fsync: "off", most: "7" })
    })
  )

  it.live("works in a folder with a space, quotes and a comma in its name", () =>
    Effect.gen(function* () {
      const server = yield* ownServer(yield* usedOptions)
      assert.include(server.host, `O'Brien, "quoted" ünd so`)
      yield* writeMark(server)
    })
  )

  it.live("works in a folder whose path is too long for a socket, also after a crash", () =>
    Effect.gen(function* () {
      const options = yield* freshOptions("long".repeat(20), "path".repeat(20))
      const orphan = yield* orphanServer(options)
      assert.isBelow(Buffer.byteLength(orphan.host), 90)
      assert.strictEqual((yield* Effect.promise(() => stat(orphan.host))).mode & 0o777, 0o700)
      const server = yield* Effect.scoped(Effect.tap(ownServer(options), writeMark))
      assert.strictEqual(server.pid, orphan.pid)
      assert.isFalse(existsSync(server.host))
    })
  )

  it.live("refuses a second daemon, and names the first one", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      yield* ownServer(options)
      const second = yield* spawnHolder("own", options)
      const holding = yield* readHolding(second)
      assert.strictEqual(holding.has, "error")
      assert.include(JSON.stringify(holding), `Another daemon (pid ${process.pid})`)
    })
  )

  it.live("is held by one of several daemons that start at the same time", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const holders = yield* Effect.forEach([1, 2, 3], () => spawnHolder("own", options))
      const holdings = yield* Effect.forEach(holders, readHolding, { concurrency: "unbounded" })
      assert.deepStrictEqual(holdings.map(({ has }) => has).toSorted(), ["error", "error", "server"])
      yield* Effect.forEach(holders, (holder) => endWith(holder, "SIGTERM"), { concurrency: "unbounded" })
    })
  )

  it.live("stops the server when the daemon's process group gets Ctrl-C", () =>
    Effect.gen(function* () {
      const { holder, server } = yield* holdServer("own", yield* usedOptions)
      yield* endWith(holder, "SIGINT")
      assert.isFalse(yield* Effect.promise(() => isAlive(server.pid)))
      assert.isFalse(existsSync(server.host))
    })
  )

  it.live("takes over the server of a daemon that was killed", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const orphan = yield* orphanServer(options)
      const scope = yield* Scope.make()
      const server = yield* ownServer(options).pipe(Scope.provide(scope))
      assert.isFalse(server.startedByUs)
      assert.strictEqual(server.pid, orphan.pid)
      yield* writeMark(server)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(yield* Effect.promise(() => isAlive(orphan.pid)))
    })
  )

  it.live("restarts a server that is unreachable because its socket was deleted", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const orphan = yield* orphanServer(options)
      yield* Effect.promise(() => rm(orphan.host, { recursive: true }))
      const server = yield* ownServer(options)
      assert.isTrue(server.startedByUs)
      assert.notStrictEqual(server.pid, orphan.pid)
      yield* writeMark(server)
    })
  )

  it.live("recovers when daemon and server were killed and other processes have their ids", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const orphan = yield* orphanServer(options)
      process.kill(orphan.pid, "SIGKILL")
      yield* waitUntilGone(orphan.pid)

      const pidFile = join(options.folder, "data", "postmaster.pid")
      const { uid, gid } = yield* Effect.promise(() => stat(pidFile))
      const stranger = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("sleep", ["86400"], { stdio: "ignore", ...(isRoot ? { uid, gid } : {}) })),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      yield* Effect.promise(async () => {
        const [, ...rest] = (await readFile(pidFile, "utf8")).split("\n")
        await writeFile(pidFile, [`${stranger.pid}`, ...rest].join("\n"))
        await mkdir(join(options.folder, "control.lock"))
        await Promise.all(
          ["users", "control.lock"].map((folder) =>
            writeFile(join(options.folder, folder, `daemon.${stranger.pid}.12345.abcdef`), "")
          )
        )
      })

      const server = yield* ownServer(options)
      assert.isTrue(server.startedByUs)
      yield* writeMark(server)
    })
  )

  it.live("recovers from a kill during the setup of the data folder", () =>
    Effect.gen(function* () {
      const server = yield* ownServer(yield* unfinishedOptions)
      assert.isTrue(server.startedByUs)
      yield* writeMark(server)
    })
  )

  it.live("restarts the server at the same address when it dies while the daemon runs", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const server = yield* ownServer(options)
      yield* writeMark(server)
      process.kill(server.pid, "SIGKILL")
      yield* waitUntilGone(server.pid)
      yield* eventually("the server is back", Effect.isSuccess(readMark(server)), Boolean)
    })
  )

  it.live("lets a command use the daemon's server", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const { server } = yield* holdServer("own", options)
      const used = yield* Effect.scoped(Effect.tap(useServer(options), writeMark))
      assert.strictEqual(used.pid, server.pid)
      assert.isFalse(used.startedByUs)
      assert.isTrue(yield* Effect.promise(() => isAlive(server.pid)))
    })
  )

  it.live.runIf(process.platform === "linux")("leaves no connection open after it looked for the server", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const { pid } = yield* ownServer(options)
      // Only the server's processes that serve a connection count, not its own helpers.
      const connections = async () => {
        const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ")
        const titles = children.map((child) => readFile(`/proc/${child}/cmdline`, "utf8").catch(() => ""))
        return (await Promise.all(titles)).filter((title) => title.includes("[local]"))
      }
      yield* Effect.forEach([1, 2, 3], () => Effect.scoped(useServer(options)))
      yield* waitUntil("the connections are closed", async () => (await connections()).length === 0)
    })
  )

  it.live("starts a server for commands without a daemon, which the last command stops", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const { holder, server } = yield* holdServer("use", options)
      const used = yield* Effect.scoped(Effect.tap(useServer(options), () => endWith(holder, "SIGTERM")))
      assert.strictEqual(used.pid, server.pid)
      assert.isFalse(yield* Effect.promise(() => isAlive(server.pid)))
    })
  )

  it.live("stops the server also when its last users end at the same time", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const holders = yield* Effect.forEach([1, 2, 3, 4], () => spawnHolder("use", options))
      const holdings = yield* Effect.forEach(holders, readHolding, { concurrency: "unbounded" })
      const servers = yield* Effect.forEach(holdings, expectServer)
      yield* Effect.forEach(holders, (holder) => endWith(holder, "SIGTERM"), { concurrency: "unbounded" })
      const pids = new Set(servers.map(({ pid }) => pid))
      assert.strictEqual(pids.size, 1)
      for (const pid of pids) assert.isFalse(yield* Effect.promise(() => isAlive(pid)))
    })
  )

  it.live("leaves a command's server to a daemon that has taken it over", () =>
    Effect.gen(function* () {
      const options = yield* usedOptions
      const { holder, server } = yield* holdServer("use", options)
      const owned = yield* ownServer(options)
      yield* endWith(holder, "SIGTERM")
      assert.strictEqual(owned.pid, server.pid)
      yield* writeMark(owned)
    })
  )

  it.live("says what to do about the data of another PostgreSQL version", () =>
    Effect.gen(function* () {
      const options = yield* freshOptions()
      yield* Effect.promise(async () => {
        await mkdir(join(options.folder, "data"), { recursive: true })
        await writeFile(join(options.folder, "data", "PG_VERSION"), "16\n")
      })
      const error = yield* Effect.flip(Effect.scoped(ownServer(options)))
      assert.include(error.message, "PostgreSQL 16")
      assert.include(error.message, "EMBEDDED_POSTGRES_FOLDER")
    })
  )

  it.live("says what to do about a folder that cannot be used", () =>
    Effect.gen(function* () {
      const options = yield* freshOptions()
      yield* Effect.promise(() => writeFile(options.folder, ""))
      const error = yield* Effect.flip(Effect.scoped(ownServer(options)))
      assert.include(error.message, options.folder)
      assert.include(error.message, "EMBEDDED_POSTGRES_FOLDER")
    })
  )

  describe.runIf(isRoot)("as root", () => {
    it.live("runs PostgreSQL as another account", () =>
      Effect.gen(function* () {
        const server = yield* ownServer(yield* usedOptions)
        const { uid } = yield* Effect.promise(() => stat(`/proc/${server.pid}`))
        assert.notStrictEqual(uid, 0)
      })
    )

    it.live("keeps the data in one other place when PostgreSQL's account cannot reach the folder", () =>
      Effect.gen(function* () {
        const options = yield* freshOptions("private")
        const closed = join(options.folder, "..")
        yield* Effect.promise(() => mkdir(closed, { mode: 0o700 }))
        const first = yield* Effect.scoped(Effect.tap(ownServer(options), writeMark))
        assert.isTrue(first.dataFolder.startsWith(join(options.systemFolder, "data")))

        yield* Effect.promise(() => chmod(closed, 0o755))
        assert.strictEqual(yield* Effect.scoped(Effect.flatMap(ownServer(options), readMark)), 42)
      })
    )

    it.live("never makes new data beside existing data that it cannot reach", () =>
      Effect.gen(function* () {
        const options = yield* usedOptions
        yield* Effect.acquireRelease(
          Effect.promise(() => chmod(sharedFolder, 0o700)),
          () => Effect.promise(() => chmod(sharedFolder, 0o755))
        )
        const error = yield* Effect.flip(Effect.scoped(ownServer(options)))
        assert.include(error.message, "cannot reach")
      })
    )
  })
})
