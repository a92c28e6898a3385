import { DateTime, Duration } from "effect"
import { counted } from "../domain/text/plural.ts"
import { type Check, lasting, millisSince, ok, problem, pulse, warning } from "./Check.ts"

/** What a PostgreSQL server says of itself and of this session. */
export interface ServerFacts {
  readonly version: string
  readonly database: string
  readonly isStandby: boolean
  readonly isReadOnly: boolean
  readonly fsync: string
  readonly fullPageWrites: string
  readonly synchronousCommit: string
  readonly synchronousStandbyNames: string
  /** Servers that follow this one. */
  readonly standbys: number
  readonly connections: number
  readonly maxConnections: number
  readonly autovacuum: string
}

const slowMillis = 50

export const databaseCheck = (server: ServerFacts, roundTripMillis: number): Check => {
  const found = `PostgreSQL ${server.version}, database ${server.database}, answers in ${roundTripMillis.toFixed(1)} ms`
  if (server.isStandby) {
    return problem(
      "database",
      `${found}; it is a standby, which nothing can be written to`,
      "Set DATABASE_URL to the primary"
    )
  }
  if (server.isReadOnly) {
    return problem(
      "database",
      `${found}; transactions are read-only`,
      "See default_transaction_read_only of the server, the database and the role"
    )
  }
  return roundTripMillis > slowMillis
    ? warning(
        "database",
        found,
        "Claims and outcomes take that long: look at the server's load and at the network between"
      )
    : ok("database", found)
}

/** The settings by which a committed claim survives a crash. */
export const durabilityCheck = (server: ServerFacts): Check => {
  const name = "durability"
  const off = [
    ...(server.fsync === "off" ? ["fsync"] : []),
    ...(server.fullPageWrites === "off" ? ["full_page_writes"] : []),
    ...(server.synchronousCommit === "off" ? ["synchronous_commit"] : [])
  ]
  if (off.length > 0) {
    const settings = off.map((setting) => `ALTER SYSTEM SET ${setting} = on;`).join(" ")
    return problem(
      name,
      `${off.join(" and ")} off: a crash of the server can lose claims that were committed, and a slice be placed twice`,
      `As its administrator: ${settings} SELECT pg_reload_conf(); and see the settings of the database and the role`
    )
  }
  const waits = server.synchronousStandbyNames !== "" && server.synchronousCommit !== "local"
  return server.standbys > 0 && !waits
    ? warning(
        name,
        `${counted(server.standbys, "standby server")} that commits do not wait for: a failover can lose the last claims`,
        "Set synchronous_standby_names, or halt before a failover and settle after it"
      )
    : ok(name, "fsync, full_page_writes and synchronous_commit are on")
}

export const connectionCheck = ({ connections, maxConnections }: ServerFacts): Check => {
  const found = `${connections} of ${maxConnections} connections are in use`
  return connections > maxConnections * 0.9
    ? warning("connections", found, "Raise max_connections, or lower DATABASE_POOL_SIZE or the number of daemons")
    : ok("connections", found)
}

export interface Migrations {
  /** Of this version, and not applied. */
  readonly missing: ReadonlyArray<string>
  /** Applied, and not known to this version. */
  readonly unknown: ReadonlyArray<string>
  readonly applied: number
}

export const migrationCheck = ({ missing, unknown, applied }: Migrations, version: string): Check => {
  const name = "migrations"
  if (missing.length > 0 && unknown.length > 0) {
    return problem(
      name,
      `${some(missing)} missing, and ${some(unknown)} applied that version ${version} does not know`,
      "Two versions have parted: run the one that the daemons are"
    )
  }
  if (missing.length > 0) return problem(name, `${some(missing)} missing`, pulse("migrate"))
  return unknown.length > 0
    ? warning(
        name,
        `the database is newer than version ${version}: ${some(unknown)} applied`,
        "Use the version that the newest daemon has"
      )
    : ok(name, `all ${applied} are applied`)
}

const some = (names: ReadonlyArray<string>): string =>
  names.length <= 3 ? names.join(", ") : `${names[0]} and ${names.length - 1} others`

