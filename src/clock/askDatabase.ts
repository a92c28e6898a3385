import { type Clock, Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db, type Sql } from "../db/Db.ts"
import { DbError } from "../db/DbError.ts"
import { IsDatabaseOnThisHost } from "../db/IsDatabaseOnThisHost.ts"
import { HostBootId } from "./HostBootId.ts"
import { answerOf, haveParted, isByThisClock, type Reading } from "./TimeBounds.ts"

const nanosPerMilli = 1_000_000n
/** How often a sample is repeated during which the host was suspended or its time set. */
const maxRepeats = 5

/** The time could not be measured, or is not believed. */
export const timeUnsure = (message: string): DbError =>
  new DbError({
    operation: "DatabaseClock.sample",
    message: `DatabaseClock.sample: ${message}`,
    isTransient: true,
    sqlState: null
  })

const noAnswer = timeUnsure("the database gave no answer")
const clocksParted = timeUnsure(
  "this host was suspended, or its time was set, each time that the database was asked for the time"
)

/** The columns of a statement that is also asked for the time. */
export const TimeColumns = Schema.Struct({ micros: Schema.BigInt, bootId: Schema.NullOr(Schema.String) })
export type TimeColumns = typeof TimeColumns.Type

/** The database's time in microseconds since 1970 and, where it is wanted and may be read, the boot id of the server's host. */
export const timeColumns = (sql: Sql, withBootId: boolean): Fragment =>
  withBootId
    ? sql`
      (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros,
      CASE WHEN has_function_privilege('pg_read_file(text, bigint, bigint, boolean)', 'EXECUTE')
          AND pg_has_role('pg_read_server_files', 'USAGE')
        THEN pg_read_file('/proc/sys/kernel/random/boot_id', 0, 100, true) END AS boot_id`
    : sql`(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros, NULL::text AS boot_id`

/** A statement that has {@link timeColumns}, with the boot id or without it. */
export type Timed<A extends TimeColumns, E, R> = (withBootId: boolean) => Effect.Effect<A, E, R>

/**
 * Asks the database for its time, in a statement of its own (`ask`) or along with what another statement asks (`during`), and
 * for whether it is on this host: the embedded server is, and a server that reads the boot id of this host, where its rights
 * allow it. A socket or a loopback address does not prove it, because of poolers and tunnels. Each answer has its own proof,
 * so a fail-over is noticed with the first answer of the other server.
 */
export const makeAsk = Effect.fnUntraced(function* (local: Clock.Clock) {
  const { query, sql } = yield* Db
  const isOnThisHost = yield* IsDatabaseOnThisHost
  const ownBootId = yield* Effect.cached(yield* HostBootId)
  let asksBootId = !isOnThisHost

  const plain = (withBootId: boolean) =>
    Effect.flatMap(
      query("DatabaseClock.sample", TimeColumns, sql`SELECT ${timeColumns(sql, withBootId)}`),
      ([answered]) => (answered === undefined ? Effect.fail(noAnswer) : Effect.succeed(answered))
    )
  const alone = Effect.suspend(() =>
    plain(asksBootId).pipe(
      Effect.catchIf(
        ({ isTransient }) => asksBootId && !isTransient,
        (error) => {
          // The system of the server may forbid it to read that file.
          asksBootId = false
          return Effect.andThen(
            Effect.logDebug(`It is not known which host the database is on: ${error.message}`),
            plain(false)
          )
        }
      )
    )
  )

  /** What a statement answers, and the time that it tells; null if the time was set during the statement. */
  const during = <A extends TimeColumns, E, R>(statement: Timed<A, E, R>) =>
    Effect.gen(function* () {
      const before = readingOf(local)
      const answered = yield* statement(asksBootId)
      const after = readingOf(local)
      // The monotonic clock stands still during a suspension, so an answer that spans one looks quick but is old.
      if (haveParted(before, after)) return { answered, told: null }
      const isSameHost = isOnThisHost || (answered.bootId !== null && answered.bootId.trim() === (yield* ownBootId))
      const answer = answerOf(answered.micros * 1000n, before, after)
      return { answered, told: { answer, isByThisClock: isSameHost && isByThisClock(answer, before) } }
    })

  const ask = Effect.flatMap(
    during(() => alone),
    ({ told }) => (told === null ? Effect.fail(clocksParted) : Effect.succeed(told))
  ).pipe(Effect.retry({ times: maxRepeats, while: (error) => error === clocksParted }))
  return { ask, during }
})

/**
 * The wall clock is read in milliseconds: Effect's nanosecond clock follows the monotonic one for up to a second. It shows the
 * same millisecond before and after the monotonic clock is read: this process may lose the processor in between, and bounds
 * that put the later of two moments at the earlier one would be ahead for good.
 */
export const readingOf = (local: Clock.Clock): Reading => {
  for (;;) {
    const wallMillis = local.currentTimeMillisUnsafe()
    const monotonicNanos = local.monotonicTimeNanosUnsafe()
    if (local.currentTimeMillisUnsafe() === wallMillis)
      return { monotonicNanos, localNanos: BigInt(wallMillis) * nanosPerMilli }
  }
}
