import { Effect, Schedule } from "effect"
import { Configuration } from "../config/Configuration.ts"
import { DbError } from "./DbError.ts"

const pause = "2 seconds"

/**
 * Begins a start anew as long as it fails because the database is away: not reachable, starting, full, or a standby that is about
 * to become the primary. What somebody has to set right, such as a password, ends the start. Without DATABASE_URL the server is
 * this process's own, and nobody else brings it back.
 */
export const untilDatabaseIsThere = <A, E, R>(
  start: Effect.Effect<A, E | DbError, R>
): Effect.Effect<A, E | DbError, R | Configuration> =>
  Effect.flatMap(Configuration, ({ database }) =>
    database === null
      ? start
      : start.pipe(
          Effect.tapError((error) =>
            isAway(error) ? Effect.logWarning(`Waiting for the database: ${error.message}`) : Effect.void
          ),
          Effect.retry({ schedule: Schedule.spaced(pause), while: isAway })
        )
  )

const isAway = (error: unknown): error is DbError => error instanceof DbError && error.isTransient
