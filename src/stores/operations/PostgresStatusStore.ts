import { Context, type DateTime, Effect, Layer, type Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"

const ServerFacts = Schema.Struct({
  version: Schema.String,
  database: Schema.String,
  isStandby: Schema.Boolean,
  isReadOnly: Schema.Boolean,
  fsync: Schema.String,
  fullPageWrites: Schema.String,
  synchronousCommit: Schema.String,
  synchronousStandbyNames: Schema.String,
  standbys: Schema.Int,
  connections: Schema.Int,
  maxConnections: Schema.Int,
  autovacuum: Schema.String
})

const session = {
  pid: Schema.Int,
  application: Schema.String,
  user: Schema.String,
  state: Schema.String,
  since: Schema.DateTimeUtcFromDate
}
const Session = Schema.Struct(session)
const WaitingSession = Schema.Struct({ ...session, blockers: Schema.Array(Schema.Int) })

const TableFacts = Schema.Struct({
  name: Schema.String,
  liveRows: Schema.Number,
  deadRows: Schema.Number,
  bytes: Schema.Number,
  vacuumedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

/**
 * The PostgreSQL server's view of itself, for the command doctor. Only a member of pg_read_all_stats sees all of other
 * users' sessions.
 */
export class PostgresStatusStore extends Context.Service<
  PostgresStatusStore,
  {
    /** Runs the smallest possible statement. */
    readonly ping: Effect.Effect<void, DbError>
    readonly facts: Effect.Effect<typeof ServerFacts.Type, DbError>
    /** The transaction open for longest in this database, this session's own excepted. */
    readonly oldestTransaction: Effect.Effect<Option.Option<typeof Session.Type>, DbError>
    /** The session waiting for a lock for longest, and its blockers. Waits that began after `since` are not reported. */
    readonly maxWait: (since: DateTime.Utc) => Effect.Effect<Option.Option<typeof WaitingSession.Type>, DbError>
    /** The tables with many changes. Row counts are the estimates of the server; sizes in bytes include indexes. */
    readonly tables: Effect.Effect<ReadonlyArray<typeof TableFacts.Type>, DbError>
    /** The server's data folder. Only a superuser may ask. */
    readonly dataFolder: Effect.Effect<string, DbError>
  }
>()("pulse-background/PostgresStatusStore") {
  static readonly layer: Layer.Layer<PostgresStatusStore, never, Db> = Layer.effect(
    PostgresStatusStore,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { sql, query, queryOne, queryOption, execute } = yield* Db

  const facts = queryOne(
    "PostgresStatusStore.facts",
    ServerFacts,
    sql`
      SELECT current_setting('server_version') AS version, current_database() AS database,
        pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only') = 'on' AS is_read_only,
        current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('synchronous_standby_names') AS synchronous_standby_names,
        (SELECT count(*)::int FROM pg_stat_replication) AS standbys,
        (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
        current_setting('max_connections')::int AS max_connections, current_setting('autovacuum') AS autovacuum`
  )

  const sessionColumns = sql.literal(`
    pid, coalesce(application_name, '') AS application, coalesce(usename, '?') AS user, coalesce(state, '?') AS state`)

  const oldestTransaction = queryOption(
    "PostgresStatusStore.oldestTransaction",
    Session,
    sql`
      SELECT ${sessionColumns}, xact_start AS since FROM pg_stat_activity
      WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND datname = current_database()
      ORDER BY xact_start LIMIT 1`
  )

  const maxWait = (since: DateTime.Utc) =>
    queryOption(
      "PostgresStatusStore.maxWait",
      WaitingSession,
      sql`
        SELECT ${sessionColumns}, query_start AS since, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database() AND query_start < ${instant(since)}
        ORDER BY query_start LIMIT 1`
    )

  const tables = query(
    "PostgresStatusStore.tables",
    TableFacts,
    sql`
      SELECT relname AS name, n_live_tup::float8 AS live_rows, n_dead_tup::float8 AS dead_rows,
        pg_total_relation_size(relid)::float8 AS bytes, greatest(last_vacuum, last_autovacuum) AS vacuumed_at
      FROM pg_stat_user_tables
      WHERE schemaname = current_schema()
        AND relname IN ('orders', 'order_plans', 'slice_plan', 'slice_claims', 'slice_queue', 'slice_working', 'slice_results',
          'broker_calls', 'workers', 'order_budgets', 'market_quotes')
      ORDER BY relname`
  )

  const dataFolder = queryOne(
    "PostgresStatusStore.dataFolder",
    Schema.Struct({ folder: Schema.String }),
    sql`SELECT current_setting('data_directory') AS folder`
  ).pipe(Effect.map(({ folder }) => folder))

  return PostgresStatusStore.of({
    ping: execute("PostgresStatusStore.ping", sql`SELECT 1`),
    facts,
    oldestTransaction,
    maxWait,
    tables,
    dataFolder
  })
})
