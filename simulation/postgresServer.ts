import { ConfigProvider, Effect, Layer } from "effect"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Configuration } from "../src/config/Configuration.ts"
import type { DbTarget } from "../src/db/connect.ts"
import { Db } from "../src/db/Db.ts"
import { useServer } from "../src/db/EmbeddedPostgres.ts"
import { migrate } from "../src/db/Migrations.ts"

/** Without durability: the data is thrown away after the run. */
const settings = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }

/** A PostgreSQL server in a temporary folder, until the scope closes. */
export const temporaryServer = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-simulation-"))),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )
  // Started by root, PostgreSQL runs as another account, which needs access to the folder.
  yield* Effect.promise(() => chmod(folder, 0o755))
  return yield* useServer({ folder, systemFolder: join(folder, "system"), settings })
})

const configuration = Configuration.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))))

/** Db on a database of a server, which it migrates first. */
export const migratedDb = (target: DbTarget): Layer.Layer<Db, Error> =>
  Layer.effectDiscard(migrate).pipe(Layer.provideMerge(Db.layer(target)), Layer.provide(configuration))

/** A migrated database on a server of its own, until the scope closes. */
export const temporaryDb: Layer.Layer<Db, Error> = Layer.unwrap(
  Effect.map(temporaryServer, ({ host, port, username, password, database }) =>
    migratedDb({ host, port, username, password, database })
  )
)
