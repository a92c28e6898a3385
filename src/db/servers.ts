import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import { Duration, Effect, Fiber } from "effect"
import { ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import type { ServerTarget } from "../config/databaseAddress.ts"
import { answerTimeout } from "./timeLimits.ts"
import { sqlStateOf, wordsOf } from "./toDbError.ts"

/** One way to connect: a server, with TLS or without. */
export interface Candidate {
  /** Shown in messages. */
  readonly name: string
  /** The server's place in the list of hosts. */
  readonly server: number
  readonly config: PgPool.Config
}

export interface Servers {
  /** The pool of the server in use, which is looked for if there is none. */
  readonly current: Effect.Effect<PgPool.PgPool, SqlError>
  /** Runs work on the server in use, and on another one if no connection to it can be made. */
  readonly within: <A, E, R>(
    work: (pool: PgPool.PgPool) => Effect.Effect<A, E | SqlError, R>
  ) => Effect.Effect<A, E | SqlError, R>
  /** The next work looks for a server anew, from the first. */
  readonly leave: Effect.Effect<void>
}

/**
 * The servers of an address. The first candidate that answers and is what the target asks for stays in use until no connection
 * to it can be made, or `leave`. Candidates are tried as libpq does: the next host follows one that cannot be reached, starts
 * up or is not wanted; one that refuses the user ends the search, but with TLS instead of plain text or the other way round.
 */
export const makeServers = Effect.fnUntraced(function* (
  candidates: ReadonlyArray<Candidate>,
  target: ServerTarget,
  prepare: (pool: PgPool.PgPool, connection: PgConnection) => Effect.Effect<void, SqlError>
) {
  const scope = yield* Effect.scope
  const pools = yield* Effect.forEach(candidates, (candidate) =>
    Effect.map(PgPool.make(candidate.config), (pool) => ({ ...candidate, pool }))
  )
  const [only] = pools
  if (pools.length === 1 && only !== undefined && target === "any") return always(only.pool)

  let chosen: PgPool.PgPool | undefined
  let search: Fiber.Fiber<PgPool.PgPool, SqlError> | undefined
  const look = lookThrough(pools, target, prepare).pipe(
    Effect.tap((pool) => Effect.sync(() => (chosen = pool))),
    Effect.ensuring(Effect.sync(() => (search = undefined)))
  )
  // The search is in the pool's scope, so that it goes on when the statement that began it is given up.
  const searched = Effect.suspend(() =>
    search === undefined
      ? Effect.flatMap(Effect.forkIn(look, scope), (fiber) => {
          // It may have ended before this line.
          if (fiber.pollUnsafe() === undefined) search = fiber
          return Fiber.join(fiber)
        })
      : Fiber.join(search)
  )
  const current = Effect.suspend(() => (chosen === undefined ? searched : Effect.succeed(chosen)))
  const leave = Effect.sync(() => {
    chosen = undefined
  })
  const servers: Servers = {
    current,
    leave,
    within: (work) =>
      Effect.flatMap(current, (pool) =>
        Effect.catchIf(work(pool), isUnconnected, (error) =>
          // Another fiber may have left this server already, and found a better one.
          Effect.andThen(
            Effect.sync(() => (chosen = chosen === pool ? undefined : chosen)),
            Effect.flatMap(current, (next) => (next === pool ? Effect.fail(error) : work(next)))
          )
        )
      )
  }
  return servers
})

const always = (pool: PgPool.PgPool): Servers => ({
  current: Effect.succeed(pool),
  within: (work) => work(pool),
  leave: Effect.void
})

/** No connection could be made, so nothing was sent. */
export const isUnconnected = (error: unknown): error is SqlError =>
  isSqlError(error) && error.reason.operation === "connect"

const lookThrough = Effect.fnUntraced(function* (
  candidates: ReadonlyArray<Candidate & { readonly pool: PgPool.PgPool }>,
  target: ServerTarget,
  prepare: (pool: PgPool.PgPool, connection: PgConnection) => Effect.Effect<void, SqlError>
) {
  const failures: Array<{ readonly name: string; readonly error: SqlError }> = []
  let unreachable = -1
  for (const { config, name, pool, server } of candidates) {
    if (server === unreachable) continue
    const tried = yield* Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* pool.get
        yield* prepare(pool, connection)
        return yield* unwantedBy(target, connection)
      })
    ).pipe(Effect.timeoutOrElse({ duration: answeredWithin(config), orElse: () => Effect.fail(silent) }), Effect.result)
    if (tried._tag === "Success" && tried.success === null) return pool
    const error = tried._tag === "Success" ? notWanted(tried.success ?? "") : tried.failure
    failures.push({ name, error })
    const verdict = verdictOf(error)
    if (verdict === "refused") return yield* error
    if (verdict === "unreachable") unreachable = server
  }
  return yield* summary(failures)
})

