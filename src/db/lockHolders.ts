import { Effect, Option, Schema } from "effect"
import type { Db } from "./Db.ts"

const Holder = Schema.Struct({
  pid: Schema.Int,
  application: Schema.String,
  /** When its transaction began; null where this role may not see it. */
  since: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

/** The sessions that hold what the session `pid` waits for, those that wait before it included. */
export const lockHolders = ({ sql, query }: Db["Service"], pid: number) =>
  query(
    "lockHolders",
    Holder,
    sql`
      SELECT a.pid, coalesce(nullif(a.application_name, ''), a.usename, '?') AS application, a.xact_start AS since
      FROM unnest(pg_blocking_pids(${pid}::int)) AS holder JOIN pg_stat_activity a ON a.pid = holder
      ORDER BY a.xact_start, a.pid LIMIT 3`
  )

export type LockHolder = typeof Holder.Type

/** Long enough for no load, and shorter than the wait for a lock. */
const interval = "100 millis"

/**
 * Runs work on the session that it tells of with `began`, and `note`s meanwhile on another connection whom it waits for. A failed look
 * is none: the work itself meets a database that is away.
 */
export const notingHolders = <A, E, R>(
  db: Db["Service"],
  note: (holders: ReadonlyArray<LockHolder>) => void,
  work: (began: (pid: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  let session: Option.Option<number> = Option.none()
  const look = Effect.suspend(() =>
    Option.match(session, { onNone: () => Effect.succeed([]), onSome: (pid) => lockHolders(db, pid) })
  ).pipe(
    Effect.tap((holders) => Effect.sync(() => (holders.length > 0 ? note(holders) : undefined))),
    Effect.ignore
  )
  const began = (pid: number) =>
    Effect.sync(() => {
      session = Option.some(pid)
    })
  return Effect.raceFirst(work(began), Effect.forever(Effect.andThen(Effect.sleep(interval), look)))
}
