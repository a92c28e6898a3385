import { Effect, Redacted, Schedule, Schema, Scope } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Db } from "../../../src/db/Db.ts"
import type { DbError } from "../../../src/db/DbError.ts"
import { postgresServer, StagingFailed } from "../stagingProcesses.ts"

/** A PostgreSQL server that can be restarted, crashed and frozen. */
export const chaosServer = Effect.fnUntraced(function* (folder: string) {
  const scope = yield* Effect.scope
  const start = postgresServer(folder).pipe(Effect.provideService(Scope.Scope, scope))
  const first = yield* start
  let { pid } = first

  /** `fast` disconnects the clients; `immediate` is a crash, and the next start runs recovery. */
  const restart = (mode: "fast" | "immediate") =>
    Effect.gen(function* () {
      process.kill(pid, mode === "fast" ? "SIGINT" : "SIGQUIT")
      yield* Effect.sync(() => isAlive(pid)).pipe(
        Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (alive) => alive })
      )
      pid = (yield* Effect.retry(start, { times: 3 })).pid
    }).pipe(Effect.uninterruptible)

  /** Stops processes with SIGSTOP for this long. */
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
    /** The ids of the server and of all its child processes. */
    everyPid: Effect.suspend(() => childrenOf(pid)).pipe(Effect.map((children) => [pid, ...children]))
  }
})
export type ChaosServer = Effect.Success<ReturnType<typeof chaosServer>>

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Signals the processes that are still alive. */
export const signalAll = (pids: ReadonlyArray<number>, signal: NodeJS.Signals): void => {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, signal)
}

/** The ids of a process's child processes. */
export const childrenOf = (parent: number) =>
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

/** Retries transient errors for a minute: an incident may keep the server away. */
export const patiently = <A, R>(effect: Effect.Effect<A, DbError, R>): Effect.Effect<A, DbError, R> =>
  Effect.retry(effect, { schedule: Schedule.spaced("250 millis"), while: (error) => error.isTransient, times: 240 })

/** Creates a role for one daemon, a member of `owner`, so that its connections can be told from those of others. */
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

/** Whether a daemon has started its work. */
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