export const clockCheck = (offsetMillis: number, limit: Duration.Duration): Check => {
  const found = `this host's clock is ${Math.abs(offsetMillis)} ms ${offsetMillis < 0 ? "behind" : "ahead of"} the database's`
  return Math.abs(offsetMillis) > Duration.toMillis(limit)
    ? warning(
        "clock",
        `${found}, more than CLOCK_OFFSET_LIMIT_MILLIS (${Duration.toMillis(limit)}); due times follow the database's`,
        "See whether both hosts synchronise their clocks: timedatectl, chronyc tracking"
      )
    : ok("clock", found)
}

/** A transaction that is open, or a session that waits for a lock. */
export interface Session {
  readonly pid: number
  readonly application: string
  readonly user: string
  readonly state: string
  readonly since: DateTime.Utc
}

const longTransaction = Duration.minutes(1)
const harmfulTransaction = Duration.minutes(15)

/** Rows that a transaction might still see cannot be cleared away: tables that change as much as ours grow and get slow. */
export const transactionCheck = (oldest: Session | null, now: DateTime.Utc): Check => {
  const name = "transactions"
  if (oldest === null) return ok(name, "none but this one is open")
  const { pid, application, user, state } = oldest
  const age = millisSince(oldest.since, now)
  const found = `the oldest is open for ${lasting(oldest.since, now)}: process ${pid}, ${application || "no name"}, user ${user}, ${state}`
  if (age < Duration.toMillis(longTransaction)) return ok(name, found)
  const todo = `End it in its program, or: SELECT pg_terminate_backend(${pid});`
  return age < Duration.toMillis(harmfulTransaction) ? warning(name, found, todo) : problem(name, found, todo)
}

/** A session that waits for a lock, and the processes that have it. */
export interface WaitingSession extends Session {
  readonly blockers: ReadonlyArray<number>
}

export const lockCheck = (waiting: WaitingSession | null, now: DateTime.Utc): Check => {
  if (waiting === null) return ok("locks", "nobody waits for one")
  const { pid, application, since, blockers } = waiting
  const [first] = blockers
  const whom = first === undefined ? "nobody any more" : `process ${blockers.join(", ")}`
  return warning(
    "locks",
    `process ${pid} (${application || "no name"}) waits for ${lasting(since, now)}, for ${whom}`,
    first === undefined ? pulse("doctor") : `See what that does, or: SELECT pg_terminate_backend(${first});`
  )
}

export interface TableFacts {
  readonly name: string
  readonly liveRows: number
  readonly deadRows: number
  readonly bytes: number
  readonly vacuumedAt: DateTime.Utc | null
}

const fewDeadRows = 20_000

export const bloatCheck = (tables: ReadonlyArray<TableFacts>, autovacuum: string): Check => {
  const name = "tables"
  const bloated = tables.filter(({ liveRows, deadRows }) => deadRows > fewDeadRows && deadRows > liveRows)
  if (bloated.length > 0) {
    const found = bloated.map(
      ({ name, deadRows, liveRows, vacuumedAt }) =>
        `${name} has ${deadRows} dead rows to ${liveRows} live ones, vacuumed ${vacuumedAt === null ? "never" : DateTime.formatIso(vacuumedAt)}`
    )
    return warning(name, found.join("; "), `psql: VACUUM (ANALYZE) ${bloated.map((table) => table.name).join(", ")};`)
  }
  if (autovacuum === "off") {
    return warning(
      name,
      "autovacuum is off: they grow for ever",
      "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();"
    )
  }
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
  return ok(name, `${megabytes(bytes)}, not bloated`)
}

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(0)} MB`

const littleSpace = 2_000_000_000
const noSpace = 200_000_000

/** The disk of the service's own PostgreSQL, in bytes. */
export const diskCheck = (folder: string, free: number): Check => {
  const found = `${megabytes(free)} free for the database in ${folder}`
  if (free >= littleSpace) return ok("disk", found)
  const todo = "Free some space, or move the folder and set EMBEDDED_POSTGRES_FOLDER: a full disk stops every write"
  return free < noSpace ? problem("disk", found, todo) : warning("disk", found, todo)
}
