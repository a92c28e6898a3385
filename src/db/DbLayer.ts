import { Effect, Layer, Option } from "effect"
import { Configuration } from "../config/Configuration.ts"
import { Db } from "./Db.ts"
import { type EmbeddedServer, ownServer, useServer } from "./EmbeddedPostgres.ts"
import { IsDatabaseOnThisHost } from "./IsDatabaseOnThisHost.ts"

/** The database of DATABASE_URL, or without one the embedded server, which `getServer` starts or finds. */
const make = (getServer: typeof ownServer) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* Configuration
      if (Option.isSome(config.databaseUrl)) return Db.layer({ url: config.databaseUrl.value })
      const { host, port, username, password, database }: EmbeddedServer = yield* getServer({
        folder: config.embeddedPostgresFolder
      })
      return Layer.merge(
        Db.layer({ host, port, username, password, database }),
        Layer.succeed(IsDatabaseOnThisHost, true)
      )
    })
  )

/** For the daemon: starts the embedded server, and stops it at the end, after the connection pool is closed. */
export const DaemonDb = make(ownServer)

/** For the commands: uses the embedded server of a running daemon, or starts it for the duration of the command. */
export const CommandDb = make(useServer)
