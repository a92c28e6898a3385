import { Effect, Redacted, Schedule, Schema, Scope } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Db } from "../../../src/db/Db.ts"
import type { DbError } from "../../../src/db/DbError.ts"
import { postgresServer, StagingFailed } from "../stagingProcesses.ts"

/** PostgreSQL, and what can happen to it. */
export const chaosServer = Effect.fnUntraced(function* (folder: string) {
  const scope = yield* Effect.scope
  const start = postgresServer(folder).pipe(Effect.provideService(Scope.Scope, scope))
  const first = yield* start
  let { pid } = first

  /** `fast` cuts its clients off, `immediate` is a crash: the next start begins with a recovery. */
  const restart = (mode: "fast" | "immediate") =>
    Effect.gen(function* () {
      process.kill(pid, mode === "fast" ? "SIGINT" : "SIGQUIT")
      yield* Effect.sync(() => isAlive(pid)).pipe(
        Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (alive) => alive })
      )
      pid = (yield* Effect.retry(start, { times: 3 })).pid
    }).pipe(Effect.uninterruptible)

  /** Stops processes in the middle of whatever they do, for so long. */
  const freeze = (pids: ReadonlyArray<number>, seconds: number) =>
    Effect.acquireUseRelease(
      Effect.sync(() => signalAll(pids, "SIGSTOP")),
      () => Effect.sleep(seconds * 1000),
      () => Effect.sync(() => signalAll(pids, "SIGCONT"))
    )

  return {
    server: first,
    restart,
    freeze,
    /** The server with all its processes. */
    everyPid: Effect.suspend(() => childrenOf(pid)).pipe(Effect.map((children) => [pid, ...children]))
  }
})
export type ChaosServer = Effect.Success<ReturnType<typeof chaosServer>>

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A process that has ended meanwhile needs no signal. */
const signalAll = (pids: ReadonlyArray<number>, signal: NodeJS.Signals): void => {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, signal)
}

const childrenOf = (parent: number) =>
  Effect.tryPromise({
    try: () => promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]),
    catch: (cause) => new StagingFailed({ message: `ps: ${String(cause)}` })
  }).pipe(
    Effect.map(({ stdout }) =>
      stdout
        .split("\n")
        .map((line) => line.trim().split(/\s+/).map(Number))
        .flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []))
    )
  )

/** Again until the server is there: an incident may be what keeps it away. */
export const patiently = <A, R>(effect: Effect.Effect<A, DbError, R>): Effect.Effect<A, DbError, R> =>
  Effect.retry(effect, { schedule: Schedule.spaced("250 millis"), while: (error) => error.isTransient, times: 240 })

/** A role for each daemon, so that the server can tell whose connection is whose; all own what the owner owns. */
export const createRole = Effect.fnUntraced(function* (role: string, owner: string, password: Redacted.Redacted) {
  const { sql, execute } = yield* Db
  const secret = Redacted.value(password).replaceAll("'", "''")
  yield* execute(
    "chaos.createRole",
    sql`${sql.literal(`CREATE ROLE ${role} LOGIN INHERIT PASSWORD '${secret}' IN ROLE "${owner}"`)}`
  )
})

const Pid = Schema.Struct({ pid: Schema.Int })

export const backendsOf = Effect.fnUntraced(function* (role: string) {
  const { sql, query } = yield* Db
  const statement = sql`SELECT pid FROM pg_stat_activity WHERE usename = ${role}`
  const rows = yield* patiently(query("chaos.backends", Pid, statement))
  return rows.map(({ pid }) => pid)
})

/** Whether a daemon has got to work. */
export const hasHeartbeat = Effect.fnUntraced(function* (pid: number) {
  const { sql, query } = yield* Db
  const rows = yield* patiently(query("chaos.heartbeat", Pid, sql`SELECT pid FROM workers WHERE pid = ${pid}`))
  return rows.length > 0
})

export const terminateBackends = Effect.fnUntraced(function* (role: string) {
  const { sql, execute } = yield* Db
  const statement = sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${role}`
  yield* patiently(execute("chaos.terminate", statement))
})
