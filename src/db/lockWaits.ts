import { Context, Duration, Effect, Schedule, Schema } from "effect"
import type { Db } from "./Db.ts"

/** An advisory lock, by the texts whose hashes are its keys. `what` names it to people. */
export interface AdvisoryLock {
  readonly what: string
  readonly key: readonly [string] | readonly [string, string]
}

const Holder = Schema.Struct({
  pid: Schema.Int,
  user: Schema.NullOr(Schema.String),
  application: Schema.NullOr(Schema.String),
  /** Empty where this role may not see it. */
  host: Schema.NullOr(Schema.String),
  database: Schema.String,
  /** Another process of this service, as far as its user and its name tell. */
  isOwn: Schema.Boolean
})

/** How long a wait is ordinary, and how often a longer one is told of. */
const ordinary = Duration.seconds(1)
const interval = Duration.seconds(30)

/**
 * Runs a statement that waits for an advisory lock, and logs who holds it as soon as the wait is longer than a second. Every role
 * that may connect to a database can take any advisory lock in it.
 */
export const tellingOfWait = <A, E, R>(db: Db["Service"], lock: AdvisoryLock, statement: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* outsideTransaction(db, tellHolder(db, lock)).pipe(
        Effect.repeat(Schedule.spaced(interval)),
        Effect.delay(ordinary),
        Effect.forkScoped
      )
      return yield* statement
    })
  )

/** Runs work inside a transaction on other connections than the transaction's own. */
export const outsideTransaction = <A, E>({ sql }: Db["Service"], work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.updateContext(work, (context: Context.Context<never>) => Context.omit(sql.transactionService)(context))

const tellHolder = (db: Db["Service"], { key, what }: AdvisoryLock) =>
  holdersOf(db, key).pipe(
    Effect.matchEffect({
      onFailure: ({ message }) =>
        Effect.logWarning(`Waiting for the lock of ${what}; who holds it is not known: ${message}`),
      onSuccess: (holders) =>
        Effect.forEach(
          holders,
          (holder) => {
            const waiting = `Waiting for the lock of ${what}, which ${whoseOf(holder)} holds`
            return holder.isOwn ? Effect.logInfo(waiting) : Effect.logWarning(`${waiting}. ${remedyFor(holder)}`)
          },
          { discard: true }
        )
    })
  )

const whoseOf = ({ application, host, isOwn, pid, user }: typeof Holder.Type): string =>
  `${isOwn ? "another process of the service" : "a program that is not this service"} (process ${pid} of the server, user ` +
  `${user ?? "not known"}, application ${application || "without a name"}, from ${host ?? "a host that this role may not see"})`

const remedyFor = ({ database, pid }: typeof Holder.Type): string =>
  `End it: SELECT pg_terminate_backend(${pid}); and let nobody else connect: REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC;`

/** One key is the 64 bits of a bigint, two are 32 bits each; pg_locks shows both as two unsigned halves. */
const holdersOf = ({ sql, query }: Db["Service"], [first, second]: AdvisoryLock["key"]) => {
  const low = sql.literal("4294967295")
  const half = (text: string) => sql`(hashtext(${text})::bigint & ${low})::text`
  const high = sql`((hashtext(${first})::bigint >> 32) & ${low})::text`
  const halves = second === undefined ? sql`(${high}, ${half(first)}, 1)` : sql`(${half(first)}, ${half(second)}, 2)`
  return query(
    "lockWaits.holders",
    Holder,
    sql`
      SELECT l.pid, a.usename::text AS user, a.application_name AS application,
        CASE WHEN a.client_port = -1 THEN 'the server''s own host' ELSE host(a.client_addr) END AS host,
        quote_ident(current_database()) AS database,
        coalesce(a.usename = current_user AND a.application_name = current_setting('application_name'), false) AS is_own
      FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
      WHERE l.locktype = 'advisory' AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::text, l.objid::text, l.objsubid) = ${halves}`
  )
}
