import { type Duration, Effect, Layer, Redacted, ConfigProvider, Context, Schedule, Schema } from "effect"
import { chmod, chown, mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Configuration } from "../../../src/config/Configuration.ts"
import { Db } from "../../../src/db/Db.ts"
import { removeAddress, type RunningServer, socketOf } from "../../../src/db/embedded/Address.ts"
import { findBinaries } from "../../../src/db/embedded/Binaries.ts"
import { database, prepareData, username } from "../../../src/db/embedded/Cluster.ts"
import { findPlace, type Place } from "../../../src/db/embedded/Place.ts"
import { run, startOf } from "../../../src/db/embedded/Processes.ts"
import { startServer, stopServer } from "../../../src/db/embedded/Server.ts"
import { childrenOf, isAlive, signalAll } from "../chaos/chaosServer.ts"
import { StagingFailed } from "../stagingProcesses.ts"
import type { Proxy } from "../tcpProxy.ts"

/** The folder for programs and data that PostgreSQL's account cannot reach elsewhere, as for the service's own server. */
const systemFolder = "/var/lib/pulse-background"

const standbyName = "standby"

const settings = {
  wal_keep_size: "512MB",
  // Only processes are killed here, and what they have written to files stays.
  fsync: "off",
  // A killed server leaves its segments behind; in the data folder they are deleted with it.
  dynamic_shared_memory_type: "mmap"
}

/** A PostgreSQL server of a run, with connections to it that no proxy is in between of. */
export interface Server {
  readonly place: Place
  readonly running: RunningServer
  readonly password: Redacted.Redacted
  readonly db: Db["Service"]
}

/** The settings of this program's own connections: short timeouts, because servers die while it asks. */
const configuration = Configuration.layer.pipe(
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "3", DATABASE_POOL_SIZE: "3" })
    )
  )
)

/** Connections of this program to a host and port, or to the folder of a socket. */
export const connectTo = Effect.fnUntraced(function* (host: string, port: number, password: Redacted.Redacted) {
  const layer = Db.layer({ host, port, username, password, database })
  return Context.get(yield* Layer.build(Layer.fresh(layer.pipe(Layer.provide(configuration)))), Db)
})

const start = Effect.fnUntraced(function* (place: Place, password: Redacted.Redacted) {
  const binaries = yield* findBinaries(place.account, systemFolder)
  const running = yield* Effect.acquireRelease(startServer(place, binaries, settings), (server) =>
    server === undefined || !isAlive(server.pid) ? Effect.void : Effect.ignore(stopServer(place, server))
  )
  if (running === undefined) return yield* new StagingFailed({ message: `PostgreSQL ended in ${place.dataFolder}` })
  const db = yield* connectTo(running.host, running.port, password)
  return { place, running, password, db } satisfies Server
})

/** A new server with empty data, until the scope closes. */
export const startPrimary = Effect.fnUntraced(function* (folder: string) {
  const place = yield* emptyPlace(folder)
  const password = yield* prepareData(place, yield* findBinaries(place.account, systemFolder))
  return yield* start(place, password)
})

const emptyPlace = (folder: string) =>
  Effect.tap(findPlace(folder, systemFolder), ({ dataFolder }) =>
    Effect.promise(() => rm(dataFolder, { recursive: true, force: true }))
  )

const Label = Schema.Struct({ labelfile: Schema.String })

/** Copies the data of a running server, without its WAL, which the standby gets from the server. Returns the backup's label. */
const copyData = ({ place, db: { sql, unlimited } }: Server, to: Place) =>
  unlimited(
    "failover.backup",
    Effect.gen(function* () {
      yield* sql`SELECT pg_backup_start('failover', true)::text`
      // A file that is deleted meanwhile is an error of cp, and none of the backup.
      const script =
        'cp -a "$1/." "$2/" 2>&1; cd "$2" && rm -rf postmaster.* pg_wal pg_dynshmem/* && mkdir -p pg_wal/archive_status'
      const copied = yield* run("/bin/sh", ["-c", script, "sh", place.dataFolder, to.dataFolder], {
        account: to.account
      })
      if (copied.exitCode !== 0) return yield* new StagingFailed({ message: `cp: ${copied.output}` })
      const [row] = yield* sql`SELECT labelfile FROM pg_backup_stop(false)`
      return yield* Schema.decodeUnknownEffect(Label)(row)
    })
  )

