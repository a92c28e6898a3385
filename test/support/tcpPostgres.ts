import { Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import { chown, copyFile, chmod, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { findBinaries } from "../../src/db/embedded/Binaries.ts"
import { database, prepareData, username } from "../../src/db/embedded/Cluster.ts"
import { findPlace } from "../../src/db/embedded/Place.ts"
import { type Account, spawnOptions } from "../../src/db/embedded/Processes.ts"
import { makeDataFolder, makeSystemFolder, testPackage } from "./folders.ts"
import { eventually } from "./processes.ts"

/**
 * A certificate or key of this folder: `authority` signed `server` (for localhost) and `client` (for the role certified); `kite`
 * (for kite.test) and `expired` (for localhost) have signed themselves.
 */
export const tlsFile = (name: `${"authority" | "other" | Keyed}.crt` | `${Keyed}.key`) =>
  join(import.meta.dirname, "tls", name)

type Keyed = "server" | "client" | "kite" | "expired"

/** A PostgreSQL of its own that listens on TCP. */
export interface TcpPostgres {
  readonly port: number
  readonly password: string
  /** The account it runs as; undefined: that of this process. */
  readonly account: Account | undefined
  /** The URL by a name of this host; `query` is what follows the question mark. */
  readonly url: (host: string, query?: string) => string
}

/** A port of this host that nobody listens on. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** A process that is killed when the scope closes; `log` is what it has written on stderr so far. */
export const runServer = (program: string, args: ReadonlyArray<string>, account: Account | undefined) =>
  Effect.gen(function* () {
    let log = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(program, args, { ...spawnOptions(account), stdio: ["ignore", "ignore", "pipe"] })
        child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
        return child
      }),
      (child) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.kill("SIGQUIT")
        })
    )
    return { log: Effect.sync(() => log), signal: (name: NodeJS.Signals) => Effect.sync(() => child.kill(name)) }
  })

const makeFolder = (make: () => Promise<string>) =>
  Effect.acquireRelease(Effect.promise(make), (folder) =>
    Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

/**
 * Starts a PostgreSQL on 127.0.0.1 and a unix socket in its folder, until the scope closes. `hba` is the text of its
 * pg_hba.conf; with `tls` it has the certificate `server.crt` for localhost, and trusts `authority.crt`.
 */
export const tcpPostgres = Effect.fnUntraced(function* (options: {
  readonly tls: boolean
  readonly hba: string
  readonly settings?: Readonly<Record<string, string>>
}) {
  const folder = yield* makeFolder(makeDataFolder)
  const systemFolder = yield* makeFolder(makeSystemFolder)
  const place = yield* findPlace(join(folder, "pulse"), systemFolder)
  const binaries = yield* findBinaries(place.account, systemFolder, testPackage)
  const password = Redacted.value(yield* prepareData(place, binaries))
  const { account, dataFolder } = place
  const give = async (path: string) => {
    await chmod(path, 0o600)
    if (account !== undefined) await chown(path, account.uid, account.gid)
  }
  yield* Effect.promise(async () => {
    const names = ["authority.crt", "server.crt", "server.key"] as const
    await Promise.all(names.map((name) => copyFile(tlsFile(name), join(dataFolder, name))))
    await Promise.all(names.map((name) => give(join(dataFolder, name))))
    await writeFile(join(dataFolder, "pg_hba.conf"), options.hba)
    await give(join(dataFolder, "pg_hba.conf"))
  })
  const port = yield* freePort
  const settings: Readonly<Record<string, string>> = {
    listen_addresses: "127.0.0.1",
    port: `${port}`,
    unix_socket_directories: dataFolder,
    fsync: "off",
    ...(options.tls
      ? { ssl: "on", ssl_cert_file: "server.crt", ssl_key_file: "server.key", ssl_ca_file: "authority.crt" }
      : {}),
    ...options.settings
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const { log } = yield* runServer(binaries.postgres, ["-D", dataFolder, ...args], account)
  yield* eventually("PostgreSQL is ready", log, (text) => text.includes("ready to accept connections"))
  const server: TcpPostgres = {
    port,
    password,
    account,
    url: (host, query = "") =>
      `postgres://${username}:${encodeURIComponent(password)}@${host}:${port}/${database}${query === "" ? "" : `?${query}`}`
  }
  return server
})
