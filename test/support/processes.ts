import { Effect, Redacted, Schedule, Schema, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { targetOf } from "./database.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** A run of dist/main.js and what it has printed so far. */
export interface Run {
  readonly child: ChildProcess
  readonly output: () => string
  /** The exit code, or the signal that ended it. */
  readonly exit: Effect.Effect<number | string>
}

/** A condition did not become true in time. */
export class TookTooLong extends Schema.TaggedError<TookTooLong>()("TookTooLong", { message: Schema.String }) {}

/** DATABASE_URL of one of the test server's databases. */
export const urlOf = (database: string): string => {
  const { host, port, username, password } = targetOf(database)
  const secret = encodeURIComponent(Redacted.value(password))
  return `postgres://${username}:${secret}@${encodeURIComponent(host)}:${port}/${database}`
}

/** Starts dist/main.js; it is killed when the scope closes, if it still runs. */
export const startMain = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [main, ...args], {
        env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...environment },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let text = ""
      child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()))
      child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()))
      const exited = new Promise<number | string>((resolve) => {
        child.on("close", (code, signal) => resolve(code ?? signal ?? "unknown"))
      })
      return { child, output: () => text, exit: Effect.promise(() => exited) }
    }),
    ({ child, exit }) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        exit
      )
  )

/** Runs a command to its end. */
export const runMain = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const run = yield* startMain(args, environment)
      const code = yield* run.exit
      return { code, output: run.output() }
    })
  )

/** Asks again and again until the answer is right; fails with the last answer when that takes too long. */
export const eventually = <A, E, R>(
  what: string,
  ask: Effect.Effect<A, E, R>,
  isRight: (answer: A) => boolean,
  attempts = 800
) =>
  ask.pipe(
    Effect.flatMap((answer) =>
      isRight(answer)
        ? Effect.succeed(answer)
        : Effect.fail(new TookTooLong({ message: `${what}, but: ${JSON.stringify(answer, null, 1).slice(0, 2000)}` }))
    ),
    Effect.retry({
      schedule: Schedule.spaced("50 millis"),
      times: attempts,
      while: (error) => error instanceof TookTooLong
    })
  )
