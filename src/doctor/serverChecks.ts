import { type Check, ok, problem, warning } from "./Check.ts"

/** Settings and state of the PostgreSQL server and of this session. */
export interface ServerFacts {
  readonly version: string
  readonly database: string
  readonly isStandby: boolean
  readonly isReadOnly: boolean
  readonly fsync: string
  readonly fullPageWrites: string
  readonly synchronousCommit: string
  readonly synchronousStandbyNames: string
  /** The number of standby servers that follow this one. */
  readonly standbys: number
  readonly connections: number
  readonly maxConnections: number
  readonly autovacuum: string
}

const slowMillis = 50

/** The server's role and its answer time. A standby or read-only session is a PROBLEM. */
export const databaseCheck = (server: ServerFacts, roundTripMillis: number): Check => {
  const found = `PostgreSQL ${server.version}, database ${server.database}, answers in ${roundTripMillis.toFixed(1)} ms`
  if (server.isStandby) {
    return problem(
      "database",
      `${found}; it is a standby, which nothing can be written to`,
      "Set DATABASE_URL to the primary, or to all servers: postgres://user:password@a,b/database"
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

/** A WARNING when more than nine tenths of the server's connections are in use. */
export const connectionCheck = ({ connections, maxConnections }: ServerFacts): Check => {
  const found = `${connections} of ${maxConnections} connections are in use`
  return connections > maxConnections * 0.9
    ? warning("connections", found, "Raise max_connections, or lower DATABASE_POOL_SIZE or the number of daemons")
    : ok("connections", found)
}
