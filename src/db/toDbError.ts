import { Cause, Effect } from "effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { DbError } from "./DbError.ts"

/** Turns the driver's errors into DbErrors, also where they arrive as defects. */
export const withDbErrors = <A, E, R>(
  operation: string,
  effect: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, E | DbError, R> =>
  effect.pipe(
    // A connection lost inside a transaction turns all its errors into defects, because its ROLLBACK fails too.
    Effect.catchCause((cause): Effect.Effect<never, E | DbError | SqlError> => {
      const defects = cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
      const lost = defects.find((defect) => isSqlError(defect))
      return lost === undefined
        ? Effect.failCause(cause)
        : Effect.fail(defects.find((defect) => defect instanceof DbError) ?? lost)
    }),
    Effect.mapError((error) => (isSqlError(error) ? toDbError(operation, error) : error))
  )

/** The server's error in words, its SQLSTATE, and whether the same statement may succeed later. */
export const toDbError = (operation: string, error: SqlError): DbError => {
  const sqlState = sqlStateOf(error)
  const said = wordsOf(error)
  return new DbError({
    operation,
    message: `${operation}: ${said}${hintOn(sqlState, said)}`,
    isTransient: error.reason.isRetryable || isTransientState(sqlState),
    sqlState
  })
}

/** What an error says. */
export const wordsOf = ({ reason }: SqlError): string =>
  withoutPlaces(messageOf(reason.cause) || (reason.message ?? reason._tag))

/** The error of a name with several addresses says nothing itself. */
const messageOf = (cause: unknown): string => {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join(", ")
  return cause instanceof Error ? cause.message : ""
}

/** OpenSSL's errors have the place in its source before and behind what it says. */
const withoutPlaces = (text: string): string =>
  text.replaceAll(/[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):[^:]*:\d+:[^;]*/g, "TLS failed with $1")

/** PostgreSQL's SQLSTATE, where the server gave one. */
export const sqlStateOf = ({ reason: { cause } }: SqlError): string | null =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" && /^[0-9A-Z]{5}$/.test(cause.code)
    ? cause.code
    : null

/** What to do about a table, column or function that does not exist, used up connections, and rows and tables that this role may not see. */
const hintOn = (sqlState: string | null, said: string): string => {
  if (sqlState !== null && /^42(P01|703|883)$/.test(sqlState)) {
    return ". The database is not up to date: run the command migrate, or start the daemon, which does it."
  }
  if (sqlState === connectionsUsedUp) return usedUpHint
  if (sqlState !== "42501") return ""
  return said.includes("row-level security")
    ? ". The service must see all rows: ALTER TABLE … DISABLE ROW LEVEL SECURITY; or ALTER ROLE … BYPASSRLS; for its role."
    : ". What each role needs is granted by deploy/postgres/roles.sql."
}

/** The server's connections, or those of the role or the database, are used up. */
export const connectionsUsedUp = "53300"
const usedUpHint =
  ". End sessions that nobody needs, lower DATABASE_POOL_SIZE, or raise the limit (max_connections of the server, CONNECTION " +
  "LIMIT of the role or the database); doc/guides/database.md says how to reserve connections"

/**
 * Resources (disk full, too many connections), operator intervention (shutdown, restart), a connection that is thrown away: to
 * a read-only server, or with an aborted transaction; and a statement that its session has forgotten (26000), which is
 * prepared again.
 */
const isTransientState = (sqlState: string | null): boolean =>
  sqlState !== null && /^(53|57P|58|25006|25P02|26000)/.test(sqlState)