/** A streaming standby of a server, built from a copy of its data; it reaches the server through `replication`. */
export const startStandby = Effect.fnUntraced(function* (primary: Server, replication: Proxy, folder: string) {
  const place = yield* emptyPlace(folder)
  const { account, dataFolder } = place
  const give = async (path: string) => {
    if (account !== undefined) await chown(path, account.uid, account.gid)
  }
  yield* Effect.promise(async () => {
    await mkdir(dataFolder)
    await chmod(dataFolder, 0o700)
    await give(dataFolder)
  })
  const { labelfile } = yield* copyData(primary, place)
  const source =
    `host=127.0.0.1 port=${replication.port} user=${username} ` +
    `password=${Redacted.value(primary.password)} application_name=${standbyName}`
  const write = async (name: string, text: string) => {
    await writeFile(join(dataFolder, name), text, { mode: 0o600 })
    await give(join(dataFolder, name))
  }
  yield* Effect.promise(() =>
    Promise.all([
      write("backup_label", labelfile),
      write("standby.signal", ""),
      write("postgresql.auto.conf", `primary_conninfo = '${source}'\n`)
    ])
  )
  const standby = yield* start(place, primary.password)
  yield* untilTrue(primary, "SELECT count(*) = 1 AS is FROM pg_stat_replication WHERE state = 'streaming'")
  return standby
})

const Answer = Schema.Struct({ is: Schema.Boolean })

const untilTrue = ({ db: { sql, queryOne } }: Server, question: string) =>
  queryOne("failover.until", Answer, sql.unsafe(question)).pipe(
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), while: ({ is }) => !is }),
    Effect.timeoutOrElse({
      duration: "30 seconds" satisfies Duration.Input,
      orElse: () => Effect.fail(new StagingFailed({ message: `After 30 s it is not true: ${question}` }))
    })
  )

/** From now on no commit is confirmed that the standby does not have. */
export const makeSynchronous = Effect.fnUntraced(function* (primary: Server) {
  const { sql, execute } = primary.db
  yield* execute("failover.synchronous", sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${standbyName}'`))
  yield* execute("failover.reload", sql`SELECT pg_reload_conf()`)
  yield* untilTrue(primary, "SELECT count(*) = 1 AS is FROM pg_stat_replication WHERE sync_state = 'sync'")
})

const Xmax = Schema.Struct({ xmax: Schema.Finite })

/** The number of the next transaction of a server. */
export const nextTransaction = ({ db: { sql, queryOne } }: Server) =>
  Effect.map(
    queryOne("failover.next", Xmax, sql`SELECT pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS xmax`),
    ({ xmax }) => xmax
  )

/** Kills all processes of a server with SIGKILL. */
export const killServer = Effect.fnUntraced(function* ({ running: { pid } }: Server) {
  const pids = [pid, ...(yield* childrenOf(pid))]
  yield* Effect.sync(() => signalAll(pids, "SIGKILL"))
  yield* Effect.repeat(
    // A process that nobody has waited for yet counts as gone.
    Effect.promise(() => Promise.all(pids.map(startOf))),
    { schedule: Schedule.spaced("10 millis"), while: (starts) => starts.some((start) => start !== undefined) }
  )
})

/** Makes a standby the primary, with a new timeline. */
export const promote = Effect.fnUntraced(function* (standby: Server) {
  const { sql, execute } = standby.db
  yield* execute("failover.promote", sql`SELECT pg_promote(false)`)
  yield* untilTrue(standby, "SELECT NOT pg_is_in_recovery() AS is")
})

/** Deletes what a killed server has left behind. */
export const removeServer = ({ place, running }: Server): Effect.Effect<void> =>
  Effect.promise(async () => {
    await removeAddress(place, running.host)
    await rm(place.folder, { recursive: true, force: true })
  })

/** Where a proxy finds a server. */
export const upstreamOf = ({ running }: Server) => ({ path: socketOf(running) })
