import { Effect, Layer } from "effect"
import { Configuration, libpqVariables } from "../config/Configuration.ts"
import { Db } from "./Db.ts"
import { type EmbeddedServer, ownServer, useServer } from "./EmbeddedPostgres.ts"
import { IsDatabaseOnThisHost } from "./IsDatabaseOnThisHost.ts"

/** The database of DATABASE_URL, or without one the embedded server, which `getServer` starts or finds. */
const make = (getServer: typeof ownServer) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* Configuration
      if (config.database !== null) return Db.layer({ address: config.database })
      yield* tellOfUnusedVariables
      const { host, port, username, password, database }: EmbeddedServer = yield* getServer({
        folder: config.embeddedPostgresFolder
      })
      return Layer.merge(
        Db.layer({ host, port, username, password, database }),
        Layer.succeed(IsDatabaseOnThisHost, true)
      )
    })
  )

/** A variable of libpq alone does not select another database than the service's own. */
const tellOfUnusedVariables = Effect.flatMap(libpqVariables, (variables) => {
  const names = ["PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGHOSTADDR"].filter((name) => variables.has(name))
  return names.length === 0
    ? Effect.void
    : Effect.logWarning(
        `${names.join(", ")} without DATABASE_URL: the service uses its own PostgreSQL. Set DATABASE_URL=postgres:// to ` +
          "connect by these variables."
      )
})

/** For the daemon: starts the embedded server, and stops it at the end, after the connection pool is closed. */
export const DaemonDb = make(ownServer)

/** For the commands: uses the embedded server of a running daemon, or starts it for the duration of the command. */
export const CommandDb = make(useServer)
