import { Clock, Effect, Redacted, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import { targetOf } from "./database.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** A run of dist/main.js with its output so far. */
export interface Run {
  readonly child: ChildProcess
  readonly output: () => string
  /** The exit code, or the signal that ended it. */
  readonly exit: Effect.Effect<number | string>
}

/** DATABASE_URL of one of the test server's databases. */
export const urlOf = (database: string): string => {
  const { host, port, username, password } = targetOf(database)
  const secret = encodeURIComponent(Redacted.value(password))
  return `postgres://${username}:${secret}@${encodeURIComponent(host)}:${port}/${database}`
}

/** Starts dist/main.js, as an argument of `runner` if there is one; it is killed when the scope closes while it still runs. */
export const startMain = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  runner: ReadonlyArray<string> = []
): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [program = process.execPath, ...words] = [...runner, process.execPath, main, ...args]
      const child = spawn(program, words, {
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

/** A pause by the host's clock, also in a test on TestClock. */
const pause = Effect.provideService(Effect.sleep("50 millis"), Clock.Clock, Clock.Clock.defaultValue())

/**
 * Repeats a question until the answer is right. It has no timeout of its own, because a busy machine may take any time:
 * when vitest ends the test (testTimeout), the last answer is shown.
 */
export const eventually = <A, E, R>(
  what: string,
  ask: Effect.Effect<A, E, R>,
  isRight: (answer: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let last: A | undefined
    return Effect.gen(function* () {
      for (;;) {
        const answer = yield* ask
        if (isRight(answer)) return answer
        last = answer
        yield* pause
      }
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => console.error(`Still waiting until ${what}, but: ${inspect(last).slice(0, 2000)}`))
      )
    )
  })
