import { Duration, Effect, Redacted, Result, Scope } from "effect"
import { isSqlError } from "effect/sql/SqlError"
import {
  addressText,
  type DatabaseAddress,
  type DatabaseHost,
  hostText,
  noDefaults,
  readDatabaseAddress,
  type SslMode
} from "../config/databaseAddress.ts"
import type { SessionSettings } from "../config/startupOptions.ts"
import { adviceOn } from "./connectAdvice.ts"
import { passwordsOf, tlsOptions } from "./credentials.ts"
import { DbError } from "./DbError.ts"
import { makePool, type Pool } from "./pool.ts"
import { checkPooler } from "./pooler.ts"
import type { Candidate } from "./servers.ts"
import { scopeClosedInTime, type TimeLimits } from "./timeLimits.ts"
import { toDbError, withDbErrors } from "./toDbError.ts"

/** How to reach a PostgreSQL server: DATABASE_URL as it was read, a URL alone, or the embedded server's socket. */
export type DbTarget =
  | { readonly address: DatabaseAddress }
  | { readonly url: Redacted.Redacted }
  | {
      readonly host: string
      readonly port: number
      readonly username: string
      readonly password: Redacted.Redacted
      readonly database: string
    }

export interface DbOptions {
  readonly poolSize: number
  readonly statementTimeout: Duration.Duration
}

/** A target in the form in which it is used. */
interface Destination {
  readonly address: DatabaseAddress
  /** Shown in messages, without credentials. */
  readonly name: string
  readonly isEmbedded: boolean
}

/** A pool of connections to a server that answers and is new enough; fails with what to do otherwise. */
export const connect = Effect.fnUntraced(function* (destination: Destination, options: DbOptions, limits: TimeLimits) {
  const pool = yield* poolFor(destination, options)
  yield* checkServer(destination, pool, limits)
  return pool
})

/** How long a new connection may take, on all servers of the address together. */
export const connectTimeout = ({ address }: Destination): Duration.Duration =>
  Duration.times(address.connectTimeout, address.hosts.length)

export const destinationOf = (target: DbTarget): Effect.Effect<Destination, DbError> => {
  if ("address" in target) return Effect.succeed(remote(target.address))
  if ("url" in target) {
    const address = readDatabaseAddress(Redacted.value(target.url), noDefaults)
    return Result.isSuccess(address)
      ? Effect.succeed(remote(address.success))
      : Effect.fail(
          new DbError({
            operation: "connect",
            message: address.failure.join("; "),
            isTransient: false,
            sqlState: null
          })
        )
  }
  const { database, host, password, port, username } = target
  const tls = { mode: "disable", rootCertificate: null, clientCertificate: null, keyPassword: null } as const
  return Effect.succeed({
    name: `${host} (port ${port})`,
    isEmbedded: true,
    address: {
      hosts: [{ host, port }],
      database,
      user: username,
      password,
      passwordFile: null,
      tls: { ...tls, minVersion: null, maxVersion: null },
      target: "any",
      sessionSettings: {},
      applicationName: "pulse-background",
      connectTimeout: Duration.seconds(5),
      keepAlive: Duration.seconds(10)
    }
  })
}

const remote = (address: DatabaseAddress): Destination => ({ address, name: addressText(address), isEmbedded: false })

const poolFor = Effect.fnUntraced(function* ({ address }: Destination, options: DbOptions) {
  return yield* makePool({
    candidates: yield* candidatesOf(address, options),
    target: address.target,
    sessionSettings: { ...address.sessionSettings, ...ownSettings(options) }
  }).pipe(
    Scope.provide(yield* scopeClosedInTime),
    Effect.mapError((error) => (error instanceof DbError ? error : toDbError("connect", error)))
  )
})

/** What the service relies on, whatever is set for the role, the database or the server. */
const ownSettings = ({ statementTimeout }: DbOptions): SessionSettings => {
  const millis = Math.ceil(Duration.toMillis(statementTimeout))
  return {
    timezone: "UTC",
    statement_timeout: `${millis}`,
    idle_in_transaction_session_timeout: `${millis * 2}`,
    // Shorter than statement_timeout, so that the error names the lock.
    lock_timeout: `${Math.ceil(millis * 0.9)}`,
    // The statements are short; over the views, the planner expects so much that it would compile for seconds.
    jit: "off",
    // The conditions of the statements are looked at again after a wait for a lock, which only this level does.
    default_transaction_isolation: "read committed",
    // Row-level security would hide orders without a word: statements on its tables fail instead.
    row_security: "off",
    // The driver reads and writes values in these forms.
    datestyle: "ISO, MDY",
    intervalstyle: "postgres",
    standard_conforming_strings: "on",
    bytea_output: "hex"
  }
}

/** In which order TLS and plain text are tried. A unix socket has no TLS. */
const waysOf = (mode: SslMode, { host }: DatabaseHost): ReadonlyArray<"TLS" | "plain"> => {
  if (mode === "disable" || host.startsWith("/")) return ["plain"]
  if (mode === "allow") return ["plain", "TLS"]
  return mode === "prefer" ? ["TLS", "plain"] : ["TLS"]
}

const candidatesOf = Effect.fnUntraced(function* (address: DatabaseAddress, { poolSize }: DbOptions) {
  const { applicationName, connectTimeout, database, hosts, keepAlive, tls, user } = address
  const passwordFor = yield* passwordsOf(address)
  const ssl = hosts.some((host) => waysOf(tls.mode, host).includes("TLS")) ? yield* tlsOptions(tls) : {}
  return hosts.flatMap((server, index) =>
    waysOf(tls.mode, server).map((way): Candidate => {
      const password = passwordFor(server)
      return {
        name: hostText(server),
        server: index,
        config: {
          host: server.host,
          port: server.port,
          database,
          username: user,
          ...(password === null ? {} : { password }),
          ssl: way === "TLS" ? ssl : false,
          applicationName,
          maxConnections: poolSize,
          connectTimeout,
          ...(keepAlive === null ? {} : { keepAlive }),
          multiplex: false
        }
      }
    })
  )
})

const minServerVersion = 150_000

/** The driver connects lazily; this asks at once, so that a wrong address or server is reported at the start. */
const checkServer = Effect.fnUntraced(function* (destination: Destination, pool: Pool, limits: TimeLimits) {
  const { isEmbedded, name } = destination
  const { sql } = pool
  const ask = sql<{ version: number; name: string }>`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`
  const [server] = yield* withDbErrors("connect", limits.starting("connect", ask)).pipe(
    Effect.mapError((error) => withAdvice(error, destination))
  )
  if (server === undefined || server.version < minServerVersion) {
    return yield* new DbError({
      operation: "connect",
      message: `The database at ${name} is PostgreSQL ${server?.name ?? "?"}; version 15 or later is needed.`,
      isTransient: false,
      sqlState: null
    })
  }
  if (isEmbedded) return
  yield* Effect.catchIf(checkPooler(pool, name, limits), isSqlError, (error) =>
    Effect.fail(withAdvice(toDbError("connect", error), destination))
  )
})

const withAdvice = (error: DbError, { isEmbedded, name }: Destination): DbError =>
  new DbError({
    ...error,
    message:
      `Cannot use the database at ${name}: ${error.message.replace(/^connect: /, "")}. ` +
      adviceOn(error.message, isEmbedded)
  })
