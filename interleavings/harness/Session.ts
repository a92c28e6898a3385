import { ConfigProvider, Context, Effect, Layer, Schema } from "effect"
import { Configuration } from "../../src/config/Configuration.ts"
import type { DbTarget } from "../../src/db/connect.ts"
import { Db } from "../../src/db/Db.ts"
import { DayReconciliationStore } from "../../src/stores/account/DayReconciliationStore.ts"
import { DeliveryStore } from "../../src/stores/operations/DeliveryStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { RetentionStore } from "../../src/stores/operations/RetentionStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { StoresLayer } from "../../src/stores/StoresLayer.ts"
import { withBoundaries } from "./boundaries.ts"
import type { LockWaits } from "./interleave.ts"
import { makeSnapshot, type Snapshot } from "./snapshot.ts"

const AllStores = Layer.mergeAll(
  StoresLayer,
  SliceCommands.layer,
  RetentionStore.layer,
  DayReconciliationStore.layer,
  DeliveryStore.layer,
  NotificationStore.layer
)

/** What an actor works with: the stores on a connection of its own. */
export type Services = Layer.Success<typeof AllStores> | Db | Configuration

/** A connection of an actor. `reach` is what waits at each of its boundaries, and is set anew for each run. */
export interface ActorConnection {
  readonly services: Context.Context<Services>
  reach: (label: string) => Effect.Effect<void>
}

/** The connections of all runs on one database. */
export interface Session {
  /** The stores without boundaries, for worlds and judges. */
  readonly services: Context.Context<Services>
  readonly db: Db["Service"]
  readonly connections: ReadonlyArray<ActorConnection>
  readonly lockWaits: ReturnType<typeof lockWaitsOf>
  /** The database as it was when the session was opened. */
  readonly empty: Snapshot
  /** The world of the current case. */
  readonly world: Snapshot
}

/** The most actors of a case. */
export const maxActors = 4

/** The settings of a daemon with this environment. */
export const configurationOf = (environment: Readonly<Record<string, string>>): Layer.Layer<Configuration> =>
  Layer.fresh(Layer.orDie(Configuration.layer)).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
  )

/** A statement that waits for longer than this fails, so that a run that hangs ends as a finding. */
const configuration = configurationOf({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "60" })

/**
 * Deadlocks are looked for soon, because each of them holds up a run for so long. The tables of a run are tiny: without these
 * settings PostgreSQL would read them from end to end, and so lock rows in another order than in a database in use, where it
 * finds them by an index.
 */
const serverSettings = {
  deadlock_timeout: "20ms",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off"
}

/** Opens the connections on a fresh, migrated database, as a superuser. They close with the scope. */
export const openSession = Effect.fnUntraced(function* (target: DbTarget) {
  const connected = Layer.provideMerge(Db.layer(target), configuration)
  const services = yield* Layer.build(Layer.fresh(Layer.provideMerge(AllStores, connected)))
  const db = Context.get(services, Db)
  for (const [name, value] of Object.entries(serverSettings)) {
    yield* db.execute(
      "interleavings.settings",
      db.sql.unsafe(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${name} = %L', current_database(), '${value}'); END $$`
      )
    )
  }
  const connections: Array<ActorConnection> = []
  for (let number = 0; number < maxActors; number++) {
    const own = yield* Layer.build(Layer.fresh(connected))
    connections.push(yield* connectionOn(own))
  }
  const [empty, world] = [yield* makeSnapshot(db, "empty_rows"), yield* makeSnapshot(db, "world_rows")]
  yield* empty.take
  const session: Session = { services, db, connections, lockWaits: lockWaitsOf(db), empty, world }
  return session
})

const connectionOn = Effect.fnUntraced(function* (own: Context.Context<Db | Configuration>) {
  let connection: ActorConnection | null = null
  const bounded = withBoundaries(Context.get(own, Db), (label) =>
    Effect.suspend(() => connection?.reach(label) ?? Effect.void)
  )
  const services = yield* Layer.build(
    Layer.fresh(Layer.provideMerge(AllStores, Layer.succeedContext(Context.add(own, Db, bounded))))
  )
  connection = { services, reach: () => Effect.void }
  return connection
})

const LockWait = Schema.Struct({ pid: Schema.Int, blockers: Schema.Array(Schema.Int) })

/**
 * The connections that wait for a lock. `pg_blocking_pids` tells it exactly: it is empty from the moment on in which the lock
 * is granted, also while the connection has not noticed yet.
 */
const lockWaitsOf = ({ sql, query }: Db["Service"]): Effect.Effect<LockWaits, Effect.Error<ReturnType<typeof query>>> =>
  query(
    "interleavings.lockWaits",
    LockWait,
    sql`
      SELECT pid, blockers FROM (
        SELECT pid, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'
      ) waiting WHERE cardinality(blockers) > 0`
  ).pipe(Effect.map((rows) => new Map(rows.map(({ pid, blockers }) => [pid, blockers]))))
