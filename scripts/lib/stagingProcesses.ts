import { Effect, Redacted, Schedule, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { type EmbeddedServer, useServer } from "../../src/db/EmbeddedPostgres.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

export class StagingFailed extends Schema.TaggedError<StagingFailed>()("StagingFailed", { message: Schema.String }) {}

export type Environment = Readonly<Record<string, string>>

/** The only variables that child processes inherit. */
const inherited: Environment = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" }

export const exitOf = (child: ChildProcess) =>
  Effect.callback<number>((resume) => {
    const done = () => resume(Effect.succeed(child.exitCode ?? 1))
    if (child.exitCode !== null || child.signalCode !== null) done()
    else child.once("exit", done)
  })

/** Starts dist/main.js in its own process group, so that Ctrl-C reaches only this script. Output goes to a file or to ours. */
export const spawnMain = (args: ReadonlyArray<string>, environment: Environment, logFile: string | "inherit") => {
  if (logFile !== "inherit") mkdirSync(dirname(logFile), { recursive: true })
  const output = logFile === "inherit" ? logFile : openSync(logFile, "a")
  try {
    return spawn(process.execPath, [main, ...args], {
      env: { ...inherited, ...environment },
      stdio: ["ignore", output, output],
      detached: true
    })
  } finally {
    if (typeof output === "number") closeSync(output)
  }
}

/** A process that runs until the scope closes; it is then sent SIGTERM and waited for. */
export const running = (args: ReadonlyArray<string>, environment: Environment, logFile: string | "inherit") =>
  Effect.acquireRelease(
    Effect.sync(() => spawnMain(args, environment, logFile)),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGTERM")),
        exitOf(child)
      )
  )

/** Runs one command of the service; fails with StagingFailed unless it exits with 0. */
export const command = (args: ReadonlyArray<string>, environment: Environment, logFile: string) =>
  Effect.suspend(() => exitOf(spawnMain(args, environment, logFile))).pipe(
    Effect.filterOrFail(
      (code) => code === 0,
      (code) => new StagingFailed({ message: `${args.join(" ")} ended with exit code ${code}; see ${logFile}` })
    )
  )

/** A PostgreSQL server in a folder, until the scope closes. Run again, it restarts a server that has ended. */
export const postgresServer = (folder: string) =>
  Effect.suspend(() => {
    mkdirSync(folder, { recursive: true })
    // Started by root, PostgreSQL runs as another account and needs access to the folder.
    chmodSync(folder, 0o711)
    return useServer({ folder: join(folder, "postgres") })
  })

type Reachable = Pick<EmbeddedServer, "host" | "port" | "username" | "password" | "database">

/** The DATABASE_URL of an embedded server, for other processes. */
export const urlOf = ({ host, port, username, password, database }: Reachable): string => {
  const secret = encodeURIComponent(Redacted.value(password))
  return `postgres://${username}:${secret}@${encodeURIComponent(host)}:${port}/${database}`
}

/** The control interface of the Kite simulator, below /simulator. */
export const simulatorApi = (url: string) => {
  const ask = (method: string, path: string, body?: unknown) =>
    Effect.tryPromise({
      try: async () => {
        const response = await fetch(`${url}/simulator/${path}`, {
          method,
          ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
        })
        if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`)
        return (await response.json()) as unknown
      },
      catch: (error) => new StagingFailed({ message: `The simulator at ${url}, ${path}: ${String(error)}` })
    })
  return {
    get: (path: string) => ask("GET", path),
    post: (path: string, body: unknown = {}) => ask("POST", path, body),
    untilReady: ask("GET", "summary").pipe(Effect.retry({ schedule: Schedule.spaced("100 millis"), times: 100 }))
  }
}