/**
 * How long a candidate may take to connect and to answer. Every statement waits for the search, so one whose connection falls
 * silent must not keep it for good.
 */
const answeredWithin = ({ connectTimeout = answerTimeout }: PgPool.Config): Duration.Duration =>
  Duration.sum(Duration.fromInputUnsafe(connectTimeout), answerTimeout)

/** Why a server is not the one that is looked for; null if it is. */
const unwantedBy = (target: ServerTarget, connection: PgConnection): Effect.Effect<string | null, SqlError> => {
  if (target === "any") return Effect.succeed(null)
  const [question, answer] =
    target === "primary"
      ? ["SELECT pg_is_in_recovery()", "is a standby"]
      : ["SELECT current_setting('transaction_read_only') = 'on'", "is read-only, as a standby is"]
  return Effect.map(connection.queryValues(question, [], false), ([row]) => (row?.[0] === true ? answer : null))
}

const unconnected = (cause: Error): SqlError =>
  new SqlError({ reason: new ConnectionError({ cause, message: cause.message, operation: "connect" }) })

const notWanted = (message: string): SqlError => unconnected(new NotWanted(message))

const silent = unconnected(new Error("timed out: the server did not answer on a new connection"))

/** A server that answers, but is not what the target asks for. */
class NotWanted extends Error {}

const unreachableCodes = /^(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOST|ENET|ENOENT|EACCES|EPIPE)/

/** The words of PgBouncer for a server that is away or full, all of them with 08P01. */
const poolerWaits =
  /server login has been failing|server down|cannot connect to server|query_wait_timeout|no more connections/

/**
 * Whether a connection that failed may succeed later without anybody changing a setting: the server cannot be reached, starts,
 * stops or is full, or none of the list is what the target asks for.
 */
export const isAway = (error: SqlError): boolean => {
  const sqlState = sqlStateOf(error)
  if (sqlState !== null && /^(53|57P)/.test(sqlState)) return true
  const { cause } = error.reason
  if (cause instanceof NoServer) return cause.isAway
  return (
    cause instanceof NotWanted ||
    (verdictOf(error) === "unreachable" && codeOf(cause) !== "EACCES") ||
    poolerWaits.test(wordsOf(error))
  )
}

/** What follows from a failure: nobody else is asked, another host, or the same host in another way. */
const verdictOf = (error: SqlError): "refused" | "unreachable" | "another way" => {
  const sqlState = sqlStateOf(error)
  // 28000 is also the answer of a server that wants TLS, or does not; 57P03 that of one that starts or stops.
  if (sqlState === "57P03") return "unreachable"
  if (sqlState !== null && sqlState !== "28000") return "refused"
  const cause = error.reason.cause
  if (cause instanceof NotWanted) return "unreachable"
  // A connection that breaks is no answer about TLS: plain text does not follow it.
  return unreachableCodes.test(codeOf(cause)) ||
    /timed out|Connection closed/.test(`${error.message} ${wordsOf(error)}`)
    ? "unreachable"
    : "another way"
}

const codeOf = (cause: unknown): string => (cause instanceof Error && "code" in cause ? String(cause.code) : "")

/** None of several servers can be used. */
class NoServer extends Error {
  readonly isAway: boolean

  constructor(message: string, isAway: boolean) {
    super(message)
    this.isAway = isAway
  }
}

/** One failure as it is, or all of them in one. */
const summary = (failures: ReadonlyArray<{ readonly name: string; readonly error: SqlError }>): SqlError => {
  const [first, ...more] = failures
  const last = failures.at(-1)
  if (first === undefined || last === undefined) return notWanted("there is no server")
  const said = new Set(failures.map(({ name, error }) => `${name}: ${wordsOf(error)}`))
  if (more.length === 0 || said.size === 1) return first.error
  return unconnected(
    new NoServer(
      [...said].join("; "),
      failures.some(({ error }) => isAway(error))
    )
  )
}
